"""The translations: `python -m tests.catalogues` brings the catalogues up to date with the code (needs GNU gettext).

What is new comes in untranslated, what is gone goes. The compiled catalogues, which are what Django reads, are written
anew.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "django_cors_guard"
LANGUAGES = ("de", "es", "fr")

#: What a translation has to keep: placeholders of both kinds, and tags.
_KEPT = re.compile(r"%\(\w+\)[sdr]|%[sdr%]|\{\w*\}|</?[a-z][^>]*>")


def read(language: str, package: Path = PACKAGE) -> polib.POFile:
    """Return the catalogue of ``language`` as it is stored."""
    return polib.pofile(str(package / "locale" / language / "LC_MESSAGES/django.po"))


def extract(folder: Path) -> Path:
    """Copy the package to ``folder``, bring the copy's catalogues up to date with the code, and return its path."""
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    command = [sys.executable, "-m", "django", "makemessages", "--no-obsolete", "--no-wrap", "--add-location", "file"]
    named = [word for language in LANGUAGES for word in ("--locale", language)]
    # The settings are nobody's: it is the package alone that is read.
    environ = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([*command, *named, "--verbosity", "0"], cwd=copy, env=environ, check=True)
    return copy


def compiled(catalogue: polib.POFile | polib.MOFile) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return what a compiled catalogue says, in a form that compares."""
    return sorted(
        (entry.msgctxt or "", entry.msgid, entry.msgstr, tuple(entry.msgstr_plural.values()))
        for entry in catalogue
        if not isinstance(entry, polib.POEntry) or entry.translated()
    )


def count_forms(catalogue: polib.POFile) -> int:
    """Return how many forms a word that counts has in the language."""
    return int(re.findall(r"nplurals=(\d+)", catalogue.metadata["Plural-Forms"])[0])


def find_faults(entry: polib.POEntry, numbers: int) -> list[str]:
    """Return in words what is wrong with one entry of a catalogue whose words have ``numbers`` forms that count."""
    forms = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    if not all(forms) or (entry.msgid_plural and len(forms) != numbers):
        return ["is not translated"]
    faults = ["is marked as fuzzy"] if entry.fuzzy else []
    for form in forms:
        if not _keeps_pieces(entry, form):
            faults.append(f"does not keep the placeholders and tags: {form}")
        if [form.startswith("\n"), form.endswith("\n")] != [entry.msgid.startswith("\n"), entry.msgid.endswith("\n")]:
            faults.append(f"does not keep the line ends: {form!r}")
    return faults


def _keeps_pieces(entry: polib.POEntry, form: str) -> bool:
    """Whether nothing is lost or new; a plural form may say its number in words, as the English ones do."""
    pieces = sorted(_KEPT.findall(form))
    if not entry.msgid_plural:
        return pieces == sorted(_KEPT.findall(entry.msgid))
    either = [sorted(_KEPT.findall(text)) for text in (entry.msgid, entry.msgid_plural)]
    return pieces in either


def _head(catalogue: polib.POFile, language: str) -> None:
    """Write a head without dates: else each run were a change."""
    kept = {name: catalogue.metadata[name] for name in ("MIME-Version", "Content-Transfer-Encoding", "Plural-Forms")}
    catalogue.header, catalogue.metadata_is_fuzzy = "", False
    catalogue.metadata = {
        "Project-Id-Version": "django-cors-guard",
        "Language": language,
        "Content-Type": "text/plain; charset=UTF-8",
        **kept,
    }


def main() -> int:
    """Write the catalogues anew; say how much is left to translate, and return 1 if anything is."""
    left = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = extract(Path(folder))
        for language in LANGUAGES:
            catalogue = read(language, copy)
            _head(catalogue, language)
            target = PACKAGE / "locale" / language / "LC_MESSAGES/django.po"
            catalogue.save(str(target))
            catalogue.save_as_mofile(str(target.with_suffix(".mo")))
            numbers = count_forms(catalogue)
            faults = [(entry.msgid, fault) for entry in catalogue for fault in find_faults(entry, numbers)]
            left += len(faults)
            for msgid, fault in faults:
                sys.stdout.write(f"{language}: {msgid!r} {fault}\n")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
