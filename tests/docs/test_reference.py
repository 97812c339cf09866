"""The reference lists everything public, and nothing that is gone; what the pages add by hand is true, too."""

import re

import pytest
from django.core.management import call_command
from django.dispatch import Signal

from django_cors_guard import conf, exceptions, services, signals
from django_cors_guard.checks.rules import RULES
from django_cors_guard.core.decision import Isolation, Kind, Mode, Outcome, Reason, ResourcePolicy
from django_cors_guard.management.subcommands import SUBCOMMANDS
from docs.generated import api, checks, codes, command, models, settings
from docs.generated import exceptions as exceptions_part
from docs.generated import services as services_part
from docs.generated import signals as signals_part
from docs.generated.extension import PARTS
from docs.generated.markdown import code, escape, table
from docs.generated.project import in_english
from tests.docs.sources import DOCS, list_pages

#: Signals between the guard's own modules, which are nobody else's business.
OWN_SIGNALS = {"policy_written", "policy_looking", "policy_looked"}


def titles(text: str, level: int = 2) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)


def described(text: str) -> list[str]:
    return re.findall(r"^`````\{py:\w+\} ([\w.]+)", text, flags=re.MULTILINE)


def test_every_part_stands_on_one_page() -> None:
    places = [part for page in list_pages() for part in re.findall(r"<!-- generated: (\w+) -->", page.read_text())]
    assert sorted(places) == sorted(PARTS)


def test_settings_are_all_listed_with_their_defaults_and_what_they_take() -> None:
    text = settings.describe()
    assert titles(text) == list(conf.KEYS)
    for section in text.split("\n## ")[1:]:
        _key, said, facts = section.strip().split("\n\n")[:3]
        assert said
        assert re.fullmatch(r"- Default: `+ ?.+\n- Takes: .+", facts), facts
    assert "- Default: `900.0`" in text
    assert '- Default: `"truncated"`' in text


def test_models_are_all_listed_with_every_field() -> None:
    text = models.describe()
    assert titles(text) == [model.__name__ for model in models.find_models()]
    for section, model in zip(text.split("\n## ")[1:], models.find_models(), strict=True):
        fields = [field.name for field in (*model._meta.fields, *model._meta.many_to_many)]
        assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(fields)
    assert "Every web page in the world may read these paths." in text


def test_services_are_all_listed_under_a_title_of_their_own() -> None:
    text = services_part.describe()
    assert sorted(described(text)) == sorted(f"django_cors_guard.services.{name}" for name in services.__all__)
    assert set(titles(text)) <= set(services_part.TITLES.values()), "a part of the services has no title"


def test_services_and_what_they_return_have_docstrings() -> None:
    exported = {name: getattr(services, name) for name in services.__all__}
    assert [name for name, thing in exported.items() if callable(thing) and not thing.__doc__] == []


def test_exceptions_are_all_listed() -> None:
    own = {name for name, thing in vars(exceptions).items() if getattr(thing, "__module__", "") == exceptions.__name__}
    assert set(described(exceptions_part.describe())) == {f"django_cors_guard.exceptions.{name}" for name in own}


def test_operations_of_the_api_are_all_listed_with_their_permissions() -> None:
    schema = api.make_schema()
    operations = api.find_operations(schema)
    text = in_english(api.describe)
    components = [name.removeprefix(api.PREFIX) for name in sorted(schema["components"]["schemas"])]
    assert titles(text, level=3) == [operation.title for operation in operations] + components
    assert len(operations) == sum(len(item) for item in schema["paths"].values())
    assert all(operation.permissions for operation in operations)


def test_page_of_the_api_names_what_any_address_may_answer() -> None:
    responses = [set(operation.described["responses"]) for operation in api.find_operations(api.make_schema())]
    assert {status for status in set.intersection(*responses) if status >= "400"} == api.ALWAYS
    page = (DOCS / "reference/api.md").read_text()
    assert all(status in page for status in api.ALWAYS)


def test_subcommands_are_all_listed_with_every_argument() -> None:
    text = command.describe()
    assert titles(text) == list(SUBCOMMANDS)
    for name, section in zip(SUBCOMMANDS, text.split("\n## ")[1:], strict=True):
        own = command.find_own(command.find_subparsers()[name])
        for action in own:
            assert any(f"`{option}" in section for option in action.option_strings or [str(action.metavar)])
            assert action.help


def test_help_names_the_options_that_the_page_lists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("cors_guard", "trust", "--help")
    shown = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    section = next(text for text in command.describe().split("\n## ") if text.startswith("trust\n"))
    listed = set(re.findall(r"^\| `(--[a-z-]+)", section, flags=re.MULTILINE))
    assert {"--group", "--expires", "--dry-run"} <= listed <= shown


def test_checks_are_all_listed_with_what_to_do() -> None:
    text = checks.describe()
    assert titles(text) == sorted(rule.id for rule in RULES.values())
    assert "%(" not in text
    for section in text.split("\n## ")[1:]:
        assert re.search(r"^\*(Error|Warning)\.\* .+\n\n.+", section, flags=re.MULTILINE), section


def test_codes_are_all_listed_with_their_words() -> None:
    text = f"{codes.describe_reasons()}\n\n{codes.describe_others()}"
    listed = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", text, flags=re.MULTILINE)
    assert [name for name, said in listed if not said] == []
    names = [name for name, _said in listed]
    assert names[: len(Reason)] == [str(reason) for reason in sorted(Reason, key=lambda reason: reason.is_refusal)]
    assert {*Kind, *Outcome, *Mode, *Isolation, *ResourcePolicy} <= set(names)


def test_signals_are_all_listed() -> None:
    all_signals = {name for name, thing in vars(signals).items() if isinstance(thing, Signal)}
    assert titles(signals_part.describe()) == list(signals_part.find_public())
    assert set(signals_part.find_public()) == all_signals - OWN_SIGNALS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("https://*.example.com", r"https://\*.example.com", id="asterisk"),
        pytest.param("``https://*.example.com`` <id>", r"``https://*.example.com`` \<id\>", id="code stays code"),
        pytest.param("CORS_GUARD_ENVIRONMENT", "CORS_GUARD_ENVIRONMENT", id="underscores within words"),
        pytest.param("a | b", r"a \| b", id="bar"),
    ],
)
def test_plain_text_is_no_markup(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_table_takes_bars_in_code_and_in_text() -> None:
    rows = table(["a", "b"], [[code("x|y"), escape("x|y")]]).splitlines()
    assert rows[2] == r"| `x\|y` | x\|y |"
