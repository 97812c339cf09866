"""System checks: what each finds, what it leaves alone, and that none of them ever gets in the way."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import pytest
from django.core.checks import CheckMessage, Error, Tags, Warning, registry, run_checks  # noqa: A004 - Django's name
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from pytest_django import Settings

from django_cors_guard import checks
from django_cors_guard.checks.rules import RULES, Rule
from django_cors_guard.middleware import CorsGuardMiddleware
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.neighbours import MIDDLEWARE
from django_cors_guard.testing import override_cors_guard
from tests.factories import EnvironmentFactory, GroupModeFactory

OURS = MIDDLEWARE
SECURITY = "django.middleware.security.SecurityMiddleware"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
PEER = "corsheaders.middleware.CorsMiddleware"


class OwnSubclass:
    """Stands for a project's middleware; made one in the test that needs it."""


def ids(messages: Sequence[CheckMessage]) -> list[str]:
    return sorted(str(message.id).removeprefix("cors_guard.") for message in messages)


def of_database(check: Any) -> list[str]:
    return ids(check(databases=["default"]))


def test_rules_have_unique_ids_and_a_hint_each() -> None:
    rules = list(RULES.values())

    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        letter, number = rule.id.removeprefix("cors_guard.")[0], rule.id[-3:]
        assert letter in "EW"
        assert number.isdecimal()
        assert str(rule.message)
        assert str(rule.hint)


@pytest.mark.parametrize("name", RULES)
def test_rule_is_as_severe_as_its_letter_says(name: str) -> None:
    rule = RULES[name]

    message = rule.report(**dict.fromkeys(_places(rule), 1))

    assert type(message) is (Error if ".E" in rule.id else Warning)
    assert message.hint
    assert "%(" not in f"{message.msg}{message.hint}"


def _places(rule: Rule) -> list[str]:
    return [part.partition(")")[0] for part in f"{rule.message}{rule.hint}".split("%(")[1:]]


