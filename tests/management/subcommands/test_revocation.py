"""`cors_guard revoke` and `cors_guard reinstate`."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from django_cors_guard.services import Propagation
from tests.factories import ApiGroupFactory, EnvironmentFactory, TrustedOriginFactory
from tests.management.cli import cors_guard
from tests.processes import report

APP = "https://app.example.com"


@pytest.fixture
def staging(db: None) -> Environment:
    return EnvironmentFactory.create(slug="staging")


@pytest.fixture
def grants(production: Environment, staging: Environment, public: ApiGroup, billing: ApiGroup) -> list[TrustedOrigin]:
    """The origin, for both API groups in both environments."""
    return services.trust_many([APP], environments=[production, staging], api_groups=[public, billing])


def open_places() -> set[str]:
    rows = TrustedOrigin.objects.filter(origin=APP, revoked_at=None)
    return {f"{env}/{group}" for env, group in rows.values_list("environment__slug", "api_group__slug")}


def revision() -> int:
    return PolicyState.objects.get().revision


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        pytest.param(["--everywhere"], set(), id="everywhere"),
        pytest.param(["--environment", "production"], {"staging/public", "staging/billing"}, id="environment"),
        pytest.param(["--group", "billing"], {"production/public", "staging/public"}, id="group in every environment"),
        pytest.param(
            ["--environment", "staging", "--group", "public"],
            {"production/public", "production/billing", "staging/billing"},
            id="one place",
        ),
        pytest.param(["--environment", "production", "--environment", "staging"], set(), id="both environments"),
    ],
)
def test_revoke_closes_exactly_the_scope_in_one_revision(
    scope: list[str], left: set[str], grants: list[TrustedOrigin]
) -> None:
    before = revision()

    run = cors_guard("revoke", APP, *scope, "--reason", "leaked key")

    assert run.code == 0, run.err
    assert open_places() == left
    assert revision() == before + 1
    assert f"{APP} is revoked at revision {before + 1}" in run.out
    assert run.out.count("  closed") == len(grants) - len(left)
    assert "Every process refuses it within 1 s; preflights that browsers hold run out by" in run.out
    assert "Sessions and tokens that were given out stay valid" in run.out
    changes = PolicyChange.objects.filter(revision=before + 1)
    assert {(change.source, change.reason) for change in changes} == {("cli", "leaked key")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param([APP, "--reason", "x"], "Say where: either --everywhere, or --environment or --group", id="scope"),
        pytest.param(
            [APP, "--everywhere", "--group", "public", "--reason", "x"], "Say where: either", id="two scopes"
        ),
        pytest.param([APP, "--everywhere"], "Say why", id="no reason"),
        pytest.param([APP, "--everywhere", "--reason", " "], "Say why, with --reason", id="blank reason"),
        pytest.param(["--everywhere", "--reason", "x"], "Say which origin", id="no origin"),
        pytest.param([f"{APP}/x", "--everywhere", "--reason", "x"], f"Type {APP}.", id="path"),
        pytest.param([APP, "--group", "publik", "--reason", "x"], "There is no API group “publik”", id="unknown group"),
        pytest.param([APP, "--environment", "prod", "--reason", "x"], "no environment “prod”", id="environment"),
        pytest.param(["--id", "0", "--reason", "x"], "There is no grant 0.", id="unknown id"),
        pytest.param([APP, "--id", "1", "--reason", "x"], "--id names one grant", id="id and origin"),
    ],
)  # fmt: skip
def test_revoke_with_bad_input_says_what_is_wrong_and_closes_nothing(
    words: list[str], told: str, grants: list[TrustedOrigin]
) -> None:
    before = revision()

    run = cors_guard("revoke", *words)

    assert run.code != 0
    assert told in run.err
    assert (revision(), len(open_places())) == (before, len(grants))


def test_revoke_by_id_closes_that_grant_alone(grants: list[TrustedOrigin]) -> None:
    run = cors_guard("revoke", "--id", str(grants[0].pk), "--reason", "moved")
    again = cors_guard("revoke", "--id", str(grants[0].pk), "--reason", "moved")

    assert run.code == again.code == 0
    assert f"{APP} is revoked for public in production." in run.out
    assert "already" in again.out
    assert open_places() == {"production/billing", "staging/public", "staging/billing"}


def test_revoke_of_an_origin_that_only_a_pattern_let_in_leaves_a_refusal(public: ApiGroup) -> None:
    local = EnvironmentFactory.create(allow_subdomain_patterns=True)
    services.trust("https://*.example.com", environment=local, api_group=public)

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "taken over")

    assert run.code == 0, run.err
    assert "closed; the pattern https://*.example.com had let it in" in run.out
    assert "These patterns go on trusting other origins: https://*.example.com (production/public)." in run.out
    assert TrustedOrigin.objects.get(origin=APP).revoked_at is not None


def test_revoke_everywhere_names_the_groups_that_stay_open(grants: list[TrustedOrigin]) -> None:
    ApiGroupFactory.create(slug="feed", any_origin=True)

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key")

    assert "Still open to it, for these API groups are open to any origin: feed." in run.out


def test_revoke_in_an_open_group_alone_is_refused(production: Environment) -> None:
    ApiGroupFactory.create(slug="feed", any_origin=True)

    run = cors_guard("revoke", APP, "--group", "feed", "--reason", "x")

    assert run.code == 2
    assert "Revoking would do nothing there" in run.err


def test_revoke_again_is_no_failure_and_takes_no_revision(grants: list[TrustedOrigin]) -> None:
    cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key")
    before = revision()

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key")

    assert run.code == 0
    assert f"{APP} was revoked before; nothing changed." in run.out
    assert revision() == before


@pytest.mark.parametrize("scope", [["--everywhere"], ["--group", "billing"]])
def test_revoke_of_an_origin_nobody_trusts_is_exit_code_1(scope: list[str], grants: list[TrustedOrigin]) -> None:
    run = cors_guard("revoke", "https://other.example.com", *scope, "--reason", "x")

    assert run.code == 1
    assert run.err == "Nothing was revoked: https://other.example.com has no grant there."


def test_revoke_in_the_wrong_place_names_the_right_one(production: Environment, public: ApiGroup) -> None:
    EnvironmentFactory.create(slug="staging")
    services.trust(APP, environment=production, api_group=public)

    run = cors_guard("revoke", APP, "--environment", "staging", "--reason", "x")

    assert run.code == 1
    assert "It has some elsewhere: production/public." in run.err


def test_revoke_shows_what_was_mended(grants: list[TrustedOrigin]) -> None:
    run = cors_guard("revoke", "HTTPS://app.example.com/", "--everywhere", "--reason", "x")

    assert f"was read as {APP}" in run.out
    assert open_places() == set()


def test_reinstate_takes_back_what_is_named_in_one_revision(grants: list[TrustedOrigin]) -> None:
    cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key")
    before = revision()

    run = cors_guard("reinstate", APP, "--group", "public", "--group", "billing", "--reason", "new key")

    assert run.code == 0, run.err
    assert open_places() == {"production/public", "production/billing"}
    assert revision() == before + 1
    assert f"{APP} is reinstated for public in production." in run.out
    changes = PolicyChange.objects.filter(revision=before + 1, action="reinstated")
    assert {(change.source, change.reason) for change in changes} == {("cli", "new key")}


def test_reinstate_of_what_is_not_revoked_changes_nothing(grants: list[TrustedOrigin]) -> None:
    before = revision()

    run = cors_guard("reinstate", APP, "--group", "public", "--reason", "new key")

    assert run.code == 0
    assert "is not revoked for public in production; nothing changed." in run.out
    assert revision() == before


def test_reinstate_where_one_has_no_grant_reinstates_none(production: Environment, public: ApiGroup) -> None:
    EnvironmentFactory.create(slug="staging")
    services.revoke(services.trust(APP, environment=production, api_group=public), reason="leaked key")

    run = cors_guard("reinstate", APP, "--environment", "production", "--environment", "staging", "--reason", "ok")

    assert run.code == 2
    assert f"To trust it: manage.py cors_guard trust {APP} --environment staging --group public" in run.err
    assert open_places() == set()


def test_reinstate_against_a_safety_rule_reinstates_none(
    production: Environment, staging: Environment, public: ApiGroup
) -> None:
    for place in (production, staging):
        place.allow_insecure_http = True
        place.save()
        services.revoke(services.trust("http://app.example.com", environment=place, api_group=public), reason="x")
    staging.allow_insecure_http = False
    staging.save()

    run = cors_guard(
        "reinstate", "http://app.example.com", "--environment", "production", "--environment", "staging",
        "--reason", "ok",
    )  # fmt: skip

    assert run.code == 2
    assert "is not encrypted" in run.err
    assert not TrustedOrigin.objects.filter(revoked_at=None).exists()


def test_reinstate_of_an_expired_grant_says_that_it_stays_refused(production: Environment, public: ApiGroup) -> None:
    ended = timezone.now() - timedelta(hours=1)
    TrustedOriginFactory.create(
        environment=production, api_group=public, origin=APP, expires_at=ended, revoked_at=ended
    )  # fmt: skip

    run = cors_guard("reinstate", APP, "--reason", "ok")

    assert run.code == 0, run.err
    assert "so it stays refused until it is renewed: manage.py cors_guard trust" in run.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param([APP], "the following arguments are required: --reason", id="no reason"),
        pytest.param([APP, "--group", "public", "--reason", " "], "Say why it may be trusted again", id="blank reason"),
        pytest.param([f"{APP}?x", "--group", "public", "--reason", "x"], "An origin has no query", id="query"),
        pytest.param([APP, "--reason", "x"], "Say which API group, with --group: billing, public.", id="which group"),
    ],
)  # fmt: skip
def test_reinstate_with_bad_input_says_what_is_wrong(words: list[str], told: str, grants: list[TrustedOrigin]) -> None:
    cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key")

    run = cors_guard("reinstate", *words)

    assert run.code != 0
    assert told in run.err
    assert open_places() == set()


# --- where it is out --------------------------------------------------------------------------------------------------


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits in a test: what would happen meanwhile, happens now."""
    monkeypatch.setattr(
        "django_cors_guard.management.subcommands.processes.services.wait_for",
        lambda revision, *, seconds, environments: iter(
            [services.describe_processes(revision, environments=environments)]
        ),
    )


