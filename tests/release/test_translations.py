"""Whoever does not read English is told everything in his language: nothing is missing, nothing is stale."""

import json
import re
from pathlib import Path

import polib
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from django_cors_guard import wording
from django_cors_guard.core.problems import Problem
from django_cors_guard.models import ApiGroup, Environment
from tests.catalogues import LANGUAGES, PACKAGE, compiled, count_forms, extract, find_faults, read

pytestmark = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(tmp_path_factory.mktemp("extracted"))


def ids(catalogue: polib.POFile) -> set[tuple[str, str, str]]:
    return {(entry.msgctxt or "", entry.msgid, entry.msgid_plural) for entry in catalogue if not entry.obsolete}


@pytest.mark.needs("gettext")
def test_catalogue_has_what_the_code_says_and_nothing_else(language: str, extracted: Path) -> None:
    said, stored = ids(read(language, extracted)), ids(read(language))
    advice = "run `make messages` and translate what is new"
    assert sorted(said - stored) == [], advice
    assert sorted(stored - said) == [], advice


def test_code_calls_gettext_by_names_that_are_looked_for(language: str) -> None:
    named = re.compile(r"^from django\.utils\.translation import .*gettext\w* as (?!_$)\w+", re.MULTILINE)
    aliases = {path.name: named.findall(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {name: found for name, found in aliases.items() if found} == {}


def test_each_text_is_translated_with_all_that_it_names(language: str) -> None:
    catalogue = read(language)
    numbers = count_forms(catalogue)
    assert [(entry.msgid, fault) for entry in catalogue for fault in find_faults(entry, numbers)] == []


def test_compiled_catalogue_says_what_the_readable_one_says(language: str) -> None:
    stored = polib.mofile(str(PACKAGE / "locale" / language / "LC_MESSAGES/django.mo"))
    assert compiled(stored) == compiled(read(language)), "run `make messages`"


def test_catalogue_is_no_copy_of_the_english(language: str) -> None:
    same = [entry.msgid for entry in read(language) if entry.msgstr == entry.msgid]
    # Django stores the names of permissions as it creates them, so that no translation would be found beside them.
    sentences = [
        text
        for text in same
        if len(re.findall(r"(?<![\w(])[a-z]{3,}", re.sub("<[^>]*>", "", text))) > 2 and text not in PERMISSIONS
    ]
    assert sentences == []


PERMISSIONS = {
    str(name) for model in apps.get_app_config("cors_guard").get_models() for _, name in model._meta.permissions
}

#: A word that the page in that language has.
TRUSTED_ORIGINS = {"de": "Vertrauenswürdige", "es": "confianza", "fr": "confiance"}


def test_operator_is_spoken_to_in_his_language(
    language: str, admin_client: Client, production: Environment, public: ApiGroup, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    page = admin_client.get("/admin/cors_guard/trustedorigin/", headers={"Accept-Language": language})
    assert page.status_code == 200
    assert TRUSTED_ORIGINS[language] in page.content.decode()


def test_command_speaks_it_too(
    language: str, production: Environment, public: ApiGroup, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("trust", "https://app.example.com/path", "--environment", production.slug, "--group", public.slug)
    with translation.override(language), pytest.raises(CommandError) as told:
        call_command("cors_guard", *words)
    with translation.override(language):
        assert wording.word_problem(Problem("path", "/path")) in str(told.value) + capsys.readouterr().err
    with translation.override("en"):
        assert wording.word_problem(Problem("path", "/path")) not in str(told.value)


def test_api_words_a_problem_in_it(
    language: str, admin_client: Client, production: Environment, public: ApiGroup, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    sent = {"origin": "https://app.example.com/path", "environment": production.slug, "api_group": public.slug}
    answer = admin_client.post(
        "/cors-guard/trusted-origins/", sent, content_type="application/json", headers={"Accept-Language": language}
    )
    assert answer.status_code == 400
    with translation.override(language):
        assert json.dumps(wording.word_problem(Problem("path", "/path")))[1:-1] in json.dumps(answer.json())
