// Comfort only: the server says the same of a preview that is out of date, and reads the time only with "until…".
"use strict";

const until = document.querySelector('[name="until"]');
const radio = document.querySelector('[name="ends"][value="until"]');
if (until && radio) {
    until.addEventListener("input", () => { radio.checked = true; });
}

const asked = document.querySelector("details#trust-what");
const stale = document.getElementById("trust-stale");
const button = document.getElementById("trust-button");
if (asked && stale && button) {
    asked.addEventListener("input", () => {
        stale.hidden = false;
        button.disabled = true;
    });
}
