"""`cors_guard init`."""

import pytest

from django_cors_guard.management.subcommands import setup
from django_cors_guard.management.subcommands.plan import Plan, Wish, make_plan
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, PolicyChange, PolicyState
from django_cors_guard.testing import override_cors_guard
from tests.factories import ApiGroupFactory, EnvironmentFactory
from tests.management.cli import Run, cors_guard

TWO_GROUPS = ("--group", "public=/api/public", "--group", "billing=/api/billing")


def revision() -> int:
    return PolicyState.objects.get().revision


def routes() -> set[tuple[str, str]]:
    return set(ApiRoute.objects.values_list("api_group__slug", "path_prefix"))


@pytest.mark.django_db
def test_init_with_flags_writes_everything_in_one_revision() -> None:
    before = revision()

    run = cors_guard(
        "init", "--environment", "staging", "--name", "Stage", "--mode", "monitor", *TWO_GROUPS,
        "--credentials", "billing", "--allow-loopback", "--protected",
    )  # fmt: skip

    assert run.code == 0, run.err
    row = Environment.objects.get()
    assert (row.slug, row.name, row.mode) == ("staging", "Stage", "monitor")
    assert (row.allow_loopback, row.protected) == (True, True)
    assert not any((row.allow_insecure_http, row.allow_subdomain_patterns, row.allow_custom_schemes))
    assert dict(ApiGroup.objects.values_list("slug", "allow_credentials")) == {"public": False, "billing": True}
    assert routes() == {("public", "/api/public"), ("billing", "/api/billing")}
    assert revision() == before + 1
    assert set(PolicyChange.objects.filter(revision=before + 1).values_list("source", flat=True)) == {"cli"}


@pytest.mark.django_db
def test_init_trusts_a_new_group_for_csrf_and_lets_its_pages_send_the_token() -> None:
    run = cors_guard("init", *TWO_GROUPS, "--credentials", "billing", "--csrf", "billing")

    assert run.code == 0, run.err
    assert dict(ApiGroup.objects.values_list("slug", "trusted_for_csrf")) == {"public": False, "billing": True}
    assert ApiGroup.objects.get(slug="billing").allow_headers == ["authorization", "content-type", "x-csrftoken"]
    assert ApiGroup.objects.get(slug="public").allow_headers == ["authorization", "content-type"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(["--csrf", "billing"], "--csrf billing needs --credentials billing", id="without credentials"),
        pytest.param(["--csrf", "shop"], "--csrf shop: there is no such API group. Add --group shop=", id="unknown"),
    ],
)
def test_init_refuses_what_csrf_cannot_mean(options: list[str], told: str) -> None:
    run = cors_guard("init", *TWO_GROUPS, *options)

    assert run.code == 2
    assert told in run.err
    assert not ApiGroup.objects.exists()


def test_init_never_trusts_for_csrf_what_is_there(production: Environment, billing: ApiGroup) -> None:
    run = cors_guard("init", "--csrf", "billing")

    assert run.code == 0, run.err
    billing.refresh_from_db()
    assert not billing.trusted_for_csrf
    assert "The API group billing is still not trusted for CSRF. Switch that on in the admin." in run.err


@pytest.mark.django_db
def test_init_with_groups_alone_sets_up_the_active_environment_in_enforce() -> None:
    run = cors_guard("init", "--group", "public=/api/public", "--group", "public=/feed/")

    assert run.code == 0, run.err
    assert (Environment.objects.get().slug, Environment.objects.get().mode) == ("production", "enforce")
    assert routes() == {("public", "/api/public"), ("public", "/feed")}


@pytest.mark.django_db
def test_init_ends_with_the_command_that_trusts_the_first_origin() -> None:
    run = cors_guard("init", *TWO_GROUPS)

    command = run.out.splitlines()[-1].split()
    assert command[:2] == ["manage.py", "cors_guard"]
    assert cors_guard(*command[2:]).code == 0


@pytest.mark.django_db
def test_init_again_changes_nothing_and_says_what_is_there() -> None:
    cors_guard("init", *TWO_GROUPS, "--credentials", "billing")
    before = revision()

    run = cors_guard("init", *TWO_GROUPS, "--credentials", "billing")

    assert run.code == 0, run.err
    assert revision() == before
    for what in ("environment production (enforce)", "API group billing", "route /api/public of public"):
        assert f"There already: {what}." in run.out
    assert "Nothing to add." in run.out


