/* Spells out an origin that an issuer covers while its prefix and suffix are typed. Without this script the example is
   there once the issuer was saved. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const output = document.getElementById("issuer-example");
    const prefix = document.getElementById("id_host_prefix");
    const suffix = document.getElementById("id_host_suffix");
    if (!output || !prefix || !suffix) {
        return;
    }
    const tidy = (field) => field.value.trim().toLowerCase();
    const tell = () => {
        const origin = `https://${tidy(prefix)}${output.dataset.word}${tidy(suffix)}`;
        output.textContent = tidy(suffix) ? output.dataset.sentence.replace("{}", () => origin) : "";
    };
    prefix.addEventListener("input", tell);
    suffix.addEventListener("input", tell);
    tell();
});
