/* Copies a snippet to the clipboard; without a script, or where the browser refuses, it is selected by hand. */
"use strict";

(() => {
    const select = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const selection = window.getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
    };

    const copy = async (button) => {
        const text = document.getElementById(button.dataset.copy);
        const status = button.parentElement.querySelector("[role=status]");
        status.textContent = "";
        try {
            await navigator.clipboard.writeText(text.textContent);
            status.textContent = status.dataset.copied;
        } catch {
            select(text);
            status.textContent = status.dataset.selected;
        }
    };

    for (const button of document.querySelectorAll("[data-copy]")) {
        button.hidden = false;
        button.addEventListener("click", () => copy(button));
    }
})();