def overtake(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Let another `init` with these flags run between the next one's planning and its writing."""
    waiting = [words]

    def plan_and_be_overtaken(wish: Wish) -> Plan:
        plan = make_plan(wish)
        if waiting:
            assert cors_guard("init", *waiting.pop()).code == 0
        return plan

    monkeypatch.setattr(setup, "make_plan", plan_and_be_overtaken)


@pytest.mark.django_db
def test_init_that_is_overtaken_by_another_init_adds_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    overtake(monkeypatch, *TWO_GROUPS)

    run = cors_guard("init", *TWO_GROUPS)

    assert run.code == 0, run.err
    assert "Nothing to add." in run.out
    assert routes() == {("public", "/api/public"), ("billing", "/api/billing")}


@pytest.mark.django_db
def test_init_that_is_overtaken_by_a_conflicting_init_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    overtake(monkeypatch, "--group", "other=/api/public")

    run = cors_guard("init", *TWO_GROUPS)

    assert run.code == 2
    assert "/api/public belongs to the API group other" in run.err
    assert routes() == {("other", "/api/public")}


def test_init_adds_what_is_missing_to_what_is_there(production: Environment, public: ApiGroup) -> None:
    before = revision()

    run = cors_guard("init", *TWO_GROUPS)

    assert run.code == 0, run.err
    assert routes() == {("public", "/api/public"), ("billing", "/api/billing")}
    assert revision() == before + 1


def test_init_never_changes_what_is_there(billing: ApiGroup) -> None:
    EnvironmentFactory.create(mode="block", protected=True)
    closed = ApiGroupFactory.create(slug="closed", allow_credentials=False)
    before = revision()

    run = cors_guard(
        "init", "--mode", "monitor", "--allow-loopback", "--name", "Other", "--group", "billing=/api/billing",
        "--credentials", "closed",
    )  # fmt: skip

    assert run.code == 0, run.err
    row = Environment.objects.get()
    assert (row.mode, row.name, row.protected, row.allow_loopback) == ("block", "Production", True, False)
    closed.refresh_from_db()
    assert not closed.allow_credentials
    assert revision() == before
    assert "production stays in mode block. To change that: manage.py cors_guard mode monitor" in run.err
    assert "production keeps “allow loopback” off." in run.err
    assert "The API group closed still allows no credentials." in run.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param([], "Say which paths to guard", id="no group"),
        pytest.param(["--group", "public"], "Write SLUG=PATH_PREFIX", id="no prefix"),
        pytest.param(["--group", "=/api"], "Write SLUG=PATH_PREFIX", id="no slug"),
        pytest.param(["--group", "public=api"], "A path prefix starts with a slash", id="no slash"),
        pytest.param(["--group", "public=/api/*"], "Give the plain start of a path", id="wildcard"),
        pytest.param(["--group", "my api=/api"], "API group 'my api': Enter a valid", id="bad group slug"),
        pytest.param(["--environment", "a b", "--group", "a=/a"], "environment 'a b': Enter a valid", id="bad slug"),
        pytest.param(["--group", "a=/api", "--group", "b=/api"], "/api belongs to the API group a", id="same path"),
        pytest.param(["--group", "a=/a", "--credentials", "b"], "--credentials b: there is no such", id="credentials"),
        pytest.param(["--group", "a=/a", "--mode", "strict"], "invalid choice: 'strict'", id="mode"),
    ],
)
@pytest.mark.django_db
def test_init_with_bad_input_says_what_is_wrong_and_writes_nothing(words: list[str], told: str) -> None:
    before = revision()

    run = cors_guard("init", *words)

    assert run.code != 0
    assert told in run.err
    assert (Environment.objects.count(), ApiGroup.objects.count()) == (0, 0)
    assert revision() == before


def test_init_of_a_path_that_belongs_to_another_group_writes_nothing(public: ApiGroup) -> None:
    run = cors_guard("init", "--group", "other=/api/public")

    assert run.code == 2
    assert "/api/public belongs to the API group public, so it cannot belong to other, too." in run.err
    assert not Environment.objects.exists()


