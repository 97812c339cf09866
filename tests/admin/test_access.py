import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape
from pytest_django import Settings

from django_cors_guard import services
from django_cors_guard.admin.access import page as access
from django_cors_guard.admin.access import sheet as access_sheet
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from django_cors_guard.services import AccessMoved
from django_cors_guard.services.access import planning
from tests.admin.conftest import login
from tests.admin.pages import Response, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    TrustedOriginFactory,
    user_with,
)

SHOP, APP, LOOSE = "https://shop.example.com", "https://app.example.com", "https://loose.example.com"
PAGE = "access"
Cell = tuple[str, str]


@pytest.fixture(autouse=True)
def staging(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    """Every test has two environments and two API groups: billing, then public."""
    return EnvironmentFactory.create(slug="staging", allow_insecure_http=True)


@pytest.fixture
def shop() -> FrontEnd:
    return FrontEndFactory.create()


@pytest.fixture
def grant(shop: FrontEnd) -> TrustedOrigin:
    """The shop may call the public API."""
    return TrustedOriginFactory.create(origin=SHOP, front_end=shop)


@pytest.fixture
def viewer() -> Client:
    return login(user_with("view_trustedorigin", username="viewer"))


@pytest.fixture
def adder() -> Client:
    """May trust, and not change what is trusted."""
    return login(user_with("view_trustedorigin", "add_trustedorigin", username="adder"))


@pytest.fixture
def changer() -> Client:
    """May change what is trusted, and trust nothing new."""
    return login(user_with("view_trustedorigin", "change_trustedorigin", username="changer"))


class Form:
    """The form of the matrix, as a browser shows it: boxes by origin and API group."""

    def __init__(self, client: Client, query: str = "") -> None:
        self.client, self.address = client, url(PAGE) + query
        self.page = client.get(self.address)
        context = self.page.context
        self.sheet = context.get("sheet", "")
        matrix, table = context["matrix"], context["table"]
        lines = [line for block in table.blocks for line in block.lines]
        rows = [row for row in matrix.rows if row.cells]
        self.boxes = {
            (row.origin, cell.api_group.slug): box
            for row, line in zip(rows, lines, strict=True)
            for cell, box in zip(row.cells, line.boxes, strict=True)
        }
        self.ticked = {pair for pair, box in self.boxes.items() if box.is_ticked}

    def tick(self, *pairs: Cell) -> "Form":
        self.ticked |= set(pairs)
        return self

    def clear(self, *pairs: Cell) -> "Form":
        self.ticked -= set(pairs)
        return self

    def send(self, **extra: Any) -> Response:
        """Press *Review changes*; a box that is disabled sends nothing."""
        on = [self.boxes[pair].value for pair in self.ticked if self.boxes[pair].is_enabled]
        return post(self.client, self.address, {"sheet": self.sheet, "step": "review", "on": on, **extra})


def press(page: Response, client: Client, step: str = "save", **data: Any) -> Response:
    """Press a button of the review."""
    address = url(PAGE) + str(page.context["here"])
    return post(client, address, {"plan": page.context["plan"], "step": step, **data})


def parts(page: Response) -> dict[str, list[str]]:
    """Return the origins and groups of each part of the review."""
    return {
        part.id.removeprefix("access-"): [f"{item.origin} {item.group.lower()}" for item in part.items]
        for part in page.context["review"].parts
    }


def items(page: Response) -> list[Any]:
    return [item for part in page.context["review"].parts for item in part.items]


def saved(client: Client, form: Form, **data: Any) -> Response:
    return press(form.send(), client, **{"until": "forever", "reason": "Because.", **data})


def trusted() -> set[tuple[str, str, str]]:
    active = TrustedOrigin.objects.active()
    return set(active.values_list("environment__slug", "api_group__slug", "origin"))


# --- the matrix -------------------------------------------------------------------------------------------------------


def test_matrix_shows_front_ends_and_origins_with_what_they_may_call(operator: Client, grant: TrustedOrigin) -> None:
    TrustedOriginFactory.create(origin=LOOSE)
    FrontEndFactory.create(slug="quiet", name="Quiet")
    form = Form(operator)
    words = text(form.page)
    assert "Who may call what in Production: rows 1 to 3 of 3" in words
    assert "Quiet No origin of its own here" in words.replace("Team Shop ", "")
    assert "Origins without a front end" in words
    assert form.ticked == {(SHOP, "public"), (LOOSE, "public")}
    assert {box.is_enabled for box in form.boxes.values()} == {True}


def test_matrix_has_a_tab_for_each_environment(operator: Client, grant: TrustedOrigin) -> None:
    Environment.objects.filter(slug="staging").update(protected=True)
    page = operator.get(url(PAGE), {"environment": "staging"})
    assert [
        (tab.name, tab.url, tab.is_current, tab.is_active, tab.is_protected)
        for tab in page.context["lookup"].list_tabs()
    ] == [
        ("Production", "?environment=production", False, True, False),
        ("Staging", "?environment=staging", True, False, True),
    ]
    html = page.content.decode()
    assert re.search(r'href="\?environment=staging" aria-current="page">Staging\s*<span[^>]*>protected', html)
    assert re.search(r'href="\?environment=production">Production\s*<span[^>]*>active here', html)
    assert "Nothing is trusted here yet" not in text(page)
    assert "No origin of its own here" in text(page)


@pytest.mark.parametrize(
    ("query", "said_of_it"),
    [
        pytest.param("?environment=nowhere", "There is no environment “nowhere”.", id="unknown environment"),
        pytest.param("?environment=%00%E2%80%AE", r"There is no environment “\x00\u202e”.", id="hostile environment"),
        pytest.param("?page=zero&q=%00", "", id="page that is no number"),
        pytest.param("?page=99999999999999999999&to=x&to=9223372036854775808", "", id="numbers that are too large"),
        pytest.param("?q=" + "x" * 5000, "", id="long text"),
        pytest.param("?from_front_end=%00x", "", id="unknown front end"),
        pytest.param("?from_environment=nowhere", "", id="unknown source"),
    ],
)
def test_matrix_stands_whatever_the_address_says(
    operator: Client, grant: TrustedOrigin, query: str, said_of_it: str
) -> None:
    page = operator.get(url(PAGE) + query)
    assert page.status_code == 200
    assert said_of_it in " ".join(said(page))
    assert page.context["lookup"].environment.slug == "production"


def test_matrix_says_what_the_columns_let_trusted_pages_do(operator: Client, grant: TrustedOrigin) -> None:
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    form = Form(operator)
    assert "Billing credentials Public any origin: open to everybody" in text(form.page)
    box = form.boxes[SHOP, "public"]
    assert (box.is_ticked, box.is_enabled, box.short) == (True, False, "open to all")
    assert "a grant makes no difference" in box.long


def test_cells_say_in_words_what_they_are(operator: Client, ana: User, grant: TrustedOrigin, public: ApiGroup) -> None:
    Environment.objects.filter(slug="production").update(allow_subdomain_patterns=True)
    made = {
        "https://a.example.com": {"expires_at": timezone.now() + timedelta(days=3)},
        "https://b.example.com": {"expires_at": timezone.now() - timedelta(days=3)},
        "https://c.example.com": {},
        "http://d.example.com": {},
        "https://e.example.com": {"expires_at": timezone.now() + timedelta(days=300)},
    }
    for origin, fields in made.items():
        TrustedOriginFactory.create(origin=origin, **fields)
    services.revoke(TrustedOrigin.objects.get(origin="https://c.example.com"), actor=ana, reason="Taken over.")
    TrustedOriginFactory.create(origin="https://*.example.com", api_group=ApiGroup.objects.get(slug="billing"))
    form = Form(operator)
    boxes = {origin: form.boxes[origin, "public"] for origin in made}
    assert [bool(box.is_ticked) for box in boxes.values()] == [True, False, False, False, True]
    shorts = [box.short for box in boxes.values()]
    assert shorts[0].startswith("until ")
    assert shorts[1:4] == ["expired", "revoked", "switched off"]
    assert "Revoked by ana on" in boxes["https://c.example.com"].long
    assert boxes["https://c.example.com"].long.endswith(": Taken over.")
    assert "is not encrypted" in boxes["http://d.example.com"].long
    covered = form.boxes["https://a.example.com", "billing"]
    assert (covered.short, covered.is_ticked, covered.is_enabled) == ("by pattern", False, True)
    assert "Let in by https://*.example.com" in covered.long
    html = form.page.content.decode()
    described = re.search(r'aria-labelledby="(access-g\d) (access-r\d)"\s+aria-describedby="(access-c[\d-]+)"', html)
    assert described is not None
    for name in described.groups():
        assert f'id="{name}"' in html


def test_grant_of_another_front_end_says_so(operator: Client, grant: TrustedOrigin, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(
        origin=SHOP, api_group=billing, front_end=FrontEndFactory.create(slug="zoo", name="Zoo")
    )
    assert Form(operator).boxes[SHOP, "billing"].long == "Trusted. It is a grant of Zoo."


def test_hostile_stored_values_are_shown_escaped_and_have_no_control(operator: Client) -> None:
    hostile = '"><script>alert(1)</script>\u202e' + "x" * 200
    front_end = FrontEndFactory.create(name=hostile[:90], owner=hostile[:90])
    grant = TrustedOriginFactory.create(front_end=front_end)
    ApiGroup.objects.filter(slug="public").update(name=hostile[:90])
    Environment.objects.filter(slug="production").update(name=hostile[:90])
    services.revoke(TrustedOriginFactory.create(origin=APP), reason=hostile)
    TrustedOrigin.objects.filter(pk=grant.pk).update(origin=hostile)
    form = Form(operator, "?q=&to=1&from_front_end=shop")
    html = form.page.content.decode()
    assert "<script>alert" not in html
    assert escape("<script>alert") in html
    assert "\u202e" not in html
    assert "x" * 190 not in text(form.page)
    box = form.boxes[hostile, "public"]
    assert (box.is_enabled, box.short) == (False, "switched off")
    assert "it lets nobody in" in text(form.page)
    assert form.tick((APP, "billing")).send().status_code == 200


def test_matrix_is_filtered_by_text_and_paged(
    operator: Client, grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CELLS_PER_PAGE", 4)
    for n in range(5):
        TrustedOriginFactory.create(origin=f"https://loose{n}.example.com")
    page = operator.get(url(PAGE), {"q": "loose", "page": "2"})
    assert "rows 3 to 4 of 5" in text(page)
    assert '<a href="?environment=production&amp;q=loose&amp;page=3">3</a>' in page.content.decode()
    assert '<a href="?environment=production&amp;q=loose&amp;page=2" aria-current="page">2</a>' in page.content.decode()
    assert "No origin and no front end" in text(operator.get(url(PAGE), {"q": "nothing like it"}))


def test_page_has_no_more_boxes_than_a_form_may_have_fields(
    operator: Client, grant: TrustedOrigin, settings: Settings
) -> None:
    for n in range(8):
        TrustedOriginFactory.create(origin=f"https://loose{n}.example.com")
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 30
    form = Form(operator)
    assert len(form.boxes) == 10
    page = form.tick(*form.boxes).send()
    assert page.status_code == 200
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    assert len(Form(operator).boxes) == 18


def test_matrix_without_environments_or_groups_says_what_to_do(operator: Client) -> None:
    ApiGroup.objects.all().delete()
    assert "There is no API group yet" in text(operator.get(url(PAGE)))
    Environment.objects.all().delete()
    assert "There is no environment yet" in text(operator.get(url(PAGE)))


@pytest.mark.parametrize(
    "query", ["", "&from_environment=staging&also=on", "&from_front_end=f1"], ids=["plain", "environment", "front end"]
)
@pytest.mark.parametrize("many", [2, 30])
def test_matrix_is_read_in_few_queries(query: str, many: int, staging: Environment, billing: ApiGroup) -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    TrustedOriginFactory.create(origin="https://*.example.com")
    targets = []
    for n in range(many):
        front_end = FrontEndFactory.create(slug=f"f{n}", name=f"F{n}")
        grant = TrustedOriginFactory.create(origin=f"https://a{n}.example.com", front_end=front_end)
        targets.append(grant.pk)
        services.revoke(TrustedOriginFactory.create(origin=f"https://a{n}.example.com", api_group=billing), reason="x")
        TrustedOriginFactory.create(origin=f"https://loose{n}.example.com")
        TrustedOriginFactory.create(origin=f"https://s{n}.example.com", front_end=front_end, environment=staging)
    client = login(user_with("view_trustedorigin", "add_trustedorigin", "change_trustedorigin"))
    address = url(PAGE) + "?q=" + query + "".join(f"&to={pk}" for pk in targets)
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        page = client.get(address)
    assert page.status_code == 200
    # Outside of tests the guard asks for its version once a second, not with every page.
    asked = [query["sql"] for query in queries if "cors_guard_policystate" not in query["sql"]]
    assert len(asked) <= 15, [sql[:100] for sql in asked]


@pytest.mark.parametrize("many", [2, 30])
def test_review_is_made_in_few_queries(many: int) -> None:
    for n in range(many):
        TrustedOriginFactory.create(origin=f"https://a{n}.example.com", front_end=FrontEndFactory.create(slug=f"f{n}"))
    client = login(user_with("view_trustedorigin", "add_trustedorigin", "change_trustedorigin"))
    form = Form(client)
    form.ticked = {(origin, "billing") for origin, _group in form.boxes}
    with CaptureQueriesContext(connection) as queries:
        page = form.send()
    assert len(items(page)) == 2 * many
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 15, [
        query["sql"][:100] for query in queries
    ]


# --- reviewing --------------------------------------------------------------------------------------------------------


def test_review_shows_one_diff_and_writes_nothing(operator: Client, ana: User, grant: TrustedOrigin) -> None:
    services.revoke(TrustedOriginFactory.create(origin=LOOSE), actor=ana, reason="Taken over.")
    ended = timezone.now() - timedelta(days=3)
    TrustedOriginFactory.create(origin=APP, expires_at=ended)
    OriginUsageFactory.create(trusted_origin=grant, count=4321, last_seen=timezone.now() - timedelta(hours=2))
    before = revision()
    form = Form(operator)
    page = form.clear((SHOP, "public")).tick((SHOP, "billing"), (LOOSE, "public"), (APP, "public")).send()
    assert parts(page) == {
        "revoke": [f"{SHOP} public"],
        "reinstate": [f"{LOOSE} public"],
        "trust": [f"{SHOP} billing"],
        "renew": [f"{APP} public"],
    }
    words = text(page)
    assert "In Production , all of it as one revision" in words
    assert "4,321 requests in the last 30 days, the last of them 2" in words
    assert "Browsers may act on preflights they have cached for up to 10 minutes." in words
    assert "Revoked by ana on" in words
    assert ": Taken over." in words
    assert "For the front end Shop." in words
    assert "The API group allows credentials" in words
    assert "Expired on" in words
    assert revision() == before


def test_review_of_nothing_says_so(operator: Client, grant: TrustedOrigin) -> None:
    page = Form(operator).send()
    assert said(page) == ["Nothing was ticked or unticked, so there is nothing to review."]
    assert "table" in page.context


def test_review_of_too_many_changes_keeps_the_ticks(
    operator: Client, grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_CHANGES", 1)
    form = Form(operator).tick((SHOP, "billing")).clear((SHOP, "public"))
    page = form.send()
    assert "At most 1 can be saved at a time" in said(page)[0]
    boxes = page.context["table"].blocks[0].lines[0].boxes
    assert [box.is_ticked for box in boxes] == [True, False]


def test_review_touches_only_cells_that_were_changed(operator: Client, grant: TrustedOrigin) -> None:
    other = TrustedOriginFactory.create(origin=LOOSE)
    form = Form(operator).tick((SHOP, "billing"))
    services.revoke(other, reason="Emergency.")
    page = saved(operator, form)
    assert "1 trusted." in said(page)[0]
    assert trusted() == {("production", "public", SHOP), ("production", "billing", SHOP)}
    other.refresh_from_db()
    assert other.revoke_reason == "Emergency."


@pytest.mark.parametrize(
    ("happens", "wanted", "part", "words"),
    [
        pytest.param("revoke", "clear", "keep", "it was active, and is revoked now", id="revoked by another"),
        pytest.param("trust", "tick", "keep", "it was not trusted, and is active now", id="trusted by another"),
        pytest.param("both", "tick", "reinstate", "it was not trusted, and is revoked now", id="trusted and revoked"),
        pytest.param("move", "clear", "revoke", "Somebody has changed it since you looked", id="another end"),
    ],
)
def test_review_says_what_has_changed_since_the_matrix_was_shown(
    operator: Client, grant: TrustedOrigin, happens: str, wanted: str, part: str, words: str
) -> None:
    form = Form(operator)
    if happens == "revoke":
        services.revoke(grant, reason="x")
    elif happens == "move":
        services.amend(grant, note="", front_end=None, expires_at=timezone.now() + timedelta(days=1))
    else:
        other = services.trust(SHOP, environment="production", api_group="billing")
        if happens == "both":
            services.revoke(other, reason="x")
    page = (form.clear((SHOP, "public")) if wanted == "clear" else form.tick((SHOP, "billing"))).send()
    assert list(parts(page)) == [part]
    assert words in text(page)
    assert "Some of these cells have changed since you looked" in text(page)


def test_review_names_problems_and_offers_to_leave_them_out(operator: Client, grant: TrustedOrigin) -> None:
    Environment.objects.filter(slug="production").update(allow_insecure_http=True)
    TrustedOriginFactory.create(origin="http://plain.example.com")
    before = revision()
    page = Form(operator).tick(("http://plain.example.com", "billing"), (SHOP, "billing")).send()
    assert "This cannot be saved: The API group allows credentials, and http://plain.example.com" in text(page)
    assert 'value="save"' not in page.content.decode()
    again = press(page, operator, until="forever")
    assert "This cannot be saved" in text(again)
    assert revision() == before
    rest = press(page, operator, step="trim")
    assert parts(rest) == {"trust": [f"{SHOP} billing"]}
    assert "1 trusted." in said(press(rest, operator, until="forever"))[0]


def test_going_back_to_the_matrix_keeps_what_was_ticked(operator: Client, grant: TrustedOrigin) -> None:
    page = Form(operator, "?environment=production&q=shop").tick((SHOP, "billing")).clear((SHOP, "public")).send()
    back = press(page, operator, step="edit")
    boxes = back.context["table"].blocks[0].lines[0].boxes
    assert [(box.is_ticked, box.is_changed) for box in boxes] == [(True, True), (False, True)]
    assert back.context["lookup"].text == "shop"


# --- saving -----------------------------------------------------------------------------------------------------------


def test_saving_writes_one_revision_with_the_reason(operator: Client, ana: User, grant: TrustedOrigin) -> None:
    services.revoke(TrustedOriginFactory.create(origin=LOOSE), reason="Then.")
    before = revision()
    form = Form(operator, "?environment=production&q=example")
    form.clear((SHOP, "public")).tick((SHOP, "billing"), (LOOSE, "public"))
    page = saved(operator, form, reason="Moving house.")
    assert page["Location"] == "?environment=production&q=example"
    assert revision() == before + 1
    message = said(page)[0]
    assert f"Saved as revision {before + 1}: 1 trusted, 1 revoked, 1 reinstated." in message
    assert f"{url('policychange_changelist')}?revision={before + 1}" in message
    changes = PolicyChange.objects.filter(revision=before + 1)
    assert {(change.action, change.source, change.actor, change.reason) for change in changes} == {
        (action, "admin", ana, "Moving house.") for action in ("trusted", "revoked", "reinstated")
    }
    assert len({change.batch for change in changes}) == 1
    assert trusted() == {("production", "billing", SHOP), ("production", "public", LOOSE)}
    assert TrustedOrigin.objects.get(api_group__slug="billing").front_end == grant.front_end
    assert sorted(LogEntry.objects.values_list("action_flag", flat=True)) == [1, 2, 2]


@pytest.mark.parametrize("reason", ["", "  "])
def test_saving_a_revocation_without_a_reason_asks_for_one(operator: Client, grant: TrustedOrigin, reason: str) -> None:
    before = revision()
    page = saved(operator, Form(operator).clear((SHOP, "public")), reason=reason)
    assert page.context["form"].errors["reason"] == ["Say why. A change without a reason helps nobody later."]
    assert parts(page) == {"revoke": [f"{SHOP} public"]}
    assert revision() == before
    assert "1 revoked." in said(press(page, operator, reason="Gone."))[0]


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        pytest.param({}, {"until": ["Say until when the new and renewed grants hold."]}, id="no choice"),
        pytest.param({"until": "at"}, {"expires_at": ["Say on which day, and at what time."]}, id="no day"),
        pytest.param(
            {"until": "at", "expires_at": "2020-01-01T00:00"},
            {"expires_at": ["The expiry lies in the past. To end a grant, revoke it."]},
            id="past",
        ),
        pytest.param({"until": "at", "expires_at": "soon"}, {"expires_at": ["Enter a valid date/time."]}, id="no time"),
        pytest.param({"until": "eternity"}, None, id="no such choice"),
    ],
)
def test_saving_needs_an_end_that_can_be(
    operator: Client, grant: TrustedOrigin, data: dict[str, str], errors: dict[str, list[str]] | None
) -> None:
    before = revision()
    page = press(Form(operator).tick((SHOP, "billing")).send(), operator, **data)
    found = {field: list(messages) for field, messages in page.context["form"].errors.items()}
    assert found == errors if errors is not None else list(found) == ["until"]
    assert revision() == before


@pytest.mark.parametrize(
    ("data", "days"),
    [
        pytest.param({"until": "forever"}, None, id="until revoked"),
        pytest.param({"until": "7"}, 7, id="seven days"),
        pytest.param({"until": "at", "expires_at": "2090-05-03T12:30"}, "2090-05-03 12:30", id="a day"),
    ],
)
def test_new_grants_hold_until_what_was_chosen(
    operator: Client, grant: TrustedOrigin, data: dict[str, str], days: Any
) -> None:
    press(Form(operator).tick((SHOP, "billing")).send(), operator, **data)
    ends = TrustedOrigin.objects.get(api_group__slug="billing").expires_at
    if isinstance(days, int):
        assert ends is not None
        assert abs(ends - timezone.now() - timedelta(days=days)) < timedelta(minutes=5)
    else:
        assert (str(timezone.make_naive(ends))[:16] if ends is not None else None) == days


def test_new_grants_hold_until_revoked_unless_somebody_says_so(operator: Client, grant: TrustedOrigin) -> None:
    page = Form(operator).tick((SHOP, "billing")).send()
    assert page.context["form"]["until"].initial == "forever"


def test_environment_that_limits_trust_offers_no_more(operator: Client, grant: TrustedOrigin) -> None:
    Environment.objects.filter(slug="production").update(max_trust_days=30)
    TrustedOrigin.objects.update(expires_at=timezone.now() + timedelta(days=1))
    page = Form(operator).tick((SHOP, "billing")).send()
    field = page.context["form"]["until"]
    assert ([value for value, _label in field.field.choices], field.initial) == (["1", "7", "30", "at"], None)
    late = (timezone.now() + timedelta(days=31)).strftime("%Y-%m-%dT%H:%M")
    refused = press(page, operator, until="at", expires_at=late)
    assert "limits how long a grant may live" in refused.context["form"].errors["expires_at"][0]
    assert "1 trusted." in said(press(page, operator, until="30"))[0]


def test_renewing_has_no_end_preselected(operator: Client, grant: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    page = Form(operator).tick((SHOP, "public")).send()
    assert page.context["form"]["until"].initial is None
    assert "1 renewed." in said(press(page, operator, until="7"))[0]
    grant.refresh_from_db()
    assert grant.status() == "active"


def test_revoking_alone_asks_for_no_end(operator: Client, grant: TrustedOrigin) -> None:
    page = Form(operator).clear((SHOP, "public")).send()
    assert list(page.context["form"].fields) == ["reason"]


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        pytest.param("revoke", "it was active, and is revoked now", id="revoked"),
        pytest.param("trust", "it was not trusted, and is active now", id="trusted"),
        pytest.param("rule", "This cannot be saved: https", id="rule switched"),
        pytest.param("delete", "it was active, and is not trusted now", id="purged"),
    ],
)
def test_what_has_changed_since_the_review_is_shown_anew_and_nothing_is_saved(
    operator: Client, grant: TrustedOrigin, happens: str, words: str
) -> None:
    Environment.objects.filter(slug="production").update(allow_subdomain_patterns=True)
    TrustedOriginFactory.create(origin="https://*.example.org")
    form = Form(operator).clear((SHOP, "public")).tick((SHOP, "billing"), ("https://*.example.org", "billing"))
    page = form.send()
    if happens == "revoke":
        services.revoke(grant, reason="Emergency.")
    elif happens == "trust":
        services.trust(SHOP, environment="production", api_group="billing")
    elif happens == "delete":
        grant.delete()
    else:
        Environment.objects.filter(slug="production").update(allow_subdomain_patterns=False)
    before, rows = revision(), trusted()
    again = press(page, operator, until="forever", reason="Mine.")
    assert "Nothing was saved: something has changed since you looked" in text(again)
    assert words in text(again)
    assert (revision(), trusted()) == (before, rows)
    assert not LogEntry.objects.exists()
    if happens != "rule":
        assert "Saved as revision" in said(press(again, operator, until="forever", reason="Mine."))[0]


def test_revocation_between_review_and_save_is_not_undone(operator: Client, grant: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    page = Form(operator).tick((SHOP, "public")).send()
    services.revoke(grant, reason="Emergency.")
    again = press(page, operator, until="forever", reason="")
    assert parts(again) == {"reinstate": [f"{SHOP} public"]}
    assert "Emergency." in text(again)
    grant.refresh_from_db()
    assert grant.revoke_reason == "Emergency."
    unreasoned = press(again, operator, until="forever", reason="")
    assert "reason" in unreasoned.context["form"].errors
    assert grant.pk in TrustedOrigin.objects.revoked().values_list("pk", flat=True)


def test_what_changes_in_the_last_moment_is_shown_anew(
    operator: Client, grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Form(operator).clear((SHOP, "public")).send()
    original = services.apply_access

    def change_first(*args: Any, **kwargs: Any) -> Any:
        services.revoke(grant, reason="Emergency.")
        return original(*args, **kwargs)

    monkeypatch.setattr(services, "apply_access", change_first)
    again = press(page, operator, reason="Mine.")
    assert parts(again) == {"keep": [f"{SHOP} public"]}
    assert "There is nothing left to save" in text(again)
    grant.refresh_from_db()
    assert grant.revoke_reason == "Emergency."


def test_saving_twice_saves_once(operator: Client, grant: TrustedOrigin) -> None:
    page = Form(operator).clear((SHOP, "public")).send()
    press(page, operator, reason="Once.")
    before = revision()
    assert "There is nothing left to save" in text(press(page, operator, reason="Twice."))
    assert revision() == before


def test_moved_plan_is_an_error_of_the_package() -> None:
    assert AccessMoved().code == "access_moved"


def test_page_works_without_time_zones(operator: Client, grant: TrustedOrigin, settings: Settings) -> None:
    settings.USE_TZ = False
    TrustedOriginFactory.create(origin=APP, expires_at=timezone.now() + timedelta(days=3))
    TrustedOriginFactory.create(origin=LOOSE, expires_at=timezone.now() - timedelta(days=3))
    form = Form(operator).clear((SHOP, "public")).tick((SHOP, "billing"), (LOOSE, "public"))
    page = press(form.send(), operator, until="at", expires_at="2090-05-03T12:30", reason="x")
    assert "1 trusted, 1 revoked, 1 renewed." in said(page)[0]
    assert TrustedOrigin.objects.get(origin=LOOSE).expires_at == datetime(2090, 5, 3, 12, 30)  # noqa: DTZ001 - naive


# --- who may ----------------------------------------------------------------------------------------------------------


def test_viewer_sees_the_matrix_and_no_controls(viewer: Client, grant: TrustedOrigin) -> None:
    page = viewer.get(url(PAGE))
    html = page.content.decode()
    assert "– not trusted" in text(page)
    assert "✓ trusted" in text(page)
    for control in ('<form method="post" action="?', 'type="checkbox"', "Copy access", "access.js", "Review changes"):
        assert control not in html


@pytest.mark.parametrize("step", ["review", "save", "edit", "trim", ""])
def test_viewer_who_posts_is_refused(viewer: Client, operator: Client, grant: TrustedOrigin, step: str) -> None:
    form = Form(operator).clear((SHOP, "public"))
    plan = form.send().context["plan"]
    before = revision()
    page = post(viewer, form.address, {"sheet": form.sheet, "plan": plan, "step": step, "reason": "x"})
    assert page.status_code == 403
    assert revision() == before


def test_stranger_is_refused(grant: TrustedOrigin) -> None:
    client = login(user_with("view_apigroup"))
    assert client.get(url(PAGE)).status_code == 403
    assert post(client, url(PAGE), {"step": "save"}).status_code == 403
    assert Client().get(url(PAGE)).status_code == 302
    client = login(user_with("add_trustedorigin", "change_trustedorigin"))
    assert post(client, url(PAGE), {"step": "save"}).status_code == 403


def test_adder_can_tick_and_not_untick(adder: Client, grant: TrustedOrigin) -> None:
    services.revoke(TrustedOriginFactory.create(origin=LOOSE), reason="x")
    form = Form(adder)
    assert {pair for pair, box in form.boxes.items() if box.is_enabled} == {(SHOP, "billing"), (LOOSE, "billing")}
    page = saved(adder, form.tick((SHOP, "billing")).clear((SHOP, "public")))
    assert "1 trusted." in said(page)[0]
    assert ("production", "public", SHOP) in trusted()


def test_changer_can_untick_and_not_trust(changer: Client, grant: TrustedOrigin) -> None:
    form = Form(changer)
    assert {pair for pair, box in form.boxes.items() if box.is_enabled} == {(SHOP, "public")}
    page = saved(changer, form.clear((SHOP, "public")).tick((SHOP, "billing")))
    assert "1 revoked." in said(page)[0]
    assert trusted() == set()


def test_adder_whose_tick_became_a_reinstatement_is_refused(adder: Client, grant: TrustedOrigin) -> None:
    form = Form(adder).tick((SHOP, "billing"))
    other = services.trust(SHOP, environment="production", api_group="billing")
    services.revoke(other, reason="Emergency.")
    page = form.send()
    assert "You may not do this." in text(page)
    before = revision()
    again = press(page, adder, until="forever", reason="x")
    assert "You may not do this." in text(again)
    assert revision() == before


@pytest.mark.parametrize("name", ["sheet", "plan"])
def test_forms_of_somebody_else_are_refused(operator: Client, adder: Client, grant: TrustedOrigin, name: str) -> None:
    form = Form(operator).clear((SHOP, "public"))
    plan = form.send().context["plan"]
    before = revision()
    data = {"sheet": form.sheet, "plan": plan, "reason": "x", "step": "review" if name == "sheet" else "save"}
    page = post(adder, form.address, data)
    assert (page.status_code, page["Location"]) == (302, form.address)
    assert "made for somebody else" in said(page)[0]
    assert revision() == before


@pytest.mark.parametrize("step", ["review", "save", "edit", "trim", "", "delete"])
@pytest.mark.parametrize("sent", ["", "x", signing.dumps({"rows": []})], ids=["blank", "garbage", "another salt"])
def test_damaged_forms_are_refused(operator: Client, grant: TrustedOrigin, step: str, sent: str) -> None:
    before = revision()
    page = post(operator, url(PAGE), {"sheet": sent, "plan": sent, "step": step, "on": ["0.0", "x", "9.9"]})
    assert page.status_code == 302
    assert "Nothing was changed" in said(page)[0]
    assert revision() == before


def test_boxes_that_are_none_are_ignored(operator: Client, grant: TrustedOrigin) -> None:
    form = Form(operator)
    page = post(operator, form.address, {"sheet": form.sheet, "step": "review", "on": ["0.1", "9.9", "x", "0.1"]})
    assert "nothing to review" in said(page)[0]


def test_protected_environment_has_no_controls_without_its_permission(apprentice: Client, grant: TrustedOrigin) -> None:
    Environment.objects.filter(slug="production").update(protected=True)
    page = apprentice.get(url(PAGE))
    assert "needs the permission “Can change protected environments”" in text(page)
    assert 'type="checkbox"' not in page.content.decode()
    other = apprentice.get(url(PAGE), {"environment": "staging"})
    assert "Can change protected environments" not in text(other)


@pytest.mark.parametrize("step", ["review", "save", "trim"])
def test_protected_environment_refuses_posts_without_its_permission(
    apprentice: Client, grant: TrustedOrigin, step: str
) -> None:
    form = Form(apprentice).clear((SHOP, "public"))
    plan = form.send().context["plan"]
    Environment.objects.filter(slug="production").update(protected=True)
    before = revision()
    page = post(apprentice, form.address, {"sheet": form.sheet, "plan": plan, "step": step, "reason": "x"})
    assert "needs the permission" in said(page)[0]
    assert (revision(), trusted()) == (before, {("production", "public", SHOP)})


def test_receipt_links_to_the_history_for_those_who_may_see_it(changer: Client, grant: TrustedOrigin) -> None:
    page = saved(changer, Form(changer).clear((SHOP, "public")))
    assert "<a" not in said(page)[0]


# --- copying ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def blog(billing: ApiGroup, grant: TrustedOrigin) -> FrontEnd:
    """A front end that may call billing, beside the shop."""
    front_end = FrontEndFactory.create(slug="blog", name="Blog")
    TrustedOriginFactory.create(origin="https://blog.example.com", front_end=front_end, api_group=billing)
    return front_end


def changed(form: Form) -> set[Cell]:
    return {pair for pair, box in form.boxes.items() if box.is_changed}


def test_copying_from_a_front_end_ticks_the_chosen_rows(operator: Client, grant: TrustedOrigin, blog: FrontEnd) -> None:
    TrustedOriginFactory.create(origin=LOOSE)
    before = revision()
    form = Form(operator, f"?from_front_end=blog&to={grant.pk}")
    assert changed(form) == {(SHOP, "billing")}
    assert "Copied from Blog: 1 box was ticked. Nothing is saved yet." in text(form.page)
    assert [target.is_chosen for target in form.page.context["panel"].targets] == [False, True, False]
    assert revision() == before
    page = form.send()
    assert parts(page) == {"trust": [f"{SHOP} billing"]}
    back = press(page, operator, step="edit")
    assert back.context["lookup"].front_end == "blog"
    done = press(page, operator, until="forever")
    assert done["Location"] == "?environment=production"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("?from_front_end=blog", "Choose the rows that access is to be copied to.", id="no rows"),
        pytest.param("?from_front_end=nobody&to=1", "There is no front end “nobody”", id="unknown front end"),
        pytest.param("?from_environment=production", "Choose another environment", id="the same environment"),
        pytest.param("?from_environment=nowhere", "Choose another environment", id="unknown environment"),
        pytest.param("?from_environment=staging", "Nothing on this page was ticked", id="nothing there"),
    ],
)
def test_copying_that_ticks_nothing_says_why(operator: Client, blog: FrontEnd, query: str, words: str) -> None:
    form = Form(operator, query)
    assert changed(form) == set()
    assert words in text(form.page)


def test_copying_never_unticks_and_leaves_revoked_cells(operator: Client, grant: TrustedOrigin, blog: FrontEnd) -> None:
    services.revoke(
        TrustedOriginFactory.create(origin=SHOP, api_group=ApiGroup.objects.get(slug="billing")), reason="x"
    )
    form = Form(operator, f"?from_front_end=blog&to={grant.pk}")
    assert changed(form) == set()
    assert (SHOP, "public") in form.ticked
    assert (
        "Revoked here, so left alone. Tick what is to be reinstated by hand: https://shop.example.com for billing"
        in (text(form.page))
    )


def test_copying_from_an_environment_offers_rows_that_are_only_there(
    operator: Client, grant: TrustedOrigin, shop: FrontEnd, staging: Environment, billing: ApiGroup
) -> None:
    there, http = "https://shop.staging.example.com", "http://shop.staging.example.com"
    TrustedOriginFactory.create(origin=there, front_end=shop, environment=staging, api_group=billing)
    TrustedOriginFactory.create(origin=http, front_end=shop, environment=staging)
    form = Form(operator, "?from_environment=staging")
    assert changed(form) == {(SHOP, "billing")}
    words = text(form.page)
    assert "Trusted only in Staging: would be trusted here, too" in words
    assert "Trusted there only, and not to be trusted here: http://shop.staging.example.com (" in words
    assert http not in {origin for origin, _group in form.boxes}
    form = Form(operator, "?from_environment=staging&also=on")
    assert changed(form) == {(SHOP, "billing"), (there, "billing")}
    saved(operator, form)
    made = TrustedOrigin.objects.get(origin=there, environment__slug="production")
    assert (made.front_end, made.api_group) == (shop, billing)


def test_copy_survives_paging_and_is_forgotten_on_another_tab(
    operator: Client, blog: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CELLS_PER_PAGE", 2)
    page = operator.get(url(PAGE), {"from_environment": "staging", "also": "on", "q": "example"})
    html = page.content.decode()
    assert "?environment=production&amp;q=example&amp;page=2&amp;from_environment=staging&amp;also=on" in html
    assert 'href="?environment=staging&amp;q=example"' in html


def test_viewer_copies_nothing(viewer: Client, grant: TrustedOrigin, blog: FrontEnd) -> None:
    page = viewer.get(url(PAGE), {"from_front_end": "blog", "to": f"{grant.pk}"})
    assert page.context["panel"] is None
    assert "Copied" not in text(page)


# --- the form itself --------------------------------------------------------------------------------------------------


def test_sheet_holds_states_and_no_more_than_it_needs(operator: Client, grant: TrustedOrigin) -> None:
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    request: Any = Form(operator).page.wsgi_request
    request.POST = {"sheet": access_sheet.sign_sheet(request, Form(operator).page.context["table"].sheet)}
    sheet = access_sheet.read_sheet(request)
    assert (sheet.environment, sheet.groups) == ("production", ("billing", "public"))
    assert sheet.rows == (access_sheet.SheetRow(SHOP, "shop", ("", None)),)
    assert json.dumps(sheet.groups)


def test_names_with_markup_survive_the_plan(operator: Client, shop: FrontEnd, grant: TrustedOrigin) -> None:
    group = ApiGroupFactory.create(slug="third", name="<b>Third</b>")
    page = Form(operator).tick((SHOP, group.slug)).send()
    assert "<b>Third" not in page.content.decode()
    assert parts(page) == {"trust": [f"{SHOP} <b>third</b>"]}
