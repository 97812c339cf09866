"""`cors_guard list`."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from tests.factories import EnvironmentFactory, FrontEndFactory, TrustedOriginFactory
from tests.management.cli import cors_guard


@pytest.fixture
def grants(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """One grant of each status in production, and one in staging."""
    now = timezone.now()
    here = {"environment": production, "api_group": public}
    TrustedOriginFactory.create(
        **here, origin="https://active.example.com", front_end=FrontEndFactory.create(), note="first\nrelease"
    )
    TrustedOriginFactory.create(**here, origin="https://expired.example.com", expires_at=now - timedelta(days=1))
    TrustedOriginFactory.create(
        **here, origin="https://revoked.example.com", revoked_at=now, revoke_reason="leaked key"
    )
    TrustedOriginFactory.create(**here, origin="http://off.example.com")
    TrustedOriginFactory.create(
        environment=EnvironmentFactory.create(slug="staging"), api_group=billing, origin="https://staging.example.com"
    )


def listed(*words: str) -> list[str]:
    run = cors_guard("list", "--format", "json", *words)
    assert run.code == 0, run.err
    return [row["origin"].partition("://")[2].partition(".")[0] for row in json.loads(run.out)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param([], ["off", "active", "expired", "revoked", "staging"], id="everything"),
        pytest.param(["--environment", "staging"], ["staging"], id="environment"),
        pytest.param(["--group", "public"], ["off", "active", "expired", "revoked"], id="group"),
        pytest.param(["--environment", "production", "--group", "billing"], [], id="nothing"),
        pytest.param(["--status", "active"], ["active", "staging"], id="active"),
        pytest.param(["--status", "expired"], ["expired"], id="expired"),
        pytest.param(["--status", "revoked"], ["revoked"], id="revoked"),
        pytest.param(["--status", "switched_off"], ["off"], id="switched off"),
        pytest.param(["--status", "revoked", "--status", "expired"], ["expired", "revoked"], id="two"),
    ],
)
def test_list_filters(words: list[str], names: list[str], grants: None) -> None:
    assert listed(*words) == names


def test_list_as_a_table_lines_up(grants: None) -> None:
    run = cors_guard("list", "--environment", "production")

    assert run.out.splitlines() == [
        "origin                       environment  API group  status        expires               front end",
        "http://off.example.com       production   public     switched off  never",
        "https://active.example.com   production   public     active        never                 shop",
        f"https://expired.example.com  production   public     expired       {_expiry()}",
        "https://revoked.example.com  production   public     revoked       never",
    ]


def _expiry() -> str:
    at = TrustedOrigin.objects.get(origin="https://expired.example.com").expires_at
    return f"{at:%Y-%m-%d %H:%M} UTC"


def test_list_as_json_holds_what_the_table_has_no_room_for(grants: None) -> None:
    rows = json.loads(cors_guard("list", "--format", "json").out)

    by_origin = {row["origin"]: row for row in rows}
    assert by_origin["https://active.example.com"]["note"] == "first\nrelease"
    assert by_origin["https://active.example.com"]["front_end"] == "shop"
    assert by_origin["https://revoked.example.com"]["revoke_reason"] == "leaked key"


def test_list_without_grants_says_so_and_is_valid_json(db: None) -> None:
    assert cors_guard("list").out == "There are no such grants.\n"
    assert json.loads(cors_guard("list", "--format", "json").out) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["--environment", "prod"], "no environment “prod”", id="environment"),
        pytest.param(["--group", "publik"], "There is no API group “publik”", id="group"),
        pytest.param(["--status", "dead"], "invalid choice: 'dead'", id="status"),
    ],
)  # fmt: skip
def test_list_with_a_bad_filter_says_what_is_wrong(words: list[str], told: str, grants: None) -> None:
    run = cors_guard("list", *words)

    assert run.code != 0
    assert told in run.err


def test_list_asks_as_often_for_many_as_for_few(
    grants: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    TrustedOriginFactory.create_batch(20)

    with django_assert_num_queries(2):
        run = cors_guard("list")

    assert len(run.out.splitlines()) == 26
