"""The list of changes, and the page of one."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_cors_guard import services
from django_cors_guard.admin.history import change_list, policy_change
from django_cors_guard.admin.history import story as history
from django_cors_guard.admin.names import Names
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin, policy_write, writing
from tests.admin.conftest import login
from tests.admin.pages import post, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    TrustedOriginFactory,
    user_with,
)

LIST, CHANGE = "policychange_changelist", "policychange_change"
ORIGIN = "https://app.example.com"
MAX_QUERIES = 15


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def latest() -> PolicyChange:
    return PolicyChange.objects.latest("pk")


def listed(client: Client, **query: Any) -> list[PolicyChange]:
    return list(client.get(url(LIST), query).context["cl"].result_list)


def trust(origin: str = ORIGIN, **extra: Any) -> TrustedOrigin:
    return services.trust(origin, environment="production", api_group="public", **extra)


def test_list_says_what_who_how_and_why(operator: Client, ana: User) -> None:
    grant = trust()
    with writing("api"):
        services.revoke(grant, actor=ana, reason="taken over")
    words = text(operator.get(url(LIST), {"action": "revoked"}))
    assert "History" in words
    assert "https://app.example.com for Public in Production" in words
    assert "trusted → revoked" in words
    assert "taken over" in words
    assert "ana" in words
    assert "over the API" in words


def test_list_says_which_changes_belong_together(operator: Client) -> None:
    EnvironmentFactory.create(slug="staging")
    services.trust_many([ORIGIN], environments=["production", "staging"], api_groups=["public"])
    number = latest().revision
    page = operator.get(url(LIST))
    assert text(page).count(f"2 changes in revision {number}") == 2
    assert f'href="{url(LIST)}?revision={number}"' in page.content.decode()
    assert "1 changes" not in text(page)

    narrowed = operator.get(url(LIST), {"revision": number})
    assert f"Changes of revision {number}" in text(narrowed)
    assert len(narrowed.context["cl"].result_list) == 2


def test_list_counts_no_more_changes_of_a_revision_than_it_can(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_list, "MAX_COUNTED", 1)
    EnvironmentFactory.create(slug="staging")
    services.trust_many([ORIGIN], environments=["production", "staging"], api_groups=["public"])
    assert "2 changes" not in text(operator.get(url(LIST)))


def test_list_tells_people_accounts_and_the_system_apart(operator: Client, ana: User) -> None:
    trust("https://a.example.com", actor=ana)
    with writing("cli", label="cli:root"):
        trust("https://b.example.com")
    page = operator.get(url(LIST))
    words = text(page)
    assert "system account root" in words
    assert "the system" in words
    assert [told.who for told in history.tell(PolicyChange.objects.order_by("-pk")[:2], Names())] == [
        "system account root",
        "ana",
    ]
    assert [change.source for change in listed(operator, who=":cli:root")] == ["cli"]
    assert {change.actor for change in listed(operator, who=str(ana.pk))} == {ana}
    assert not {change.actor for change in listed(operator, who=":")} - {None}


@pytest.mark.parametrize("who", ["0", "99999999999999999999", "nobody", "\0", ":\0", ":nobody"])
def test_list_of_nobody_is_empty(operator: Client, who: str) -> None:
    assert listed(operator, who=who) == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({"q": "https://app.example.com"}, 2, id="origin"),
        pytest.param({"q": " app.example.com "}, 2, id="host"),
        pytest.param({"q": "HTTPS://APP.example.com/"}, 2, id="origin to be mended"),
        pytest.param({"q": "example.com"}, 2, id="a part"),
        pytest.param({"q": "https://app.example"}, 2, id="a beginning"),
        pytest.param({"q": "billing"}, 2, id="slug, also of a mode"),
        pytest.param({"q": "production/billing"}, 1, id="mode"),
        pytest.param({"q": "trustedorigin:production/public/https://app.example.com"}, 2, id="target"),
        pytest.param({"q": "public//api/public"}, 1, id="route"),
        pytest.param({"q": "nothing"}, 0, id="nothing"),
        pytest.param({"q": "a\0b"}, 8, id="NUL"),
        pytest.param({"q": "   "}, 8, id="blank"),
        pytest.param({"about": "environment"}, 1, id="environments"),
        pytest.param({"about": "apiroute"}, 1, id="routes"),
        pytest.param({"about": "nonsense"}, 8, id="no model"),
        pytest.param({"action": "revoked"}, 1, id="action"),
        pytest.param({"action": "revoked", "q": "billing"}, 0, id="action and search"),
        pytest.param({"source__exact": "api"}, 0, id="source"),
        pytest.param({"batch": "b1"}, 0, id="batch"),
        pytest.param({"at__gte": "2020-01-01 00:00:00+00:00"}, 8, id="since"),
        pytest.param({"at__lt": "2020-01-01 00:00:00+00:00"}, 0, id="until"),
    ],
)
def test_list_filters_and_finds(operator: Client, query: dict[str, str], count: int) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    GroupModeFactory.create(api_group=ApiGroupFactory.create(slug="billing"))
    assert PolicyChange.objects.count() == 8
    assert len(listed(operator, **query)) == count


def test_search_for_a_number_finds_the_revision(operator: Client) -> None:
    trust()
    assert [change.pk for change in listed(operator, q=str(latest().revision))] == [latest().pk]


def test_search_finds_origins_whose_grants_have_gone(operator: Client) -> None:
    trust().delete()
    assert len(listed(operator, q=ORIGIN)) == 2


@pytest.mark.parametrize(
    "lookup",
    [
        "reason__contains",
        "before__icontains",
        "after",
        "token",
        "pk",
        "id__gt",
        "at__year",
        "actor__password",
        "target",
    ],
)
def test_address_cannot_ask_for_what_no_index_answers(operator: Client, lookup: str) -> None:
    assert operator.get(url(LIST), {lookup: "1"}).status_code == 400


@pytest.mark.parametrize("revision", ["x", "", "99999999999999999999", "-1", "1\0"])
def test_list_of_no_revision_breaks_nothing(operator: Client, revision: str) -> None:
    assert operator.get(url(LIST), {"revision": revision}, follow=True).status_code == 200


#: Finds however old it is; finds only among the newest.
FAR, NEAR = "far", "near"


@pytest.mark.parametrize(
    ("query", "reach"),
    [
        pytest.param({}, FAR, id="everything"),
        pytest.param({"q": ORIGIN}, FAR, id="origin"),
        pytest.param({"q": ORIGIN, "action": "trusted"}, FAR, id="origin and action"),
        pytest.param({"q": "app.exampl"}, NEAR, id="part"),
        pytest.param({"action": "trusted"}, NEAR, id="action"),
        pytest.param({"about": "trustedorigin"}, NEAR, id="model"),
        pytest.param({"source__exact": "orm"}, NEAR, id="source"),
        pytest.param({"at__gte": "2020-01-01 00:00:00+00:00"}, NEAR, id="time"),
        pytest.param({"batch": ""}, NEAR, id="batch"),
        pytest.param({"who": ":"}, NEAR, id="name"),
        pytest.param({"revision": None, "action": "trusted"}, FAR, id="revision and action"),
    ],
)
def test_list_looks_back_as_far_as_an_index_carries(
    operator: Client, query: dict[str, Any], reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust()
    old = latest()
    for slug in ("one", "two"):
        EnvironmentFactory.create(slug=slug)
    monkeypatch.setattr(history, "LOOKED_THROUGH", 2)
    asked = {name: old.revision if value is None else value for name, value in query.items()}
    assert (old in listed(operator, **asked)) is (reach == FAR)


def test_person_is_found_however_long_ago(operator: Client, ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(actor=ana)
    EnvironmentFactory.create(slug="one")
    monkeypatch.setattr(history, "LOOKED_THROUGH", 1)
    assert len(listed(operator, who=str(ana.pk))) == 1


def test_list_says_how_far_it_looks_only_where_that_matters(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "among the newest" not in text(operator.get(url(LIST)))
    monkeypatch.setattr(history, "LOOKED_THROUGH", 1)
    assert "among the newest" in text(operator.get(url(LIST)))


@pytest.mark.parametrize(
    "query",
    [{}, {"q": ORIGIN}, {"q": "example"}, {"action": "trusted"}, {"about": "trustedorigin"}],
    ids=["all", "origin", "part", "action", "model"],
)
def test_list_takes_few_queries_however_many_rows(
    operator: Client, query: dict[str, str], django_assert_max_num_queries: DjangoAssertNumQueries, ana: User
) -> None:
    for number in range(30):
        owner = FrontEndFactory.create(slug=f"shop-{number}")
        grant = trust(f"https://app{number}.example.com", front_end=owner, actor=ana)
        services.revoke(grant, actor=ana, reason="x")
    operator.get(url(LIST))
    with django_assert_max_num_queries(MAX_QUERIES):
        assert operator.get(url(LIST), query).status_code == 200


# --- the page of a change ---


def test_page_shows_what_differs_and_below_it_what_does_not(operator: Client) -> None:
    services.revoke(TrustedOriginFactory.create(note="the shop"), reason="taken over")
    page = operator.get(url(CHANGE, latest().pk))
    assert "Why it was revoked — taken over" in text(page)
    assert {item.name for item in page.context["differing"]} == {"revoked_at", "revoke_reason"}
    assert "note" in {item.name for item in page.context["unchanged"]}
    assert "the shop" in text(page)


def test_page_of_a_change_without_differences_says_so(operator: Client) -> None:
    with policy_write() as write:
        write.record("bumped", "policystate:1")
    words = text(operator.get(url(CHANGE, latest().pk)))
    assert "Before and after: nothing differs." in words
    assert "the policy as a whole" in words
    assert "the system" in words


def test_page_names_rows_instead_of_numbers(operator: Client, ana: User) -> None:
    trust(actor=ana, front_end=FrontEndFactory.create())
    words = text(operator.get(url(CHANGE, latest().pk)))
    assert "Environment — Production" in words
    assert "API group — Public" in words
    assert "Front end — Shop" in words
    assert "Created by — ana" in words


def test_page_lists_what_changed_in_the_same_revision(operator: Client) -> None:
    EnvironmentFactory.create(slug="staging", name="Staging")
    services.trust_many([ORIGIN], environments=["production", "staging"], api_groups=["public"])
    page = operator.get(url(CHANGE, latest().pk))
    (beside,) = page.context["beside"]
    assert beside.change.revision == latest().revision
    assert beside.change != latest()
    assert "Changed in the same revision" in text(page)
    assert page.context["beside_url"] == ""


def test_page_lists_a_bounded_part_of_a_large_revision(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_change, "MAX_BESIDE", 1)
    services.trust_many([ORIGIN, "https://b.example.com", "https://c.example.com"], environments=["production"],
                        api_groups=["public"])  # fmt: skip
    page = operator.get(url(CHANGE, latest().pk))
    assert len(page.context["beside"]) == 1
    assert page.context["beside_url"] == f"{url(LIST)}?revision={latest().revision}"


def test_page_links_a_change_and_its_reversal_both_ways(operator: Client, ana: User) -> None:
    trust()
    change = latest()
    entry = services.revert(change, actor=ana, reason="a slip")
    page = operator.get(url(CHANGE, change.pk))
    assert "Reverted by ana on" in text(page)
    assert "a slip" in text(page)
    assert f'href="{url(CHANGE, entry.pk)}"' in page.content.decode()

    back = operator.get(url(CHANGE, entry.pk))
    assert back.context["undid"] == change.pk
    assert f'href="{url(CHANGE, change.pk)}"' in back.content.decode()
    assert "“trusted” of revision" in text(operator.get(url(LIST)))


def test_page_of_another_change_of_the_row_is_not_said_to_be_reverted(operator: Client) -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    services.reinstate(grant, reason="x")
    first, last = PolicyChange.objects.filter(action__in=["trusted", "reinstated"]).order_by("pk")
    services.revert(last, reason="a slip")
    assert operator.get(url(CHANGE, first.pk)).context["undone"] == []


def test_page_shows_the_batch_as_a_link(operator: Client) -> None:
    with writing("import", batch="b 1"):
        trust()
    page = operator.get(url(CHANGE, latest().pk))
    assert f'href="{url(LIST)}?batch=b+1"' in page.content.decode()
    assert [change.pk for change in listed(operator, batch="b 1")] == [latest().pk]


@pytest.mark.parametrize(
    ("target", "page"),
    [
        pytest.param("trustedorigin:production/public/https://app.example.com", "trustedorigin", id="grant"),
        pytest.param("environment:production", "environment", id="environment"),
        pytest.param("apigroup:public", "apigroup", id="group"),
        pytest.param("apiroute:public//gone", "apigroup", id="route"),
        pytest.param("groupmode:production/public", "environment", id="mode"),
        pytest.param("trustedorigin:production/public/https://gone.example.com", "", id="grant that has gone"),
        pytest.param("trustedorigin:*", "", id="bulk"),
        pytest.param("environment:gone", "", id="environment that has gone"),
        pytest.param("policystate:1", "", id="policy"),
        pytest.param("nonsense", "", id="nonsense"),
    ],
)
def test_page_links_to_what_it_is_about(operator: Client, target: str, page: str) -> None:
    trust()
    change = raw_change(target)
    found = operator.get(url(CHANGE, change.pk)).context["page"]
    assert found.url.startswith(f"/admin/cors_guard/{page}/") if page else found is None


def test_page_links_to_nothing_that_the_user_may_not_see() -> None:
    trust()
    page = login(user_with("view_policychange")).get(url(CHANGE, latest().pk))
    assert page.context["page"] is None
    assert page.context["revert_url"] == ""


@pytest.mark.parametrize(
    ("permissions", "offered"),
    [
        pytest.param(["view_policychange", "change_trustedorigin"], True, id="may"),
        pytest.param(["view_policychange", "change_environment"], False, id="may change other things"),
        pytest.param(["view_policychange"], False, id="may look"),
    ],
)
def test_page_offers_to_revert_what_the_user_may_change(permissions: list[str], offered: bool) -> None:
    trust()
    page = login(user_with(*permissions)).get(url(CHANGE, latest().pk))
    assert bool(page.context["revert_url"]) is offered
    assert ("Revert this change…" in text(page)) is offered


def test_page_offers_to_revert_no_summary(operator: Client) -> None:
    trust()
    TrustedOrigin.objects.update(expires_at=timezone.now() + timedelta(days=1))
    page = operator.get(url(CHANGE, latest().pk))
    assert page.context["revert_url"] == ""
    assert "Rows" in text(page)
    assert f"{ORIGIN} for Public in Production" in text(page)


def test_page_takes_few_queries(
    operator: Client, ana: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    origins = [f"https://app{number}.example.com" for number in range(20)]
    owner = FrontEndFactory.create()
    services.trust_many(origins, environments=["production"], api_groups=["public"], actor=ana, front_end=owner)
    operator.get(url(CHANGE, latest().pk))
    with django_assert_max_num_queries(MAX_QUERIES):
        assert operator.get(url(CHANGE, latest().pk)).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:*", "https://*.example.com"])
def test_pattern_is_no_summary(operator: Client, origin: str) -> None:
    Environment.objects.update(allow_loopback=True, allow_subdomain_patterns=True)
    trust(origin, note="for developers")
    assert "— → trusted; Note: for developers" in text(operator.get(url(LIST), {"q": origin}))
    assert "Note — for developers" in text(operator.get(url(CHANGE, latest().pk)))


@pytest.mark.parametrize("number", ["0", "99999999999999999999", "x", "%00"])
def test_page_of_no_change_leads_back(operator: Client, number: str) -> None:
    assert operator.get(f"/admin/cors_guard/policychange/{number}/change/").status_code in (302, 404)


# --- hostile rows ---


def raw_change(target: str, **fields: Any) -> PolicyChange:
    """A row of the story that something else wrote."""
    values = {"revision": 7, "token": "x", "at": timezone.now(), "action": "changed", **fields}
    return PolicyChange.objects.create(target=target, **values)


def write_json(change: PolicyChange, side: str, json_text: str) -> None:
    """Put JSON past Django into the database, as SQL can."""
    table, column = PolicyChange._meta.db_table, connection.ops.quote_name(side)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [json_text, change.pk])  # noqa: S608


def nest(depth: int) -> str:
    # MariaDB takes no JSON that is nested deeper than 32 levels.
    levels = min(depth, 30) if connection.vendor == "mysql" else depth
    return "[" * levels + "1" + "]" * levels


HOSTILE = [
    pytest.param(lambda: "5", id="number"),
    pytest.param(lambda: '"text"', id="text"),
    pytest.param(lambda: "null", id="null"),
    pytest.param(lambda: "[1, [2]]", id="list"),
    pytest.param(lambda: "{}", id="empty object"),
    pytest.param(lambda: nest(900), id="nested"),
    pytest.param(lambda: json.dumps({"note": "x" * 200_000}), id="huge"),
    pytest.param(lambda: json.dumps({f"k{number}": number for number in range(2000)}), id="many names"),
    pytest.param(lambda: f'{{"note": {"9" * 6000}}}', id="number of 6000 digits"),
    pytest.param(lambda: '{"note": 1e999}', id="infinite number"),
    pytest.param(lambda: f'{{"environment": {nest(500)}, "note": {nest(500)}}}', id="nested values"),
    pytest.param(lambda: '{"environment": 99999999999999999999999, "created_by": -1}', id="keys out of range"),
    pytest.param(lambda: '{"environment": "x", "created_by": {"a": 1}, "api_group": [1]}', id="keys of wrong types"),
    pytest.param(
        lambda: '{"expires_at": "9999-12-31T23:59:59.999999+00:00", "created_at": "0001-01-01T00:00:00+14:00"}',
        id="times out of range",
    ),
    pytest.param(lambda: '{"expires_at": 5, "created_at": ["x"], "revoked_at": {"a": []}}', id="times of wrong types"),
    pytest.param(lambda: '{"<script>k": "<script>v", "\\u202ek": "\\u202ev"}', id="markup and direction marks"),
    pytest.param(lambda: '{"count": "x", "targets": 5, "values": 6}', id="summary of wrong types"),
    pytest.param(lambda: '{"count": {}, "targets": [1, "\\u202e"], "values": {"\\u202e": []}}', id="strange summary"),
    pytest.param(lambda: '{"change": "x", "revision": [], "action": {}}', id="link of wrong types"),
    pytest.param(lambda: '{"change": 1, "revision": "x", "action": 5}', id="link to half a thing"),
]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("make", HOSTILE)
@pytest.mark.parametrize(
    ("target", "action"),
    [
        pytest.param("trustedorigin:production/public/https://app.example.com", "changed", id="grant"),
        pytest.param("trustedorigin:*", "changed", id="summary"),
        pytest.param("trustedorigin:production/public/https://app.example.com", "reverted", id="reversal"),
        pytest.param("nonsense", "nonsense", id="nonsense"),
    ],
)
def test_hostile_json_breaks_no_page(
    operator: Client, make: Callable[[], str], side: str, target: str, action: str
) -> None:
    grant = trust()
    change = raw_change(target, action=action, before={"note": "a"}, after={"note": "b"})
    write_json(change, side, make())
    pages = [
        url(LIST),
        url(CHANGE, change.pk),
        url("policychange_revert", change.pk),
        url("trustedorigin_history", grant.pk),
    ]
    for address in pages:
        answer = operator.get(address)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        assert "<script>v" not in page
        assert "<script>k" not in page
        assert "\u202e" not in page
        assert "x" * 3000 not in page
    post(operator, url("policychange_revert", change.pk), {"reason": "x"})
    grant.refresh_from_db()
    assert grant.revoked_at is None


def test_json_that_sqlite_alone_stores_breaks_no_page(operator: Client) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("other databases refuse half a character and NUL")
    change = raw_change("environment:production", before={}, after={})
    write_json(change, "after", '{"\\ud800": "\\ud800", "mode": "a\\u0000b", "list": ["\\ud800"]}')
    for address in (url(LIST), url(CHANGE, change.pk), url("policychange_revert", change.pk)):
        assert "\\ud800" in operator.get(address).content.decode() or "revert" in address


def test_hostile_columns_break_no_page(operator: Client) -> None:
    mark = "\u202e<script>x"
    change = raw_change(
        f"trustedorigin:{mark}/{mark}/{mark}",
        action=mark,
        source="x\u202e",
        batch=mark,
        actor_label=mark,
        reason=f"{mark}\nsecond line" + "y" * 9000,
        revision=2**63 - 1,
    )
    for address in (url(LIST), url(CHANGE, change.pk), url("policychange_revert", change.pk)):
        page = operator.get(address).content.decode()
        assert "\u202e" not in page
        assert "<script>x" not in page
        assert "y" * 3000 not in page


def test_reason_keeps_its_lines(operator: Client) -> None:
    change = raw_change("environment:production", reason="first\nsecond")
    assert "first<br>second" in operator.get(url(CHANGE, change.pk)).content.decode()


# --- nothing in it can be edited or deleted ---


@pytest.mark.parametrize("page", ["policychange_add", CHANGE, "policychange_delete", LIST, "policychange_history"])
@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_story_can_be_neither_edited_nor_deleted(operator: Client, page: str, verb: str) -> None:
    trust()
    before = list(PolicyChange.objects.order_by("pk").values())
    row = before[-1]
    data = {**row, "reason": "rewritten", "post": "yes", "action": "delete_selected", "_selected_action": [row["id"]]}
    data = {name: "" if value is None else value for name, value in data.items()}
    address = url(page) if page in ("policychange_add", LIST) else url(page, row["id"])
    answer = post(operator, address, data) if verb == "post" else getattr(operator, verb)(address)
    if page in ("policychange_add", "policychange_delete") or (page == CHANGE and verb == "post"):
        assert answer.status_code == 403
    assert list(PolicyChange.objects.order_by("pk").values()) == before


def test_page_of_a_change_has_no_form_to_save(operator: Client) -> None:
    trust()
    page = operator.get(url(CHANGE, latest().pk)).content.decode()
    assert 'name="_save"' not in page
    assert "deletelink" not in page