@pytest.mark.django_db
def test_init_lists_all_problems_at_once() -> None:
    run = cors_guard("init", "--environment", "a b", "--group", "c d=/x", "--credentials", "e")

    assert [text in run.err for text in ("'a b'", "'c d'", "--credentials e")] == [True, True, True]


@pytest.mark.django_db
def test_init_of_another_environment_says_how_processes_get_into_it() -> None:
    run = cors_guard("init", "--environment", "staging", *TWO_GROUPS)

    assert 'CORS_GUARD["ENVIRONMENT"] says so; staging needs another' in run.out


@pytest.mark.django_db
def test_init_shows_what_the_system_checks_say() -> None:
    with override_cors_guard(MAX_MOD="monitor"):
        run = cors_guard("init", *TWO_GROUPS)

    assert "Did you mean MAX_MODE? (cors_guard.E002)" in run.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An operator at a terminal, who types these lines; Ctrl-D where there are none left."""
    lines: list[str] = []

    def read() -> str:
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", read)
    return lines


def answer(terminal: list[str], *lines: str) -> Run:
    terminal[:] = lines
    return cors_guard("init")


@pytest.mark.django_db
def test_init_at_a_terminal_asks_and_takes_the_defaults(terminal: list[str]) -> None:
    run = answer(terminal, "", "", "", "", "", "public=/api/public", "", "")

    assert run.code == 0, run.err
    row = Environment.objects.get()
    assert (row.slug, row.name, row.mode) == ("production", "Production", "enforce")
    assert (row.allow_loopback, row.protected) == (False, False)
    assert routes() == {("public", "/api/public")}
    assert not ApiGroup.objects.get().allow_credentials
    assert "Environment [production]: " in run.out


@pytest.mark.django_db
def test_init_at_a_terminal_takes_the_answers_and_asks_again_for_bad_ones(terminal: list[str]) -> None:
    run = answer(
        terminal,
        "no slug!", "staging",
        "Stage",
        "strict", "block",
        "maybe", "y",
        "yes",
        "", "api", "public=/api/public",
        "billing=/api/billing", "",
        "n", "y",
        "n",
    )  # fmt: skip

    assert run.code == 0, run.err
    row = Environment.objects.get()
    assert (row.slug, row.name, row.mode) == ("staging", "Stage", "block")
    assert (row.allow_loopback, row.protected) == (True, True)
    assert dict(ApiGroup.objects.values_list("slug", "allow_credentials")) == {"public": False, "billing": True}
    for told in ("Enter a valid", "'strict' is not a valid choice", "Answer y or n.", "Write SLUG=PATH_PREFIX"):
        assert told in run.err


@pytest.mark.django_db
def test_init_at_a_terminal_asks_about_csrf_where_there_are_credentials(terminal: list[str]) -> None:
    run = answer(terminal, "", "", "", "", "", "public=/api/public", "billing=/api/billing", "", "n", "y", "y")

    assert run.code == 0, run.err
    assert dict(ApiGroup.objects.values_list("slug", "trusted_for_csrf")) == {"public": False, "billing": True}
    assert run.out.count("send changes with these cookies") == 1


def test_init_at_a_terminal_does_not_ask_about_what_is_there(
    terminal: list[str], production: Environment, public: ApiGroup
) -> None:
    run = answer(terminal, "", "feed=/feed", "", "y", "n")

    assert run.code == 0, run.err
    assert routes() == {("public", "/api/public"), ("feed", "/feed")}
    assert "Mode" not in run.out


@pytest.mark.django_db
def test_init_at_a_terminal_that_is_closed_writes_nothing(terminal: list[str]) -> None:
    run = answer(terminal, "staging", "Stage")

    assert run.code == 2
    assert "Stopped; nothing was written." in run.err
    assert not Environment.objects.exists()


@pytest.mark.parametrize(
    "words",
    [pytest.param(["--no-input"], id="no input"), pytest.param(["--environment", "staging"], id="a flag")],
)
@pytest.mark.django_db
def test_init_at_a_terminal_with_flags_asks_nothing(words: list[str], terminal: list[str]) -> None:
    run = cors_guard("init", *words)

    assert run.code == 2
    assert "Say which paths to guard" in run.err
    assert "[" not in run.out
