from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.policy_change import list_differences, word_target, word_value
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin, policy_write
from tests.admin.pages import text, url
from tests.factories import TrustedOriginFactory

LIST, CHANGE = "policychange_changelist", "policychange_change"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def test_list_says_what_who_and_why(operator: Client, ana: User) -> None:
    services.revoke(TrustedOriginFactory.create(origin="https://app.example.com"), actor=ana, reason="taken over")
    words = text(operator.get(url(LIST), {"action": "revoked"}))
    assert "https://app.example.com for public in production" in words
    assert "taken over" in words
    assert "ana" in words


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({"q": "app.example.com"}, 2, id="target"),
        pytest.param({"action": "revoked"}, 1, id="action"),
        pytest.param({"source__exact": "api"}, 0, id="source"),
    ],
)
def test_list_filters_and_finds(operator: Client, query: dict[str, str], count: int) -> None:
    services.revoke(TrustedOriginFactory.create(origin="https://app.example.com"), reason="x")
    assert len(operator.get(url(LIST), query).context["cl"].result_list) == count


def test_page_shows_only_what_differs(operator: Client) -> None:
    services.revoke(TrustedOriginFactory.create(note="the shop"), reason="taken over")
    words = text(operator.get(url(CHANGE, PolicyChange.objects.latest("pk").pk)))
    assert "Why it was revoked — taken over" in words
    assert "the shop" not in words


def test_page_of_a_change_without_differences_says_so(operator: Client) -> None:
    with policy_write() as write:
        write.record("bumped", "policy")
    words = text(operator.get(url(CHANGE, PolicyChange.objects.latest("pk").pk)))
    assert "Before and after: —" in words
    assert "bumped" in words
    assert "the system" in words


def test_page_names_rows_instead_of_numbers(operator: Client) -> None:
    TrustedOriginFactory.create()
    words = text(operator.get(url(CHANGE, PolicyChange.objects.latest("pk").pk)))
    assert "Environment — Production" in words
    assert "API group — Public" in words


def test_hostile_values_are_escaped_made_visible_and_cut(operator: Client, ana: User) -> None:
    grant = TrustedOriginFactory.create(note="<script>n\u202e" + "x" * 999)
    services.revoke(grant, actor=ana, reason="<script>r")
    for change in PolicyChange.objects.filter(target__startswith="trustedorigin"):
        page = operator.get(url(CHANGE, change.pk)).content.decode()
        assert "<script>n" not in page
        assert "<script>r" not in page
        assert "\u202e" not in page
        assert "x" * 300 not in page


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("trustedorigin:production/public/https://a.b", "https://a.b for public in production", id="grant"),
        pytest.param("trustedorigin:*", "several trusted origins", id="bulk"),
        pytest.param("apiroute:public//api", "route public//api", id="route"),
        pytest.param("trustedorigin:7", "trusted origin 7", id="loaded"),
        pytest.param("rejection:7", "rejection:7", id="no row of the policy"),
        pytest.param("of the future", "of the future", id="unknown"),
    ],
)
def test_target_is_worded(target: str, words: str) -> None:
    assert word_target(target) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(None, "—", id="none"),
        pytest.param("", "—", id="blank"),
        pytest.param([], "—", id="empty list"),
        pytest.param(True, "yes", id="true"),
        pytest.param(False, "no", id="false"),
        pytest.param(0, "0", id="zero"),
        pytest.param(["GET", "POST"], "GET, POST", id="names"),
        pytest.param({"count": 2}, '{"count": 2}', id="anything else"),
        pytest.param("x" * 999, "x" * 254 + "…", id="over-long"),
    ],
)
def test_value_is_worded(value: Any, words: str) -> None:
    assert word_value(value) == words


def test_values_of_times_and_rows_are_worded_by_their_field(production: Environment) -> None:
    field: Any = TrustedOrigin._meta.get_field
    at = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
    with timezone.override(UTC):
        assert word_value(at.isoformat(), field("expires_at")) == "May 3, 2026, noon"
    assert word_value("2026-99-99T00:00", field("expires_at")) == "2026-99-99T00:00"
    assert word_value(production.pk, field("environment")) == "Production"
    assert word_value(999, field("environment")) == "#999"


def test_summary_of_a_bulk_write_is_shown(operator: Client) -> None:
    TrustedOriginFactory.create()
    TrustedOrigin.objects.update(expires_at=datetime.now(UTC) + timedelta(days=1))
    change = PolicyChange.objects.latest("pk")
    assert {name for name, _before, _after in list_differences(change)} >= {"targets", "count"}
    assert operator.get(url(CHANGE, change.pk)).status_code == 200