def test_revoke_that_waits_says_who_may_still_trust_and_stands(
    grants: list[TrustedOrigin], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_once(monkeypatch)
    report("web-1", 11)
    report("web-2", 22, idle_since=timezone.now())

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key", "--wait", "30")

    assert run.code == 1
    assert open_places() == set()
    assert "The revocation stands. 1 process of 2 has not confirmed" in run.err
    assert "web-1:11 (production)" in run.err
    again = f"manage.py cors_guard status --revision {revision()} --wait 30"
    assert f"{again} --environment production --environment staging" in run.err


def test_revoke_that_waits_ends_well_once_all_follow(grants: list[TrustedOrigin]) -> None:
    report("web-1", 11, idle_since=timezone.now())

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key", "--wait", "30")

    assert run.code == 0, run.err
    assert run.out.splitlines()[-1].startswith(f"Revision {revision()} is out everywhere")


def test_revoke_waits_for_no_process_of_another_environment(grants: list[TrustedOrigin]) -> None:
    report("web-1", 11)

    run = cors_guard("revoke", APP, "--environment", "staging", "--reason", "leaked key", "--wait", "30")

    assert run.code == 0, run.err
    assert "No process reports itself there" in run.out


def test_revoke_of_what_was_revoked_before_waits_all_the_same(grants: list[TrustedOrigin]) -> None:
    services.revoke_origin(APP, reason="leaked key")
    report("web-1", 11)

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "once more", "--wait", "30")

    assert run.code == 0, run.err
    assert "is out everywhere: 1 of 1 processes have confirmed it." in run.out


def test_revoke_of_one_grant_waits_for_its_environment(
    grants: list[TrustedOrigin], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_once(monkeypatch)
    report("web-1", 11)
    report("web-2", 22, environment="staging")

    run = cors_guard("revoke", "--id", str(grants[0].pk), "--reason", "leaked key", "--wait", "30")

    assert run.code == 1
    assert "The revocation stands. 1 process of 1 has not confirmed" in run.err


def test_revoke_stands_when_the_database_goes_away_while_it_waits(
    grants: list[TrustedOrigin], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("django_cors_guard.management.subcommands.processes.services.wait_for", fail)

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key", "--wait", "30")

    assert run.code == 1
    assert open_places() == set()
    assert "The revocation stands; where it is out cannot be said." in run.err


def test_ctrl_c_ends_the_wait_with_what_was_found(grants: list[TrustedOrigin], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(revision: int, **_: object) -> Iterator[Propagation]:
        yield services.describe_processes(revision)
        raise KeyboardInterrupt

    monkeypatch.setattr("django_cors_guard.management.subcommands.processes.services.wait_for", interrupt)
    report("web-1", 11)

    run = cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key", "--wait", "30")

    assert run.code == 1
    assert "The revocation stands. 1 process of 1" in run.err
