from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.services.access import matrix as module
from django_cors_guard.services.access.cells import Cell
from django_cors_guard.services.access.matrix import Matrix, Row
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    TrustedOriginFactory,
    UserFactory,
)

SHOP, APP = "https://shop.example.com", "https://app.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """Every test has an environment and two API groups: billing, then public."""


def rows_of(matrix: Matrix) -> list[tuple[str, str]]:
    return [(row.front_end.slug if row.front_end is not None else "", row.origin) for row in matrix.rows]


def find_row(origin: str, **options: Any) -> Row:
    return next(row for row in services.read_matrix("production", **options).rows if row.origin == origin)


def cell_of(origin: str, group: str = "public") -> Cell:
    return next(cell for cell in find_row(origin).cells if cell.api_group.slug == group)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_are_front_ends_by_name_then_origins_without_one() -> None:
    shop, blog = FrontEndFactory.create(slug="shop", name="A shop"), FrontEndFactory.create(slug="blog", name="Blog")
    TrustedOriginFactory.create(origin="https://zoo.example.com")
    TrustedOriginFactory.create(origin="https://two.example.com", front_end=shop)
    TrustedOriginFactory.create(origin="https://one.example.com", front_end=shop)
    TrustedOriginFactory.create(origin=APP)
    assert rows_of(services.read_matrix("production")) == [
        ("shop", "https://one.example.com"),
        ("shop", "https://two.example.com"),
        ("blog", ""),
        ("", APP),
        ("", "https://zoo.example.com"),
    ]
    assert blog.pk


def test_rows_are_those_of_one_environment() -> None:
    TrustedOriginFactory.create(origin=APP, environment=EnvironmentFactory.create(slug="staging"))
    assert rows_of(services.read_matrix("production")) == []
    assert rows_of(services.read_matrix("staging")) == [("", APP)]


def test_origin_whose_grants_name_several_front_ends_has_one_row(billing: ApiGroup) -> None:
    first, second = FrontEndFactory.create(slug="first", name="1"), FrontEndFactory.create(slug="second", name="2")
    group = ApiGroupFactory.create(slug="third")
    TrustedOriginFactory.create(origin=APP, front_end=second)
    TrustedOriginFactory.create(origin=APP, api_group=billing, front_end=first)
    TrustedOriginFactory.create(origin=APP, api_group=group)
    matrix = services.read_matrix("production")
    assert rows_of(matrix) == [("first", APP), ("second", "")]
    assert all(cell.is_active for cell in matrix.rows[0].cells)


def test_columns_are_api_groups_by_name() -> None:
    ApiGroupFactory.create(slug="z-first", name="Aaa")
    matrix = services.read_matrix("production")
    assert [group.slug for group in matrix.api_groups] == ["z-first", "billing", "public"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("shop", [("shop", SHOP)], id="part of an origin and of a front end"),
        pytest.param("SHOP.EX", [("shop", SHOP)], id="upper case"),
        pytest.param("quiet", [("quiet", "")], id="a front end without an origin"),
        pytest.param("  app. ", [("", APP)], id="spaces around it"),
        pytest.param("a\0pp", [("", APP)], id="a character that no database takes"),
        pytest.param("nothing", [], id="nothing"),
        pytest.param("%", [], id="no wildcard"),
    ],
)
def test_text_filters_rows_by_origin_and_front_end(text: str, found: list[tuple[str, str]]) -> None:
    TrustedOriginFactory.create(origin=SHOP, front_end=FrontEndFactory.create())
    FrontEndFactory.create(slug="quiet", name="Nobody's")
    TrustedOriginFactory.create(origin=APP)
    assert rows_of(services.read_matrix("production", text=text)) == found


@pytest.mark.parametrize(
    ("page", "shown", "first", "number"),
    [
        pytest.param(1, 4, 1, 1, id="first"),
        pytest.param(3, 2, 9, 3, id="last"),
        pytest.param(99, 2, 9, 3, id="beyond the last"),
        pytest.param(-1, 4, 1, 1, id="before the first"),
    ],
)
def test_rows_are_paged_and_counted(page: int, shown: int, first: int, number: int) -> None:
    for n in range(10):
        TrustedOriginFactory.create(origin=f"https://app{n}.example.com")
    matrix = services.read_matrix("production", page=page, cells=8)
    assert (len(matrix.rows), matrix.first, matrix.page) == (shown, first, number)
    assert (matrix.count, matrix.pages, matrix.is_cut) == (10, 3, False)


@pytest.mark.parametrize("owned", [True, False], ids=["of a front end", "of none"])
def test_rows_beyond_the_limit_are_not_listed_and_it_says_so(monkeypatch: pytest.MonkeyPatch, owned: bool) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 4)
    front_end = FrontEndFactory.create()
    FrontEndFactory.create(slug="zzz")
    for n in range(5):
        TrustedOriginFactory.create(origin=f"https://app{n}.example.com", front_end=front_end if owned else None)
    matrix = services.read_matrix("production")
    assert (matrix.count, matrix.is_cut) == (4, True)
    assert [row.origin for row in matrix.rows if row.origin][-1] == (
        "https://app3.example.com" if owned else "https://app1.example.com"
    )
    assert services.read_matrix("production", text="app4").count == 1


def test_offered_origins_are_listed_with_their_front_end() -> None:
    front_end = FrontEndFactory.create()
    TrustedOriginFactory.create(origin=SHOP, front_end=front_end)
    matrix = services.read_matrix("production", offered={front_end.pk: [APP, SHOP]})
    assert [(row.origin, row.offered) for row in matrix.rows] == [(SHOP, False), (APP, True)]


def test_unknown_environment_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="production"):
        services.read_matrix("nowhere")


def test_misspelt_origin_does_not_hide_the_one_it_resembles(billing: ApiGroup) -> None:
    other = TrustedOriginFactory.create(api_group=billing)
    TrustedOrigin.objects.filter(pk=other.pk).update(origin=APP.upper())
    TrustedOriginFactory.create(origin=APP)
    rows = {row.origin: [cell.status for cell in row.cells] for row in services.read_matrix("production").rows}
    assert rows == {APP.upper(): ["switched_off", ""], APP: ["", "active"]}


# --- cells ------------------------------------------------------------------------------------------------------------


def test_cell_of_an_active_grant_is_active() -> None:
    grant = TrustedOriginFactory.create(origin=APP)
    cell = cell_of(APP)
    assert (cell.is_active, cell.status, cell.grant, cell.expiring) == (True, "active", grant, False)
    assert (cell_of(APP, "billing").status, cell_of(APP, "billing").grant) == ("", None)


@pytest.mark.parametrize(
    ("days", "status", "expiring"),
    [
        pytest.param(30, "active", False, id="in a month"),
        pytest.param(3, "active", True, id="in three days"),
        pytest.param(-1, "expired", False, id="yesterday"),
    ],
)
def test_cell_of_a_grant_with_an_end_says_how_near_it_is(days: int, status: str, expiring: bool) -> None:
    TrustedOriginFactory.create(origin=APP, expires_at=timezone.now() + timedelta(days=days))
    assert (cell_of(APP).status, cell_of(APP).expiring) == (status, expiring)


def test_cell_of_a_revoked_grant_names_who_revoked_it() -> None:
    by_ana, by_system = TrustedOriginFactory.create(origin=APP), TrustedOriginFactory.create(origin=SHOP)
    services.revoke(by_ana, actor=UserFactory.create(username="ana"), reason="Taken over.")
    gone = UserFactory.create(username="bo")
    services.revoke(by_system, actor=gone, reason="x")
    gone.delete()
    assert (cell_of(APP).status, cell_of(APP).revoked_by) == ("revoked", "ana")
    assert cell_of(SHOP).revoked_by == "bo"


def test_cell_of_a_grant_that_breaks_a_rule_is_switched_off() -> None:
    TrustedOriginFactory.create(origin="http://plain.example.com")
    assert cell_of("http://plain.example.com").status == "switched_off"


def test_row_that_is_no_origin_says_so() -> None:
    grant = TrustedOriginFactory.create()
    TrustedOrigin.objects.filter(pk=grant.pk).update(origin="https://APP.example.com/<b>")
    row = find_row("https://APP.example.com/<b>")
    assert (row.canonical, row.cells[1].status) == (False, "switched_off")


@pytest.mark.parametrize(
    ("pattern", "origin", "covers"),
    [
        pytest.param("https://*.example.com", APP, True, id="subdomain"),
        pytest.param("https://*.example.com", "https://*.app.example.com", True, id="narrower pattern"),
        pytest.param("https://*.app.example.com", APP, False, id="below it"),
        pytest.param("http://localhost:*", "http://localhost:3000", True, id="port"),
        pytest.param("http://*.example.com", APP, False, id="other scheme"),
    ],
)
def test_cell_without_a_grant_names_the_pattern_that_lets_it_in(
    production: Environment, billing: ApiGroup, pattern: str, origin: str, covers: bool
) -> None:
    Environment.objects.filter(pk=production.pk).update(
        allow_subdomain_patterns=True, allow_loopback=True, allow_insecure_http=True
    )
    TrustedOriginFactory.create(origin=pattern)
    TrustedOriginFactory.create(origin=origin, api_group=billing)
    assert cell_of(origin).pattern == (pattern if covers else "")
    assert cell_of(origin, "billing").pattern == ""


def test_nearest_pattern_decides_also_against_a_wider_one(production: Environment, billing: ApiGroup) -> None:
    Environment.objects.filter(pk=production.pk).update(allow_subdomain_patterns=True)
    TrustedOriginFactory.create(origin="https://*.example.com")
    nearest = TrustedOriginFactory.create(origin="https://*.app.example.com")
    TrustedOriginFactory.create(origin="https://a.app.example.com", api_group=billing)
    services.revoke(nearest, reason="x")
    assert cell_of("https://a.app.example.com").pattern == ""


def test_state_changes_with_every_change_of_the_grant() -> None:
    grant = TrustedOriginFactory.create(origin=APP)
    states = [cell_of(APP).state, cell_of(APP, "billing").state]
    services.amend(grant, note="", front_end=None, expires_at=timezone.now() + timedelta(days=1))
    states.append(cell_of(APP).state)
    services.revoke(grant, reason="x")
    states.append(cell_of(APP).state)
    services.reinstate(grant, reason="y")
    states.append(cell_of(APP).state)
    assert len(set(states)) == 5
    assert states[1] == ""
    before = cell_of(APP).state
    services.amend(grant, note="Only words.", front_end=None, expires_at=grant.expires_at)
    assert cell_of(APP).state == before


@pytest.mark.parametrize("many", [3, 60])
def test_queries_do_not_grow_with_the_rows(many: int, billing: ApiGroup, production: Environment) -> None:
    Environment.objects.filter(pk=production.pk).update(allow_subdomain_patterns=True)
    TrustedOriginFactory.create(origin="https://*.example.com")
    for n in range(many):
        front_end = FrontEndFactory.create(slug=f"f{n}", name=f"F{n}")
        grant = TrustedOriginFactory.create(origin=f"https://a{n}.example.com", front_end=front_end)
        TrustedOriginFactory.create(origin=f"https://loose{n}.example.com", api_group=billing)
        services.revoke(grant, reason="x")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        services.read_matrix("production")
    assert len(queries) == 8


def test_front_end_that_is_deleted_leaves_its_origins() -> None:
    front_end = FrontEndFactory.create()
    TrustedOriginFactory.create(origin=SHOP, front_end=front_end)
    FrontEnd.objects.all().delete()
    assert rows_of(services.read_matrix("production")) == [("", SHOP)]
