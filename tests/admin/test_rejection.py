from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard.models import ApiGroup, Environment, Rejection
from tests.admin.conftest import login
from tests.admin.pages import text, url
from tests.factories import RejectionFactory, user_with

LIST, CHANGE = "rejection_changelist", "rejection_change"
PII = "203.0.113.0/24"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def viewer(db: None) -> User:
    return user_with("view_rejection")


def test_list_says_where_what_and_why(operator: Client) -> None:
    RejectionFactory.create(count=7)
    words = text(operator.get(url(LIST)))
    assert "https://stranger.example.net" in words
    assert "public in production" in words
    assert "nobody has trusted this origin" in words
    assert "GET /api/public/hello" in words
    assert "proves only that somebody sent those bytes" in words


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"environment": "staging"}, id="environment"),
        pytest.param({"api_group": "billing"}, id="group"),
        pytest.param({"reason": "expired"}, id="reason"),
        pytest.param({"kind": "preflight"}, id="kind"),
        pytest.param({"q": "https://wanted.example"}, id="whole origin"),
        pytest.param({"q": "https://want"}, id="beginning"),
    ],
)
def test_list_filters_and_finds(operator: Client, query: dict[str, str]) -> None:
    RejectionFactory.create()
    wanted = RejectionFactory.create(
        origin="https://wanted.example", environment="staging", api_group="billing", reason="expired", kind="preflight"
    )
    assert list(operator.get(url(LIST), query).context["cl"].result_list) == [wanted]


def test_overflow_says_what_it_is(operator: Client) -> None:
    row = RejectionFactory.create(origin="", kind="", method="", path="", overflow=True)
    for address in (url(LIST), url(CHANGE, row.pk)):
        assert "what exceeded the bounds of the log" in text(operator.get(address))


def test_people_are_shown_only_with_the_permission(viewer: User) -> None:
    row = RejectionFactory.create(user_agent="Mozilla/5.0 (her phone)")
    page = text(login(viewer).get(url(CHANGE, row.pk)))
    assert "nobody has trusted this origin" in page
    assert PII not in page
    assert "her phone" not in page
    trusted = login(user_with("view_rejection", "view_rejection_pii"))
    page = text(trusted.get(url(CHANGE, row.pk)))
    assert PII in page
    assert "her phone" in page


@pytest.mark.parametrize("lookup", ["client_ip", "client_ip__startswith", "user_agent__icontains"])
def test_people_cannot_be_guessed_through_the_address(viewer: User, lookup: str) -> None:
    RejectionFactory.create()
    assert login(viewer).get(url(LIST), {lookup: "203"}).status_code == 400
    assert login(user_with("view_rejection", "view_rejection_pii")).get(url(LIST), {lookup: "203"}).status_code == 200


def test_list_counts_no_further_than_anybody_pages(
    operator: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("django_cors_guard.admin.evidence.MAX_LISTED", 60)
    for _ in range(61):
        RejectionFactory.create()
    operator.get(url(LIST))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(8) as queries:
        page = operator.get(url(LIST))
    counts = [query["sql"] for query in queries.captured_queries if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 61" in counts[0]
    assert "Only the newest are listed" in text(page)
    assert len(page.context["cl"].result_list) == 50
    assert len(operator.get(url(LIST), {"p": "2"}).context["cl"].result_list) == 11


def test_short_list_says_nothing_of_older_rows(operator: Client) -> None:
    RejectionFactory.create()
    assert "Only the newest" not in text(operator.get(url(LIST)))


def test_hostile_values_are_escaped_made_visible_and_cut(operator: Client) -> None:
    hostile = "<script>alert(1)</script>\u202e" + "x" * 220
    row = RejectionFactory.create(
        origin=hostile, path=hostile, method="<i>\u202e", user_agent=hostile, api_group="<b>g"
    )
    for address in (url(LIST), url(CHANGE, row.pk)):
        page = operator.get(address).content.decode()
        for forbidden in ("<script>alert", "<b>g", "<i>", "\u202e"):
            assert forbidden not in page
    assert "x" * 81 not in operator.get(url(LIST)).content.decode()
    assert Rejection.objects.get().origin == hostile


def test_page_leads_to_the_check_of_its_request(operator: Client, viewer: User) -> None:
    row, overflow = RejectionFactory.create(), RejectionFactory.create(origin="", overflow=True)
    link = f"{url('check')}?rejection="
    assert f"{link}{row.pk}" in operator.get(url(CHANGE, row.pk)).content.decode()
    assert link not in operator.get(url(CHANGE, overflow.pk)).content.decode()
    assert link not in login(viewer).get(url(CHANGE, row.pk)).content.decode()


def test_rejection_by_isolation_is_worded_and_found_by_its_reason(operator: Client) -> None:
    row = RejectionFactory.create(origin="", reason="cross_site", kind="no_cors", method="GET", path="/api/x")
    other = RejectionFactory.create(origin="", reason="malformed_origin")
    listed = operator.get(url("rejection_changelist"), {"reason": "cross_site"})
    assert "(no Origin)" in text(listed)
    assert "another site sent it without Origin" in text(listed)
    assert [found.pk for found in listed.context["cl"].result_list] == [row.pk]
    page = operator.get(url("rejection_change", row.pk))
    assert "(no Origin)" in text(page)
    assert "Trust this origin" not in text(page)
    assert "(empty)" in text(operator.get(url("rejection_change", other.pk)))
