/* Says what routes cover while they are typed, and what a number of seconds is. Without this script both are said
   when the page is loaded. */
"use strict";

(() => {
    const PAUSE = 300;
    const MINUTE = 60;
    const HOUR = 3600;
    const DAY = 86400;

    function make(tag, text, name) {
        const element = document.createElement(tag);
        element.textContent = text;
        if (name) {
            element.className = name;
        }
        return element;
    }

    function mark(paragraph) {
        const sign = make("span", "⚠", "cors-guard-mark");
        sign.setAttribute("aria-hidden", "true");
        paragraph.prepend(sign, " ");
        return paragraph;
    }

    function listPatterns(note) {
        const list = document.createElement("ul");
        for (const pattern of note.patterns) {
            const item = document.createElement("li");
            item.append(make("code", pattern.text));
            if (pattern.remark) {
                item.append(" ", make("span", `(${pattern.remark})`, "cors-guard-remark"));
            }
            list.append(item);
        }
        if (note.more) {
            list.append(make("li", note.more));
        }
        return list;
    }

    function describe(note) {
        const box = make("div", "", `cors-guard-coverage-note cors-guard-coverage-${note.state}`);
        const heading = document.createElement("h3");
        heading.append(make("code", note.route));
        const summary = make("p", note.summary);
        box.append(heading, note.state === "good" ? summary : mark(summary));
        for (const warning of note.warnings) {
            box.append(mark(make("p", warning, "cors-guard-coverage-warning")));
        }
        if (note.patterns.length) {
            box.append(listPatterns(note));
        }
        return box;
    }

    function readRoutes(group) {
        const query = new URLSearchParams();
        for (const prefix of group.querySelectorAll("input[name$='-path_prefix']:not([name*='__prefix__'])")) {
            const stem = prefix.name.slice(0, -"path_prefix".length);
            const host = group.querySelector(`input[name="${stem}host"]`);
            const gone = group.querySelector(`input[name="${stem}DELETE"]`);
            if (!(gone && gone.checked)) {
                query.append("host", host ? host.value : "");
                query.append("path_prefix", prefix.value);
            }
        }
        return query;
    }

    function watchRoutes() {
        const panel = document.getElementById("coverage");
        const group = document.getElementById("routes-group");
        if (!panel || !group || !group.querySelector("input[name$='-path_prefix']")) {
            return;
        }
        const notes = document.getElementById("coverage-notes");
        let timer = 0;
        let flight = new AbortController();
        let asked = readRoutes(group).toString();

        async function ask() {
            const query = readRoutes(group);
            if (query.toString() === asked) {
                return;
            }
            asked = query.toString();
            flight.abort();
            flight = new AbortController();
            query.append("group", panel.dataset.group);
            try {
                const answer = await fetch(`${panel.dataset.url}?${query}`, { signal: flight.signal });
                if (!answer.ok || answer.redirected) {
                    throw new Error(String(answer.status));
                }
                const found = (await answer.json()).routes.map(describe);
                const none = document.getElementById("coverage-none").content.textContent;
                notes.replaceChildren(...(found.length ? found : [make("p", none)]));
            } catch (error) {
                if (error.name !== "AbortError") {
                    asked = "";
                    notes.replaceChildren(mark(make("p", panel.dataset.failed)));
                }
            }
        }

        function wait() {
            clearTimeout(timer);
            timer = setTimeout(ask, PAUSE);
        }

        for (const event of ["input", "change", "click", "formset:added", "formset:removed"]) {
            document.addEventListener(event, (happened) => {
                if (group.contains(happened.target) || event === "formset:removed") {
                    wait();
                }
            });
        }
    }

    function wordSeconds(seconds) {
        const [count, unit] = seconds < 2 * MINUTE ? [seconds, "second"]
            : seconds < 2 * HOUR ? [Math.round(seconds / MINUTE), "minute"]
                : seconds < 2 * DAY ? [Math.round(seconds / HOUR), "hour"]
                    : [Math.round(seconds / DAY), "day"];
        const language = document.documentElement.lang || "en";
        return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
    }

    function watchSeconds() {
        const input = document.getElementById("id_max_age");
        const words = document.getElementById("max-age-words");
        if (!input || !words) {
            return;
        }
        input.addEventListener("input", () => {
            const text = input.value.trim();
            words.textContent = /^[0-9]{1,9}$/.test(text)
                ? words.dataset.sentence.replace("{}", wordSeconds(Number(text)))
                : "";
        });
    }

    document.addEventListener("DOMContentLoaded", () => {
        watchRoutes();
        watchSeconds();
    });
})();