def test_checks_are_registered_under_the_apps_tag() -> None:
    registered: dict[str, Sequence[str]] = {
        getattr(check, "__name__", ""): check.tags
        for check in registry.registry.get_checks()
        if checks.TAG in check.tags
    }

    assert {name for name, tags in registered.items() if Tags.database in tags} == {
        "check_environment", "check_enforcing", "check_csrf_groups",
    }  # fmt: skip
    assert set(registered) == {
        "check_setting", "check_middleware", "check_other_middleware", "check_sqlite", "check_environment",
        "check_enforcing", "check_csrf_middleware", "check_csrf_groups", "check_push",
        "check_metrics",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "found", "told"),
    [
        pytest.param({}, [], "", id="nothing"),
        pytest.param({"ENVIRONMENT": "production", "MAX_MODE": "enforce", "CACHE": None}, [], "", id="good"),
        pytest.param({"REFRESH_SECOND": 1}, ["E002"], "Did you mean REFRESH_SECONDS?", id="misspelt key"),
        pytest.param({"environment": "x"}, ["E002"], "Did you mean ENVIRONMENT?", id="lower case"),
        pytest.param({"WHATEVER_ELSE": 1}, ["E002"], "The keys are: ENVIRONMENT, MAX_MODE,", id="nothing alike"),
        pytest.param({7: 1}, ["E002"], "unknown key 7", id="key that is no text"),
        pytest.param({"MAX_MODE": "blok"}, ["E003"], "CORS_GUARD['MAX_MODE'] is 'blok', which", id="mode"),
        pytest.param({"MAX_MODE": "blok"}, ["E003"], 'Give it "monitor", "enforce" or "block".', id="what is good"),
        pytest.param({"REFRESH_SECONDS": True}, ["E003"], "the default applies", id="bool for a number"),
        pytest.param({"ENVIRONMENT": "a b"}, ["E003"], "the active environment is “a b”", id="environment"),
        pytest.param({"CACHE": "nowhere"}, ["E003"], "None or an alias in CACHES", id="cache"),
        pytest.param({"PUSH": "redis://127.0.0.1:6379/0"}, [], "", id="push"),
        pytest.param({"PUSH": "http://a:pass@b"}, ["E003"], "is 'http://…', which cannot be used", id="no Redis"),
        pytest.param({"PUSH": "redis://:pa/ss@b:x"}, ["E003"], "is 'redis://…', which", id="no password shown"),
        pytest.param({"PUSH": "redis//:secret@b"}, ["E003"], "is a str, which", id="no password of no URL shown"),
        pytest.param({"PUSH": {"password": "secret"}}, ["E003"], "is a dict, which", id="no password of a dict shown"),
        pytest.param({"CLIENT_IP": "no.such.thing"}, ["E003"], "dotted path of a callable", id="callable"),
        pytest.param({"MAX_MOD": 1, "AUDIT_CLIENT_IP": "half"}, ["E002", "E003"], "MAX_MODE", id="both"),
        pytest.param(["ENVIRONMENT"], ["E001"], "CORS_GUARD is list instead of a dictionary", id="list"),
        pytest.param(None, ["E001"], "CORS_GUARD is NoneType", id="none"),
    ],
)
def test_setting(
    given: Mapping[Any, object], found: list[str], told: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CORS_GUARD_ENVIRONMENT", raising=False)
    settings.CORS_GUARD = given

    messages = checks.check_setting()

    assert ids(messages) == found
    assert told in "".join(f"{message.msg} {message.hint}" for message in messages)


def test_push_without_its_package_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_cors_guard(PUSH="redis://127.0.0.1:6379/0"):
        assert checks.check_push() == []
        monkeypatch.setattr(checks, "find_spec", lambda name: None)
        assert ids(checks.check_push()) == ["E008"]
    assert checks.check_push() == []


def test_metrics_without_their_package_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_cors_guard(METRICS="prometheus"):
        assert checks.check_metrics() == []
        monkeypatch.setattr(checks, "find_spec", lambda name: None)
        assert ids(checks.check_metrics()) == ["E009"]
    with override_cors_guard(METRICS="signal"):
        assert checks.check_metrics() == []


def test_setting_that_is_left_out_is_fine(settings: Settings) -> None:
    del settings.CORS_GUARD

    assert checks.check_setting() == []


def test_setting_with_a_bad_environment_variable_names_the_variable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_GUARD_ENVIRONMENT", "prod!")
    settings.CORS_GUARD = {}

    (message,) = checks.check_setting()

    assert message.id == "cors_guard.E003"
    assert message.msg.startswith("CORS_GUARD_ENVIRONMENT is 'prod!'")


@pytest.mark.parametrize(
    ("middleware", "found", "told"),
    [
        pytest.param([OURS, SECURITY, SESSIONS], [], "", id="first"),
        pytest.param([SECURITY, WHITENOISE, OURS, COMMON], [], "", id="behind what may stand before it"),
        pytest.param([SECURITY, SESSIONS, COMMON, OURS], ["W001"], f"{SESSIONS}, {COMMON}", id="late"),
        pytest.param(["shop.middleware.Teapot", OURS], ["W001"], "shop.middleware.Teapot", id="behind anything else"),
        pytest.param([PEER, OURS], ["W001"], PEER, id="behind another one"),
        pytest.param([SECURITY, COMMON], ["E004"], f"Put '{OURS}' at the top of MIDDLEWARE.", id="missing"),
        pytest.param([], ["E004"], "no request is guarded", id="no middleware at all"),
        pytest.param([OURS, SECURITY, OURS], ["E005"], "2 times", id="twice"),
        pytest.param([COMMON, OURS, OURS], ["E005", "W001"], COMMON, id="late and twice"),
    ],
)
def test_middleware(middleware: list[str], found: list[str], told: str, settings: Settings) -> None:
    settings.MIDDLEWARE = middleware

    messages = checks.check_middleware()

    assert ids(messages) == found
    assert told in "".join(f"{message.msg} {message.hint}" for message in messages)


def test_middleware_of_the_project_that_extends_the_guards_counts_as_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = type("ShopCorsMiddleware", (CorsGuardMiddleware,), {})
    monkeypatch.setattr(f"{__name__}.OwnSubclass", own)
    settings.MIDDLEWARE = [f"{__name__}.OwnSubclass", COMMON]

    assert checks.check_middleware() == []
    assert checks.check_other_middleware() == []


@pytest.mark.parametrize(
    ("path", "is_other"),
    [
        pytest.param(PEER, True, id="django-cors-headers"),
        pytest.param("shop.middleware.AddCORSHeaders", True, id="the project's own"),
        pytest.param("shop.middleware.cors_middleware", True, id="a function"),
        pytest.param("corsair.middleware.Sails", False, id="in the module's name alone"),
        pytest.param(COMMON, False, id="something else"),
        pytest.param(OURS, False, id="the guard's"),
    ],
)
def test_other_middleware(path: str, is_other: bool, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS, path]

    messages = checks.check_other_middleware()

    assert ids(messages) == (["W002"] if is_other else [])
    assert all(path in message.msg for message in messages)


@pytest.mark.parametrize(
    ("mode", "group_mode", "max_mode", "found"),
    [
        pytest.param("enforce", None, "block", ["E006"], id="enforce"),
        pytest.param("block", None, "block", ["E006"], id="block"),
        pytest.param("block", "enforce", "block", ["E006"], id="a group enforces"),
        pytest.param("monitor", None, "block", [], id="monitor"),
        pytest.param("enforce", "monitor", "block", [], id="a group monitors"),
        pytest.param("block", None, "monitor", [], id="nothing stricter than monitor"),
        pytest.param(None, None, "block", ["E006"], id="no row: groups enforce"),
    ],
)
def test_enforcing_beside_another_middleware(
    mode: str | None, group_mode: str | None, max_mode: str, found: list[str], public: ApiGroup,
    settings: Settings,
) -> None:  # fmt: skip
    settings.MIDDLEWARE = [OURS, PEER]
    if mode:
        environment = EnvironmentFactory.create(mode=mode)
        if group_mode:
            GroupModeFactory.create(environment=environment, api_group=public, mode=group_mode)
    # Another environment's modes are none of this process's business.
    GroupModeFactory.create(environment=EnvironmentFactory.create(slug="staging"), api_group=public, mode="monitor")

    with override_cors_guard(MAX_MODE=max_mode):
        assert of_database(checks.check_enforcing) == found


def test_enforcing_without_another_middleware_is_fine(production: Environment, public: ApiGroup) -> None:
    assert of_database(checks.check_enforcing) == []


def test_enforcing_without_any_group_clashes_with_nothing(production: Environment, settings: Settings) -> None:
    settings.MIDDLEWARE = [OURS, PEER]

    assert of_database(checks.check_enforcing) == []


@pytest.mark.parametrize(
    ("fields", "debug", "hosts", "found"),
    [
        pytest.param({"protected": True}, False, ["api.example.com"], [], id="in order"),
        pytest.param({}, False, ["api.example.com"], ["W005"], id="unprotected in production"),
        pytest.param({}, True, ["api.example.com"], [], id="unprotected on a laptop"),
        pytest.param({"protected": True, "mode": "block"}, False, ["*"], ["W004"], id="block with any host"),
        pytest.param({"protected": True, "mode": "block"}, False, ["*.example.com"], [], id="block with one's hosts"),
        pytest.param({"protected": True, "mode": "enforce"}, False, ["*"], [], id="enforce with any host"),
        pytest.param({"mode": "block"}, False, ["x", "*"], ["W004", "W005"], id="both"),
    ],
)
def test_environment(
    fields: dict[str, Any], debug: bool, hosts: list[str], found: list[str], db: None, settings: Settings
) -> None:
    EnvironmentFactory.create(**fields)
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, hosts

    assert of_database(checks.check_environment) == found


@pytest.mark.parametrize(
    ("max_mode", "found"),
    [pytest.param("block", ["W004"], id="a group blocks"), pytest.param("enforce", [], id="not under MAX_MODE")],
)
def test_environment_with_a_group_that_blocks(
    max_mode: str, found: list[str], public: ApiGroup, settings: Settings
) -> None:
    GroupModeFactory.create(environment=EnvironmentFactory.create(protected=True), api_group=public, mode="block")
    settings.ALLOWED_HOSTS = ["*"]

    with override_cors_guard(MAX_MODE=max_mode):
        assert of_database(checks.check_environment) == found


def test_environment_without_a_row_says_how_to_create_it_and_what_there_is(db: None) -> None:
    EnvironmentFactory.create(slug="staging")

    (message,) = checks.check_environment(databases=["default"])

    assert message.id == "cors_guard.W003"
    assert "manage.py cors_guard init --environment production" in str(message.hint)
    assert "There is: staging." in str(message.hint)


@pytest.mark.parametrize("databases", [None, [], ["other"]])
@pytest.mark.parametrize("check", [checks.check_environment, checks.check_enforcing])
def test_database_checks_do_not_ask_unless_they_are_told_to(check: Any, databases: list[str] | None) -> None:
    # Without the db fixture every query fails this test.
    assert check(databases=databases) == []


@pytest.mark.parametrize("check", [checks.check_environment, checks.check_enforcing])
def test_database_checks_are_silent_before_the_tables_exist(
    check: Any, db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.MIDDLEWARE = [OURS, PEER]
    monkeypatch.setattr(PolicyState._meta, "db_table", "not_there_yet")

    assert check(databases=["default"]) == []


@pytest.mark.parametrize("check", [checks.check_environment, checks.check_enforcing])
def test_database_checks_are_silent_when_the_database_is_down(
    check: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("connection refused")

    settings.MIDDLEWARE = [OURS, PEER]
    monkeypatch.setattr(type(connections["default"].introspection), "table_names", fail)

    assert check(databases=["default"]) == []


class FakeSQLite:
    vendor = "sqlite"

    def __init__(self, options: dict[str, object] | None, *, in_memory: bool = False) -> None:
        self.settings_dict = {"OPTIONS": options} if options is not None else {}
        self._in_memory = in_memory

    def is_in_memory_db(self) -> bool:
        return self._in_memory


class FakePostgreSQL:
    vendor = "postgresql"


@pytest.mark.parametrize(
    ("connection", "found"),
    [
        pytest.param(FakeSQLite(None), ["W006"], id="no options"),
        pytest.param(FakeSQLite({}), ["W006"], id="default"),
        pytest.param(FakeSQLite({"transaction_mode": None}), ["W006"], id="none"),
        pytest.param(FakeSQLite({"transaction_mode": "DEFERRED"}), ["W006"], id="deferred"),
        pytest.param(FakeSQLite({"transaction_mode": "IMMEDIATE"}), [], id="immediate"),
        pytest.param(FakeSQLite({"transaction_mode": "exclusive"}), [], id="exclusive"),
        pytest.param(FakeSQLite({}, in_memory=True), [], id="in memory"),
        pytest.param(FakePostgreSQL(), [], id="another database"),
    ],
)
def test_sqlite(connection: object, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "connections", {"default": connection})

    assert ids(checks.check_sqlite()) == found


def test_check_of_a_project_that_is_in_order_finds_nothing(db: None) -> None:
    EnvironmentFactory.create(protected=True)

    assert run_checks(tags=[checks.TAG], databases=["default"]) == []


def test_check_command_reports_the_database_only_when_it_is_named(db: None, settings: Settings) -> None:
    settings.MIDDLEWARE = [COMMON, *settings.MIDDLEWARE]

    plain, with_database = StringIO(), StringIO()
    call_command("check", stderr=plain)
    call_command("check", databases=["default"], stderr=with_database)

    assert "cors_guard.W001" in plain.getvalue()
    assert "cors_guard.W003" not in plain.getvalue()
    assert "cors_guard.W003" in with_database.getvalue()


@pytest.mark.django_db  # Django 6.1 checks databases by default
def test_check_command_fails_where_the_middleware_is_missing(settings: Settings) -> None:
    settings.MIDDLEWARE = [COMMON]

    with pytest.raises(CommandError, match=r"cors_guard\.E004"):
        call_command("check")


@pytest.mark.django_db(transaction=True)
def test_migrate_of_a_database_without_the_tables_passes_the_checks() -> None:
    call_command("migrate", "cors_guard", "zero", verbosity=0)
    try:
        assert ids(run_checks(tags=[checks.TAG], databases=["default"])) == []
    finally:
        call_command("migrate", verbosity=0)

    assert ids(run_checks(tags=[checks.TAG], databases=["default"])) == ["W003"]


def test_environment_named_twice_is_a_warning_that_says_which_wins(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CORS_GUARD = {"ENVIRONMENT": "production"}
    monkeypatch.setenv("CORS_GUARD_ENVIRONMENT", "staging")
    found = [message for message in checks.check_setting() if message.id == "cors_guard.W007"]
    assert ["'production' and wins" in message.msg for message in found] == [True]
    monkeypatch.setenv("CORS_GUARD_ENVIRONMENT", "production")
    assert checks.check_setting() == []
