"""Import and export in the admin: nothing is written that was not seen, and no file breaks a page."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from django_cors_guard import services
from django_cors_guard.core.files import read_grants
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
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

HEADER = "environment,api_group,origin,front_end,note,expires_at,status"
ORIGIN = "https://app.example.com"
OTHER = "https://shop.example.com"
LINE = f"production,public,{ORIGIN},,,,"
IMPORT, EXPORT = "import", "export"
MAY_ADD = ("view_trustedorigin", "add_trustedorigin")


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def table(*lines: str) -> str:
    return "\n".join([HEADER, *lines, ""])


def upload(client: Client, data: str | bytes, name: str = "origins.csv") -> Response:
    """Give a file, and return the page of its plan."""
    content = data.encode() if isinstance(data, str) else data
    return post(client, url(IMPORT), {"file": SimpleUploadedFile(name, content)})


def token_of(page: Response) -> str:
    match = re.search(r'name="plan" value="([^"]+)"', page.content.decode())
    assert match is not None, text(page)
    return match[1]


def go_on(client: Client, page: Response, reason: str = "moved here", **values: Any) -> Response:
    """Press the button under a plan."""
    return post(client, url(IMPORT), {"plan": token_of(page), "reason": reason, **values})


def download(client: Client, **query: Any) -> bytes:
    response: Any = client.get(url(EXPORT), query)
    assert response.status_code == 200
    assert response.streaming
    return b"".join(response.streaming_content)


def exported(client: Client, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(download(client, format="json", **query))["trusted_origins"]
    return found


def origins() -> set[str]:
    return set(TrustedOrigin.objects.values_list("origin", flat=True))


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_import_shows_the_plan_first_and_writes_nothing(operator: Client, ana: User) -> None:
    FrontEndFactory.create()
    TrustedOriginFactory.create(origin=OTHER, note="old")
    gone = services.revoke(TrustedOriginFactory.create(origin="https://gone.example.com"), actor=ana, reason="leaked")
    before = revision()
    page = upload(
        operator,
        table(
            "production,public, HTTPS://New.github.io/ ,shop,for Ana,2099-01-01T12:00Z,",
            f"production,public,{OTHER},,new,,",
            "production,public,https://gone.example.com,,,,",
            "prodction,public,https://a.example.com/path,,,,",
            "production,public,https://new.github.io,shop,for Ana,2099-01-01T12:00Z,",
        ),
    )
    words = text(page)
    assert page.status_code == 200
    assert "1 will be trusted" in words
    assert "Written as “ HTTPS://New.github.io/ ”: spaces around it were dropped" in words
    assert "Strangers have names under “github.io”" in words
    assert "Front end: shop" in words
    assert "note: old → new" in words
    assert "leaked" in words
    assert "ana" in words
    assert url("trustedorigin_reinstate", gone.pk) in page.content.decode()
    assert "There is no environment “prodction”. Type production." in words
    assert "leave out the path “/path”" in words
    assert "The same as No. 2." in words
    assert (revision(), TrustedOrigin.objects.count()) == (before, 2)


def test_import_applies_the_plan_as_one_revision_of_its_own_source(operator: Client, ana: User) -> None:
    before = revision()
    page = upload(operator, table(LINE, f"production,public,{OTHER},,,,"), name="okta.csv")
    response = go_on(operator, page, "moved from Okta")
    done = operator.get(response["Location"])
    assert "2 origins were trusted." in text(done)
    assert f"revision {before + 1}" in text(done)
    assert "okta.csv" in text(done)
    assert url("policychange_changelist") + f"?revision={before + 1}" in done.content.decode()
    assert (revision(), origins()) == (before + 1, {ORIGIN, OTHER})
    changes = PolicyChange.objects.filter(revision=before + 1)
    assert {(change.source, change.actor, change.reason, change.action) for change in changes} == {
        ("import", ana, "moved from Okta (import of okta.csv)", "trusted")
    }
    assert len({change.batch for change in changes}) == 1
    assert changes[0].batch in text(done)


def test_import_takes_pasted_text(operator: Client) -> None:
    page = post(operator, url(IMPORT), {"text": table(LINE).replace(",", "\t").replace("\n", "\r\n")})
    go_on(operator, page)
    assert origins() == {ORIGIN}
    assert "pasted text" in PolicyChange.objects.latest("pk").reason


def test_import_takes_json_and_counts_its_entries(operator: Client) -> None:
    entry = {"environment": "production", "api_group": "public", "origin": ORIGIN}
    page = upload(operator, json.dumps([entry, {**entry, "origin": "null"}]), name="origins.json")
    assert "Entry" in text(page)
    assert "Line" not in text(page)
    go_on(operator, page, leave_out="on")
    assert origins() == {ORIGIN}


def test_import_again_changes_nothing_and_offers_no_button(operator: Client) -> None:
    page = upload(operator, table(LINE))
    go_on(operator, page)
    before = revision()
    again = upload(operator, table(LINE))
    assert "There is nothing to import" in text(again)
    assert 'id="apply"' not in again.content.decode()
    # Whoever presses the button of the first page twice is shown that it is done.
    twice = go_on(operator, page)
    assert "something has changed since you looked" in text(twice)
    assert "There is nothing to import" in text(twice)
    assert revision() == before


def test_import_of_notes_says_that_it_took_no_revision(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    before = revision()
    done = operator.get(go_on(operator, upload(operator, table(f"production,public,{ORIGIN},,new,,")))["Location"])
    assert "it took no revision" in text(done)
    assert "One grant was changed." in text(done)
    assert (TrustedOrigin.objects.get().note, revision()) == ("new", before)


def test_import_asks_for_a_reason_and_keeps_the_plan(operator: Client) -> None:
    page = upload(operator, table(LINE))
    again = go_on(operator, page, " ")
    assert "Say why these origins may be trusted." in text(again)
    assert origins() == set()
    go_on(operator, again)
    assert origins() == {ORIGIN}


def test_import_writes_nothing_while_lines_are_refused_unless_they_are_left_out(operator: Client) -> None:
    page = upload(operator, table(LINE, "production,public,null,,,,"))
    again = go_on(operator, page)
    assert "some lines are refused" in text(again)
    assert origins() == set()
    done = operator.get(go_on(operator, again, leave_out="on")["Location"])
    assert "One line was refused, and left out." in text(done)
    assert origins() == {ORIGIN}


def test_import_of_refused_lines_alone_offers_no_button(operator: Client) -> None:
    page = upload(operator, table("production,public,null,,,,"))
    assert 'id="apply"' not in page.content.decode()
    assert "before the lines that are refused are put right" in text(page)
    assert "Nothing was imported" in text(go_on(operator, page))


# --- the plan seen is the plan applied --------------------------------------------------------------------------------


def test_plan_that_has_become_another_is_shown_anew_with_the_reason_kept(operator: Client) -> None:
    page = upload(operator, table(LINE, f"production,public,{OTHER},,,,"))
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="leaked")
    before = revision()
    again = go_on(operator, page, "moved here")
    assert "something has changed since you looked at the plan" in text(again)
    assert "leaked" in text(again)
    assert f"{ORIGIN} (new)" in text(again)
    assert OTHER in text(again)
    assert text(again).count("(new)") == 1
    assert (revision(), origins()) == (before, {ORIGIN})


def test_plan_that_has_become_another_keeps_what_was_typed(operator: Client) -> None:
    page = upload(operator, table(LINE, f"production,public,{OTHER},,,,", "production,public,null,,,,"))
    TrustedOriginFactory.create(origin=OTHER)
    again = go_on(operator, page, "moved <here>", leave_out="on")
    assert "One line is here already by now." in text(again)
    assert "(new)" not in text(again)
    assert "moved &lt;here&gt;</textarea>" in again.content.decode()
    assert "checked" not in again.content.decode()
    go_on(operator, again, leave_out="on")
    assert origins() == {ORIGIN, OTHER}


def test_plan_that_becomes_another_at_the_last_moment_is_shown_anew(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(operator, table(LINE))
    apply_import = services.apply_import

    def be_slower(*args: Any, **kwargs: Any) -> Any:
        TrustedOriginFactory.create(origin=ORIGIN)
        return apply_import(*args, **kwargs)

    monkeypatch.setattr(services, "apply_import", be_slower)
    again = go_on(operator, page)
    assert "something has changed since you looked at the plan" in text(again)
    assert "There is nothing to import" in text(again)


def test_plan_of_somebody_else_or_of_nobody_is_not_applied(operator: Client) -> None:
    token = token_of(upload(operator, table(LINE)))
    other = login(user_with(*MAY_ADD, "change_trustedorigin"))
    for client, plan in ((other, token), (operator, token[:-1]), (operator, "x"), (operator, ""), (operator, "é:\0:x")):
        response = post(client, url(IMPORT), {"plan": plan, "reason": "x"})
        assert response["Location"] == url(IMPORT)
        assert "no plan that was shown to you" in said(response)[-1]
    assert origins() == set()


def test_result_of_somebody_else_is_not_told(operator: Client) -> None:
    address = go_on(operator, upload(operator, table(LINE)))["Location"]
    other = login(user_with(*MAY_ADD))
    assert other.get(address)["Location"] == url(IMPORT)
    assert operator.get(address[:-1])["Location"] == url(IMPORT)
    assert "What was recorded" in text(operator.get(address))


def test_plan_downloads_whole(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.admin.transfer.plan.MAX_SHOWN", 1)
    TrustedOriginFactory.create(origin=OTHER)
    lines = [f"production,public,https://a{number}.example.com,,=1+1,," for number in range(3)]
    page = upload(operator, table(*lines, f"production,public,{OTHER},,new,,", "x,public,null,,,,", lines[0]))
    assert "2 more are not listed here." in text(page)
    response: Any = post(operator, url(IMPORT), {"plan": token_of(page), "download": "csv"})
    rows = list(csv.reader(StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    assert [row[:2] for row in rows[1:]] == [
        ["6", "refused"],
        ["2", "will be trusted"],
        ["3", "will be trusted"],
        ["4", "will be trusted"],
        ["5", "will change"],
        ["7", "repeated"],
    ]
    assert rows[5][4:6] == [OTHER, "note: — → new"]
    assert "attachment" in response["Content-Disposition"]
    assert origins() == {OTHER}


def test_additions_with_something_to_mind_are_listed_first(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.admin.transfer.plan.MAX_SHOWN", 1)
    page = upload(operator, table(LINE, "production,public,https://x.github.io,,,,"))
    assert "github.io" in text(page)
    assert ORIGIN not in text(page)


def test_plan_says_once_that_a_group_allows_credentials_or_is_open(operator: Client, billing: ApiGroup) -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    lines = [
        f"production,{group},https://a{number}.example.com,,,," for group in ("billing", "open") for number in "12"
    ]
    words = text(upload(operator, table(*lines)))
    assert words.count("act as the signed-in user") == 1
    assert words.count("a grant makes no difference there") == 1


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "imports", "exports"),
    [
        pytest.param(("view_trustedorigin",), 403, 200, id="viewer"),
        pytest.param(("add_trustedorigin",), 403, 403, id="adds blindly"),
        pytest.param(("view_rejectedorigin", "change_rejectedorigin"), 403, 403, id="triager"),
        pytest.param(MAY_ADD, 200, 200, id="operator"),
    ],
)
def test_pages_ask_for_their_permissions(permissions: tuple[str, ...], imports: int, exports: int) -> None:
    client = login(user_with(*permissions))
    found = [client.get(url(IMPORT)).status_code, upload(client, table(LINE)).status_code]
    assert found == [imports] * 2
    assert [client.get(url(EXPORT), query).status_code for query in ({}, {"format": "csv"})] == [exports] * 2


def test_pages_ask_strangers_to_log_in(client: Client) -> None:
    for page in (IMPORT, EXPORT):
        assert "/login/" in client.get(url(page))["Location"]
        assert "/login/" in post(client, url(page), {})["Location"]


def test_import_by_those_who_may_not_change_grants_refuses_changes(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    client = login(user_with(*MAY_ADD))
    page = upload(client, table(f"production,public,{ORIGIN},,new,,", f"production,public,{OTHER},,,,"))
    assert "which you may not change" in text(page)
    go_on(client, page, leave_out="on")
    assert (origins(), TrustedOrigin.objects.get(origin=ORIGIN).note) == ({ORIGIN, OTHER}, "")


def test_import_by_somebody_whose_permission_goes_is_shown_anew(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    user = user_with(*MAY_ADD, "change_trustedorigin")
    client = login(user)
    page = upload(client, table(f"production,public,{ORIGIN},,new,,"))
    user.user_permissions.remove(*user.user_permissions.filter(codename="change_trustedorigin"))
    assert "which you may not change" in text(go_on(client, page))
    assert TrustedOrigin.objects.get().note == ""


def test_import_into_a_protected_environment_is_refused_line_by_line(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    EnvironmentFactory.create(slug="staging")
    page = upload(apprentice, table(LINE, LINE.replace("production", "staging")))
    assert "production is protected" in text(page)
    go_on(apprentice, page, leave_out="on")
    assert [grant.environment.slug for grant in TrustedOrigin.objects.all()] == ["staging"]


def test_import_into_what_becomes_protected_in_between_is_shown_anew(apprentice: Client) -> None:
    page = upload(apprentice, table(LINE))
    Environment.objects.update(protected=True)
    assert "production is protected" in text(go_on(apprentice, page))
    assert origins() == set()


# --- hostile files ----------------------------------------------------------------------------------------------------

HOSTILE = [
    pytest.param(b"", "There is nothing in it.", id="empty"),
    pytest.param(bytes(range(256)) * 10, "It is no text.", id="junk"),
    pytest.param(b"x" * 10_000_000, "It is larger than 2 MB.", id="10 MB"),
    pytest.param(b"\xff\xfee\0n\0", "UTF-16", id="UTF-16"),
    pytest.param(HEADER.encode() + b"\n\xe9", "Line 2 is not in UTF-8.", id="Latin-1"),
    pytest.param(b"[" * 1_500_000, "too many brackets", id="deep"),
    pytest.param(b'[{"origin": NaN}]', "not valid JSON", id="NaN"),
    pytest.param(b"{}", "no list of trusted origins", id="no list"),
    pytest.param(b"enviroment,api_group,origin\n", "There is no column “enviroment”. Type environment.", id="column"),
    pytest.param(b"a,b\n", "The first line has to name the columns", id="no header"),
    pytest.param(HEADER.encode() + b'\n"', "quotation mark", id="quotes"),
    pytest.param(HEADER.encode() + b"\n" + b"x" * 200_000, "longer than any note", id="long cell"),
    pytest.param(HEADER.encode() + b"\n,,,,,," * 3, "There are no trusted origins in it.", id="blank lines"),
    pytest.param(HEADER.encode() + b"\na,b,c,,,," * 5001, "more than 5000 rows", id="rows"),
    pytest.param(b"<script>,x\n", "&lt;script&gt;", id="script for a header"),
    pytest.param("a\u202eb,x\n".encode(), r"a\u202eb", id="reversed header"),
]


@pytest.mark.parametrize(("data", "says"), HOSTILE)
def test_file_that_cannot_be_read_says_why_where_it_was_given(operator: Client, data: bytes, says: str) -> None:
    page = upload(operator, data)
    assert page.status_code == 200
    assert says in page.content.decode()
    assert "Nothing was imported" in text(page)
    assert 'id="upload-form"' in page.content.decode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(table("a,b"), "It has 2 cells, and the header names 7.", id="too few"),
        pytest.param(table("x," * 10_000), "There is no environment", id="blank cells behind"),
        pytest.param(table("x," * 10_000 + "x"), "It has 10001 cells", id="too many"),
        pytest.param('[{"origin": "a", "origin": "b"}]', "It says “origin” twice.", id="twice"),
        pytest.param('[{"origin": ' + "9" * 1_000_000 + "}]", "has to be text", id="number"),
        pytest.param('[{"note": "\\u0000"}]', "a character that no database stores", id="NUL"),
        pytest.param('[{"environment": "\\ud800", "origin": "\\ud800"}]', "no database stores", id="half a character"),
        pytest.param("[7]", "It is no object", id="no object"),
        pytest.param(table(f"production,public,{ORIGIN},,,2030-01-01T12:00,"), "type 2030-01-01T12:00Z", id="zone"),
        pytest.param(
            table("<script>,<script>,<script>,<script>,<script>,<script>,<script>"), "&lt;script&gt;", id="tags"
        ),
        pytest.param(table("a\u202eb,public,https://a\u202eb.example,,,,"), r"a\u202eb", id="direction marks"),
        pytest.param(table("x" * 9000 + ",public," + "y" * 9000 + ",,,,"), "…", id="over-long"),
    ],
)
def test_line_that_cannot_be_imported_says_why_on_the_plan(operator: Client, data: str, says: str) -> None:
    page = upload(operator, data)
    assert page.status_code == 200
    content = page.content.decode()
    assert says in content
    assert "<script>" not in content.replace("<script src=", "")
    assert "\u202e" not in content
    assert 'id="apply"' not in content


def test_hostile_notes_and_names_are_escaped(operator: Client) -> None:
    FrontEndFactory.create(name="<script>f")
    page = upload(operator, table(f"production,public,{ORIGIN},shop,<script>\u202en,,"), name="<script>\u202e.csv")
    done = operator.get(go_on(operator, page, "<script>r")["Location"])
    for shown in (page, done, operator.get(url(EXPORT))):
        content = shown.content.decode()
        assert "<script>" not in content.replace("<script src=", "")
        assert "\u202e" not in content
    assert TrustedOrigin.objects.get().note == "<script>\u202en"


def test_long_name_of_a_file_is_cut(operator: Client) -> None:
    page = upload(operator, table(LINE), name=f"{'x' * 200}.csv")
    assert f"File: {'x' * 79}…" in text(page)
    go_on(operator, page)
    assert len(PolicyChange.objects.latest("pk").reason) < 120


def test_neither_file_nor_text_nor_both_say_so(operator: Client) -> None:
    assert "Choose a file, or paste its text." in text(post(operator, url(IMPORT), {}))
    both = {"file": SimpleUploadedFile("x.csv", table(LINE).encode()), "text": "kept"}
    page = post(operator, url(IMPORT), both)
    assert "not both" in text(page)
    assert "kept</textarea>" in page.content.decode()


def test_text_that_no_form_can_carry_says_so(operator: Client, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_050
    page = upload(operator, table(LINE))
    assert "more than this site lets a form carry" in text(page)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert "1 will be trusted" in text(upload(operator, table(LINE)))


def test_rows_that_somebody_wrote_past_the_package_break_no_page(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cors_guard_trustedorigin SET origin = %s, note = %s, managed_by = %s WHERE id = %s",
            ["HTTPS://<script>\u202e", "=<script>\u202e", "<script>\u202e", grant.pk],
        )
    (found,) = exported(operator)
    assert (found["origin"], found["status"]) == ("HTTPS://<script>\u202e", "switched_off")
    page = upload(operator, download(operator, format="csv"))
    assert page.status_code == 200
    assert "<script>" not in page.content.decode().replace("<script src=", "")


# --- export -----------------------------------------------------------------------------------------------------------


def test_export_offers_what_there_is_and_downloads_nothing_unasked(operator: Client) -> None:
    page = operator.get(url(EXPORT))
    assert not page.streaming
    assert all(word in text(page) for word in ("Production", "Public", "Revoked", "CSV, for spreadsheets"))


def test_export_begins_with_the_filters_of_the_list(operator: Client) -> None:
    staging, group = EnvironmentFactory.create(slug="staging"), ApiGroupFactory.create(slug="billing")
    query: dict[str, Any] = {
        "environment__id__exact": staging.pk,
        "api_group__id__exact": group.pk,
        "front_end": "~",
        "status": "revoked",
    }
    page = operator.get(url(EXPORT), query)
    checked = re.findall(r'name="(\w+)" value="([^"]*)"[^>]*checked', page.content.decode())
    assert checked == [("environment", "staging"), ("api_group", "billing"), ("status", "revoked"), ("format", "csv")]
    assert '<option value="~" selected' in page.content.decode()
    assert 'id="not-all"' not in page.content.decode()


@pytest.mark.parametrize("query", [{"status": "unused"}, {"q": "shop"}, {"front_end": "a part"}, {"managed_by": "ci"}])
def test_export_says_so_where_it_cannot_take_a_filter_of_the_list(operator: Client, query: dict[str, str]) -> None:
    page = operator.get(url(EXPORT), {"o": "1", **query})
    assert "Not every filter of the list can be used here." in text(page)


def test_list_leads_to_its_export_with_its_filters(operator: Client) -> None:
    page = operator.get(url("trustedorigin_changelist"), {"status": "revoked"})
    assert f'href="{url(EXPORT)}?status=revoked"' in page.content.decode()
    assert url(IMPORT) in page.content.decode()


def test_export_streams_a_file_that_an_import_takes(operator: Client) -> None:
    FrontEndFactory.create()
    grant = services.trust(
        ORIGIN,
        environment="production",
        api_group="public",
        note='=1, "2"\n3',
        front_end="shop",
        expires_at=timezone.now() + timedelta(days=1),
    )
    for name in ("csv", "json"):
        response: Any = operator.get(url(EXPORT), {"format": name})
        assert f"trusted-origins-{timezone.now().date()}.{name}" in response["Content-Disposition"]
        data = b"".join(response.streaming_content)
        assert "1 here already" in text(upload(operator, data))
        TrustedOrigin.objects.all().delete()
        go_on(operator, upload(operator, data))
        again = TrustedOrigin.objects.get()
        assert (again.note, again.front_end, again.expires_at) == (grant.note, grant.front_end, grant.expires_at)


def test_export_honours_its_filters(operator: Client) -> None:
    staging, billing, shop = (
        EnvironmentFactory.create(slug="staging"),
        ApiGroupFactory.create(slug="billing"),
        FrontEndFactory.create(),
    )
    TrustedOriginFactory.create(origin="https://a.example", front_end=shop)
    TrustedOriginFactory.create(origin="https://b.example", environment=staging)
    TrustedOriginFactory.create(origin="https://c.example", api_group=billing)
    services.revoke(TrustedOriginFactory.create(origin="https://d.example"), reason="x")

    def names(**query: Any) -> str:
        return "".join(found["origin"][8] for found in exported(operator, **query))

    assert names() == "cadb"
    assert names(environment=["staging"]) == "b"
    assert names(environment=["staging", "production"], status="active") == "cab"
    assert names(api_group="billing") == "c"
    assert names(front_end="shop") == "a"
    assert names(front_end="~") == "cdb"
    assert names(status=["revoked"]) == "d"


@pytest.mark.parametrize(
    "query",
    [
        {"environment": "stagign"},
        {"api_group": "x"},
        {"front_end": "\0"},
        {"status": "gone"},
        {"format": "xls"},
        {"environment": ["production", "\0"]},
    ],
)
def test_export_with_a_filter_that_is_not_known_sends_no_file(operator: Client, query: dict[str, Any]) -> None:
    response = operator.get(url(EXPORT), {"format": "csv", **query})
    assert (response.status_code, response.streaming) == (400, False)
    assert "Nothing was exported" in text(response)


def test_export_tells_of_use_only_to_those_who_may_see_it(operator: Client) -> None:
    usage = OriginUsageFactory.create(trusted_origin=TrustedOriginFactory.create(origin=ORIGIN))
    (found,) = exported(operator)
    assert found["last_used"] == usage.last_seen.isoformat().replace("+00:00", "Z")
    viewer = login(user_with("view_trustedorigin"))
    assert "last_used" not in exported(viewer)[0]
    assert b"last_used" not in download(viewer, format="csv")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["csv", "json"])
def test_export_under_asgi_streams_without_a_warning(ana: User, name: str) -> None:
    """A plain iterator would be read to its end first, and Django warns of it."""
    TrustedOriginFactory.create_batch(3)
    rows = read_grants(asyncio.run(_download(ana, name))).rows
    assert {row.origin for row in rows} == origins()


async def _download(user: User, name: str) -> bytes:
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get(url(EXPORT), {"format": name})
    assert response.is_async
    found = b"".join([block async for block in response.streaming_content])
    await sync_to_async(connections.close_all)()
    return found


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda client, _data: client.get(url(IMPORT)), id="form"),
        pytest.param(upload, id="plan"),
        pytest.param(lambda client, _data: client.get(url(EXPORT)), id="filters"),
        pytest.param(lambda client, _data: download(client, format="csv"), id="download"),
    ],
)
def test_pages_ask_little_however_much_there_is(operator: Client, step: Callable[[Client, str], Any]) -> None:
    asked = []
    for count in (2, 60):
        for number in range(count):
            FrontEndFactory.create(slug=f"s{number}")
            origin = f"https://old{number}.example.com"
            if not TrustedOrigin.objects.filter(origin=origin).exists():
                services.revoke(TrustedOriginFactory.create(origin=origin), reason="x")
        names = [f"https://{name}{number}.example.com,s{number}" for number in range(count) for name in ("old", "new")]
        data = table(*(f"production,public,{name},,," for name in names), "x,y,z,,,,")
        # The guard itself reads the policy that has changed.
        operator.get(url(IMPORT))
        with CaptureQueriesContext(connection) as queries:
            step(operator, data)
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert asked[0] <= 15


def test_planning_takes_no_revision_and_no_lock(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PolicyState, "bump", None)
    assert "1 will be trusted" in text(upload(operator, table(LINE)))
