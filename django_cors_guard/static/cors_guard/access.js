/* Comforts of the access matrix: whole rows and columns at a time, arrow keys, a count of what was changed. The form
   works without any of it. */
"use strict";

(() => {
    const form = document.getElementById("access-form");
    const table = document.getElementById("access-table");
    const status = document.getElementById("access-count");
    if (!form || !table || !status) {
        return;
    }
    const boxes = [...table.querySelectorAll("input[name=on]")];
    const grid = [...table.querySelectorAll(".cors-guard-access-row")].map((row) =>
        [...row.querySelectorAll("td")].map((cell) => cell.querySelector("input[name=on]")),
    );
    const words = table.dataset;
    let isSubmitting = false;

    const wasTrusted = (box) => "trusted" in box.dataset;
    const differs = (box) => !box.disabled && box.checked !== wasTrusted(box);

    const tell = (left = 0) => {
        const changed = boxes.filter(differs);
        for (const box of boxes) {
            box.closest("td").classList.toggle("cors-guard-cell-changed", differs(box));
        }
        const ticked = changed.filter((box) => box.checked).length;
        const told = [];
        if (ticked) {
            told.push(`${status.dataset.ticked}: ${ticked}`);
        }
        if (changed.length > ticked) {
            told.push(`${status.dataset.cleared}: ${changed.length - ticked}`);
        }
        if (!changed.length) {
            told.push(status.dataset.none);
        }
        if (left) {
            told.push(`${status.dataset.left}: ${left}`);
        }
        status.textContent = told.join(" · ");
    };

    const isOpen = (box) => box && !box.disabled;

    /* Ticks or clears a whole row or column. What was revoked is nobody's to tick in passing. */
    const fill = (line, wanted) => {
        const careful = (box) => wanted && "careful" in box.dataset && !box.checked;
        const open = line.filter(isOpen);
        for (const box of open) {
            box.checked = careful(box) ? false : wanted;
        }
        tell(open.filter(careful).length);
    };

    const addButton = (header, text, label, action) => {
        const name = header.querySelector("a, .cors-guard-access-group").textContent.trim();
        const button = document.createElement("button");
        button.type = "button";
        button.className = "cors-guard-access-all";
        button.textContent = text;
        button.setAttribute("aria-label", `${label}: ${name}`);
        button.title = label;
        button.addEventListener("click", action);
        header.append(button);
    };

    const addButtons = (header, tick, clear, line) => {
        if (line.some(isOpen)) {
            addButton(header, words.all, tick, () => fill(line, true));
            addButton(header, words.none, clear, () => fill(line, false));
        }
    };

    table.querySelectorAll("thead .cors-guard-access-head").forEach((header, column) => {
        addButtons(header, words.tickColumn, words.clearColumn, grid.map((row) => row[column]));
    });
    table.querySelectorAll("tbody .cors-guard-access-head").forEach((header, row) => {
        addButtons(header, words.tickRow, words.clearRow, grid[row]);
    });

    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

    /* The next box that can be ticked, in the direction of the arrow. */
    const move = (box, [down, right]) => {
        let row = grid.findIndex((line) => line.includes(box));
        let column = grid[row].indexOf(box);
        do {
            row += down;
            column += right;
            const next = grid[row]?.[column];
            if (next && !next.disabled) {
                next.focus();
                return;
            }
        } while (grid[row]?.[column] !== undefined);
    };

    table.addEventListener("keydown", (event) => {
        if (event.key in steps && event.target.matches("input[name=on]")) {
            event.preventDefault();
            move(event.target, steps[event.key]);
        }
    });
    table.addEventListener("change", () => tell());
    form.addEventListener("reset", () => setTimeout(() => tell()));
    form.addEventListener("submit", () => {
        isSubmitting = true;
    });
    window.addEventListener("beforeunload", (event) => {
        if (!isSubmitting && boxes.some(differs)) {
            event.preventDefault();
        }
    });
    window.addEventListener("pageshow", () => {
        isSubmitting = false;
        tell();
    });
})();
