"""`cors_guard trust`."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from django_cors_guard.store import load
from tests.factories import ApiGroupFactory, EnvironmentFactory, FrontEndFactory, TrustedOriginFactory
from tests.management.cli import cors_guard

APP = "https://app.example.com"


def revision() -> int:
    return PolicyState.objects.get().revision


def test_trust_with_one_group_and_the_active_environment_needs_nothing_but_the_origin(
    production: Environment, public: ApiGroup
) -> None:
    run = cors_guard("trust", APP)

    assert run.code == 0, run.err
    grant = TrustedOrigin.objects.get()
    assert (grant.environment, grant.api_group, grant.origin) == (production, public, APP)
    assert f"{APP}  production  public  trusted" in run.out
    assert f"Revision {revision()}." in run.out
    assert PolicyChange.objects.get(action="trusted").source == "cli"


def test_trust_with_everything_given_stores_everything_in_one_revision(
    production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    EnvironmentFactory.create(slug="staging")
    FrontEndFactory.create(slug="shop")
    before = revision()

    run = cors_guard(
        "trust", APP, "https://shop.example.com", "--environment", "staging", "--group", "public", "--group", "billing",
        "--note", "Release 7", "--expires", "2099-01-31T18:00+01:00", "--front-end", "shop",
    )  # fmt: skip

    assert run.code == 0, run.err
    assert revision() == before + 1
    rows = TrustedOrigin.objects.values_list(
        "origin", "environment__slug", "api_group__slug", "note", "expires_at", "front_end__slug"
    )
    assert set(rows) == {
        (origin, "staging", group, "Release 7", datetime(2099, 1, 31, 17, tzinfo=UTC), "shop")
        for origin in (APP, "https://shop.example.com")
        for group in ("public", "billing")
    }
    assert "trusted, until 2099-01-31 17:00 UTC" in run.out


def test_trust_shows_every_mend_and_trusts_the_origin_once(production: Environment, public: ApiGroup) -> None:
    run = cors_guard("trust", " https://App.example.com/", f"{APP}:443")

    assert run.code == 0, run.err
    assert TrustedOrigin.objects.get().origin == APP
    assert f"' https://App.example.com/' was read as {APP}: spaces around it were dropped;" in run.out
    assert f"'{APP}:443' was read as {APP}: the default port was dropped." in run.out
    assert run.out.count("  trusted") == 1


def test_trust_with_problems_lists_all_of_them_once_and_writes_nothing(
    production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    before = revision()

    run = cors_guard(
        "trust", APP, f"{APP}/login", "http://plain.example.com", "--group", "public", "--group", "billing"
    )

    assert run.code == 2
    assert run.err.startswith("Nothing was written:\n")
    assert run.err.count(f"'{APP}/login': An origin ends with the host or port") == 1
    assert run.err.count("'http://plain.example.com': http://plain.example.com is not encrypted") == 1
    assert "The API group allows credentials, and http://plain.example.com is not encrypted." in run.err
    assert not TrustedOrigin.objects.exists()
    assert revision() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param([""], "One of the origins is empty.", id="empty origin"),
        pytest.param([APP, " "], "One of the origins is empty.", id="blank beside a good one"),
        pytest.param(["*"], "A “*” is no origin.", id="asterisk"),
        pytest.param(["null"], "“null” cannot be trusted", id="null"),
        pytest.param(
            [APP, "--environment", "stging"],
            "There is no environment “stging”. There is: production. "
            "To create it: manage.py cors_guard init --environment stging",
            id="unknown environment",
        ),
        pytest.param([APP, "--group", "publik"], "“publik”. Did you mean “public”? There is: public.", id="group"),
        pytest.param([APP, "--front-end", "shop"], "There is no front end “shop”. There are none yet.", id="front end"),
        pytest.param([APP, "--expires", "tomorrow"], "'tomorrow' is no time.", id="no time"),
        pytest.param([APP, "--expires", "2099-01-31T18:00"], "Write 2099-01-31T18:00Z for UTC", id="no time zone"),
        pytest.param([APP, "--expires", "2001-01-31T18:00Z"], "The expiry lies in the past.", id="past"),
        pytest.param([APP, "--expires", "0d"], "The expiry lies in the past.", id="at once"),
    ],
)  # fmt: skip
def test_trust_with_bad_input_says_what_is_wrong_and_writes_nothing(
    words: list[str], told: str, production: Environment, public: ApiGroup
) -> None:
    run = cors_guard("trust", *words)

    assert run.code != 0
    assert told in run.err
    assert not TrustedOrigin.objects.exists()


def test_trust_with_several_groups_and_none_named_lists_them(
    production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    run = cors_guard("trust", APP)

    assert (run.code, run.err) == (2, "Say which API group, with --group: billing, public.")


def test_trust_without_any_group_says_how_to_create_one(production: Environment) -> None:
    run = cors_guard("trust", APP)

    assert run.code == 2
    assert "manage.py cors_guard init --group public=/api/public" in run.err


def test_trust_in_an_active_environment_without_a_row_says_how_to_create_it(public: ApiGroup) -> None:
    run = cors_guard("trust", APP)

    assert run.code == 2
    assert "There is no environment “production”. There are none yet." in run.err


def test_trust_again_changes_nothing_and_takes_no_revision(production: Environment, public: ApiGroup) -> None:
    services.trust(APP, environment=production, api_group=public)
    before = revision()

    run = cors_guard("trust", APP)

    assert run.code == 0, run.err
    assert "trusted already" in run.out
    assert "Nothing to change." in run.out
    assert revision() == before


def test_trust_of_an_expired_grant_asks_for_an_expiry(production: Environment, public: ApiGroup) -> None:
    ended = timezone.now() - timedelta(days=1)
    TrustedOriginFactory.create(environment=production, api_group=public, origin=APP, expires_at=ended)

    without = cors_guard("trust", APP)
    renewed = cors_guard("trust", APP, "--expires", "12h")

    assert without.code == 2
    assert "has expired. Say until when it may go on: --expires." in without.err
    assert renewed.code == 0, renewed.err
    until = TrustedOrigin.objects.get().expires_at
    assert until is not None
    assert timedelta(hours=11, minutes=55) < until - timezone.now() <= timedelta(hours=12)


def test_trust_tells_of_a_revocation_on_the_command_line_by_whose_account(
    production: Environment, public: ApiGroup
) -> None:
    services.trust(APP, environment=production, api_group=public)
    assert cors_guard("revoke", APP, "--everywhere", "--reason", "leaked key").code == 0

    assert "was revoked by cli:" in cors_guard("trust", APP).err


def test_trust_of_a_revoked_grant_tells_by_whom_and_how_to_reinstate_it(
    production: Environment, public: ApiGroup
) -> None:
    services.revoke(services.trust(APP, environment=production, api_group=public), reason="leaked key")

    run = cors_guard("trust", APP)

    assert run.code == 2
    assert "(leaked key)" in run.err
    assert f"manage.py cors_guard reinstate {APP} --environment production --group public --reason" in run.err
    assert TrustedOrigin.objects.get().revoked_at is not None


def test_trust_dry_run_shows_everything_and_writes_nothing(production: Environment, billing: ApiGroup) -> None:
    before = revision()

    run = cors_guard("trust", "https://APP.example.com", "--dry-run")

    assert run.code == 0, run.err
    assert "it was put in lower case" in run.out
    assert "This was a dry run: nothing was written." in run.out
    assert "The API group allows credentials: pages of this origin act as the signed-in user." in run.err
    assert (revision(), TrustedOrigin.objects.count()) == (before, 0)


def test_trust_dry_run_of_a_bad_origin_fails(production: Environment, public: ApiGroup) -> None:
    assert cors_guard("trust", f"{APP}/path", "--dry-run").code == 2


def test_trust_warns_of_look_alikes(production: Environment, public: ApiGroup) -> None:
    services.trust("https://portal.example.com", environment=production, api_group=public)

    run = cors_guard("trust", "https://portal.exarnple.com")

    assert run.code == 0
    assert "It looks like https://portal.example.com, which is trusted." in run.err


def test_trust_in_a_group_open_to_any_origin_warns_that_it_changes_nothing(production: Environment) -> None:
    ApiGroupFactory.create(slug="feed", any_origin=True)

    run = cors_guard("trust", APP)

    assert "The API group “feed” is open to any origin" in run.err


def test_trust_lets_the_compiled_policy_trust_it(production: Environment, public: ApiGroup) -> None:
    cors_guard("trust", APP)

    policy: Policy = load("production")
    assert APP in policy.groups["public"].grants
