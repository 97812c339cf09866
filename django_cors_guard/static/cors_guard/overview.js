/* Draws stacked bars from the tables of the page. Without this script the tables stand open and say the same. */
"use strict";

(() => {
    const TILE = 8;
    const STRIPES = [
        () => {},
        (pen) => line(pen, [0, TILE], [TILE, 0]),
        (pen) => line(pen, [0, TILE / 2], [TILE, TILE / 2]),
        (pen) => dot(pen, TILE / 2, TILE / 2),
        (pen) => line(pen, [0, 0], [TILE, TILE]),
        (pen) => line(pen, [TILE / 2, 0], [TILE / 2, TILE]),
        (pen) => { line(pen, [0, TILE], [TILE, 0]); line(pen, [0, 0], [TILE, TILE]); },
    ];

    function line(pen, from, to) {
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
    }

    function dot(pen, x, y) {
        pen.beginPath();
        pen.arc(x, y, 1.5, 0, 2 * Math.PI);
        pen.fill();
    }

    function penOf(width, height) {
        const canvas = document.createElement("canvas");
        canvas.width = width;
        canvas.height = height;
        return canvas.getContext("2d");
    }

    /* Colours alone tell nothing to many people, so each series has a pattern of its own, too. */
    function fillOf(number, colour, ground) {
        const pen = penOf(TILE, TILE);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, TILE, TILE);
        pen.fillStyle = pen.strokeStyle = ground;
        pen.lineWidth = 1.5;
        STRIPES[number % STRIPES.length](pen);
        return pen.createPattern(pen.canvas, "repeat");
    }

    /* The names are text of the page, so that they wrap, grow and can be read out like any other. */
    function explain(figure, datasets) {
        const items = datasets.map(({ label, backgroundColor }) => {
            const pen = penOf(3 * TILE, 2 * TILE);
            pen.fillStyle = backgroundColor;
            pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
            pen.canvas.setAttribute("aria-hidden", "true");
            const item = document.createElement("li");
            item.append(pen.canvas, label);
            return item;
        });
        figure.querySelector(".cors-guard-series").replaceChildren(...items);
    }

    function readTable(figure) {
        const table = figure.querySelector("table");
        const rows = [...table.tBodies[0].rows];
        const names = [...table.querySelectorAll("th[data-series]")].map((cell) => cell.textContent.trim());
        const counts = rows.map((row) => [...row.querySelectorAll("[data-count]")].map((cell) => Number(cell.dataset.count)));
        return {
            labels: rows.map((row) => row.cells[0].textContent.trim()),
            series: names.map((name, at) => ({ name, counts: counts.map((row) => row[at]) })),
        };
    }

    /* What the browser makes of a colour of the style sheet, variables of the admin's theme included. */
    function colourOf(figure, property) {
        const probe = document.createElement("span");
        probe.style.color = `var(${property})`;
        figure.append(probe);
        const colour = getComputedStyle(probe).color;
        probe.remove();
        return colour;
    }

    function draw(figure) {
        const { labels, series } = readTable(figure);
        const [text, grid, ground] = ["--body-fg", "--hairline-color", "--body-bg"].map((name) => colourOf(figure, name));
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        const datasets = series.map(({ name, counts }, at) => ({
            label: name,
            data: counts,
            backgroundColor: fillOf(at, colourOf(figure, `--cors-guard-series-${at + 1}`), ground),
            borderColor: ground,
            borderWidth: 1,
            borderSkipped: false,
            maxBarThickness: 48,
        }));
        const axis = { stacked: true, ticks: { color: text }, grid: { color: grid }, border: { color: grid } };
        explain(figure, datasets);
        return new Chart(figure.querySelector(".cors-guard-canvas canvas"), {
            type: "bar",
            data: { labels, datasets },
            options: {
                responsive: true,
                maintainAspectRatio: false,
                animation: calm ? false : { duration: 300 },
                interaction: { mode: "index", intersect: false },
                scales: {
                    x: { ...axis, grid: { display: false }, ticks: { color: text, maxRotation: 45 } },
                    y: { ...axis, beginAtZero: true, ticks: { color: text, precision: 0 } },
                },
                plugins: { legend: { display: false } },
            },
        });
    }

    function start() {
        const charts = new Map();
        const redraw = () => {
            for (const [figure, chart] of charts) {
                chart.destroy();
                charts.set(figure, draw(figure));
            }
        };
        for (const figure of document.querySelectorAll(".cors-guard-chart")) {
            figure.querySelector(".cors-guard-canvas").hidden = false;
            figure.querySelector("details").open = false;
            charts.set(figure, draw(figure));
        }
        /* The admin's switch of themes sets an attribute, others a class; the system's own changes neither. */
        const watch = { attributes: true, attributeFilter: ["data-theme", "class"] };
        new MutationObserver(redraw).observe(document.documentElement, watch);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    }

    if (window.Chart) {
        start();
    }
})();
