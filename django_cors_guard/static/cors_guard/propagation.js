/* Looks again at where a revocation is out while somebody waits for it. Without this script a link does the same. */
"use strict";

(() => {
    const PAUSE = 2000;
    const END = Date.now() + 2 * 60 * 1000;
    const section = document.getElementById("propagation");
    if (!section) {
        return;
    }

    /* An inert document, in which no script of the answer runs. */
    const look = () =>
        new Promise((resolve) => {
            const request = new XMLHttpRequest();
            request.responseType = "document";
            request.open("GET", window.location.href);
            request.timeout = 5 * PAUSE;
            request.onloadend = () => resolve(request.response && request.response.getElementById("propagation"));
            request.send();
        });

    const show = (fresh) => {
        const summary = section.querySelector("#propagation-summary");
        const told = fresh.querySelector("#propagation-summary");
        /* What is read out aloud changes only where there is something new. */
        if (summary.textContent !== told.textContent) {
            summary.textContent = told.textContent;
        }
        summary.className = told.className;
        const processes = fresh.querySelector("#propagation-processes");
        section.querySelector("#propagation-processes").replaceChildren(...processes.childNodes);
        section.toggleAttribute("data-waiting", fresh.hasAttribute("data-waiting"));
    };

    const goOn = () => {
        if (section.hasAttribute("data-waiting") && Date.now() < END) {
            window.setTimeout(lookAgain, PAUSE);
        }
    };

    const lookAgain = async () => {
        const fresh = document.hidden ? null : await look();
        if (fresh) {
            show(fresh);
        }
        goOn();
    };

    section.querySelector("#look-again").addEventListener("click", (event) => {
        event.preventDefault();
        look().then((fresh) => (fresh ? show(fresh) : window.location.reload()));
    });
    goOn();
})();
