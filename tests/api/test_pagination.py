from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_cors_guard.api import pagination
from django_cors_guard.api.pagination import Cursor
from django_cors_guard.models import ApiGroup, Environment, Rejection, TrustedOrigin
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import NOW, RejectionFactory, TrustedOriginFactory

LIKE_NONE = 2**63 - 1


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_rejection", "view_trustedorigin")


def add_rejections(count: int) -> None:
    """Add rows of one and the same instant."""
    Rejection.objects.bulk_create(RejectionFactory.build_batch(count, last_seen=NOW))


def ids(response: Any) -> list[int]:
    assert response.status_code == 200
    return [row["id"] for row in response.json()["results"]]


def walk(reader: Api, path: str, way: str = "next", **query: Any) -> Iterator[Any]:
    """Yield the pages one after the other, by the links."""
    response = reader.get(path, **query)
    while True:
        yield response
        link = response.json()[way]
        if link is None:
            return
        response = reader.follow(link)


def test_walk_over_3000_rows_of_one_instant_skips_and_repeats_none_while_others_write(reader: Api) -> None:
    add_rejections(3000)
    expected = sorted(Rejection.objects.values_list("pk", flat=True), reverse=True)
    found: list[int] = []
    pages = 0
    for response in walk(reader, "rejections/", page_size=1000):
        found += ids(response)
        pages += 1
        add_rejections(7)
    assert found == expected
    assert pages == 3


def test_walk_back_by_previous_returns_the_same_rows_and_then_the_newer_ones(reader: Api) -> None:
    add_rejections(25)
    old = sorted(Rejection.objects.values_list("pk", flat=True), reverse=True)
    *_, last = walk(reader, "rejections/", page_size=10)
    add_rejections(3)
    new = sorted(Rejection.objects.values_list("pk", flat=True), reverse=True)[:3]
    assert ids(last) == old[20:]
    back = [ids(response) for response in _follow(reader, last, "previous")]
    assert back == [old[20:], old[10:20], old[:10], new]


def _follow(reader: Api, response: Any, way: str) -> Iterator[Any]:
    yield response
    while (link := response.json()[way]) is not None:
        response = reader.follow(link)
        yield response


def test_first_page_that_holds_all_has_no_links(reader: Api) -> None:
    add_rejections(3)
    body = reader.get("rejections/").json()
    assert (body["next"], body["previous"]) == (None, None)


def test_page_exactly_full_has_no_next(reader: Api) -> None:
    add_rejections(10)
    body = reader.get("rejections/", page_size=10).json()
    assert len(body["results"]) == 10
    assert body["next"] is None


def test_page_without_page_size_holds_50(reader: Api) -> None:
    add_rejections(51)
    body = reader.get("rejections/").json()
    assert len(body["results"]) == 50
    assert body["next"] is not None


def test_link_keeps_the_filters_and_the_size(reader: Api) -> None:
    add_rejections(5)
    link = reader.get("rejections/", page_size=2, reason="unknown_origin", since="2026-05-03T14:00:00+02:00").json()
    query = parse_qs(urlsplit(link["next"]).query)
    cursor = query.pop("cursor")
    assert query == {"page_size": ["2"], "reason": ["unknown_origin"], "since": ["2026-05-03T14:00:00+02:00"]}
    assert len(cursor) == 1
    assert urlsplit(link["next"]).path == "/cors-guard/rejections/"


def test_cursor_whose_row_was_pruned_goes_on_where_it_stood(reader: Api) -> None:
    add_rejections(6)
    old = sorted(Rejection.objects.values_list("pk", flat=True), reverse=True)
    link = reader.get("rejections/", page_size=2).json()["next"]
    Rejection.objects.filter(pk__in=old[1:3]).delete()
    assert ids(reader.follow(link)) == old[3:5]


@pytest.mark.parametrize("older", [True, False])
def test_cursor_beyond_either_end_is_an_empty_page_that_leads_back(older: bool, reader: Api) -> None:
    add_rejections(3)
    token = Cursor(older, 0 if older else LIKE_NONE).encode()
    response = reader.get("rejections/", cursor=token)
    assert ids(response) == []
    back = response.json()["previous" if older else "next"]
    assert len(ids(reader.follow(back))) == 3


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("row", [0, 1, 42, LIKE_NONE])
def test_cursor_that_was_encoded_decodes_to_itself(older: bool, row: int) -> None:
    assert Cursor.decode(Cursor(older, row).encode()) == Cursor(older, row)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x", id="no base64"),
        pytest.param("abc", id="other bytes"),
        pytest.param("Tw", id="upper case direction"),
        pytest.param("bw", id="no id"),
        pytest.param("by0x", id="negative"),
        pytest.param("bzAx", id="leading zero"),
        pytest.param("bzk5OTk5OTk5OTk5OTk5OTk5OTk5", id="too large an id"),
        pytest.param("bzE=", id="padded"),
        pytest.param("bzEx ", id="space behind"),
        pytest.param("é", id="not ASCII"),
        pytest.param("bzEx" * 3000, id="12 kB"),
        pytest.param("\x00", id="NUL"),
        pytest.param("cD0xMjM", id="another pagination's"),
    ],
)
def test_bad_cursor_is_400_that_says_what_to_do(token: str, reader: Api) -> None:
    response = reader.get("rejections/", cursor=token)
    assert response.status_code == 400
    assert codes(response) in ([("cursor", "invalid_cursor")], [("cursor", "bad_character")])


@pytest.mark.parametrize("size", ["0", "-1", "1001", "ten", "1e2", "+5", "5.0", "٣", "²", "9" * 5000, " 5"])
def test_bad_page_size_is_400_with_the_bounds(size: str, reader: Api) -> None:
    response = reader.get("rejections/", page_size=size)
    assert response.status_code == 400
    assert codes(response) == [("page_size", "invalid_page_size")]
    assert "between 1 and 1000" in response.json()["detail"]


# --- pages that pass rows over ----------------------------------------------------------------------------------------


def add_grants(places: tuple[Environment, ApiGroup], texts: list[str]) -> None:
    environment, group = places
    rows = [TrustedOriginFactory.build(environment=environment, api_group=group, origin=text) for text in texts]
    TrustedOrigin.objects.bulk_create(rows)


def test_walk_with_rows_passed_over_finds_each_of_the_others_once(
    reader: Api, production: Environment, public: ApiGroup
) -> None:
    add_grants((production, public), [f"http{'s' if n % 3 else ''}://a{n}.example.com" for n in range(30)])
    off = sorted(TrustedOrigin.objects.filter(origin__startswith="http:").values_list("pk", flat=True), reverse=True)
    pages = [ids(response) for response in walk(reader, "trusted-origins/", status="switched_off", page_size=4)]
    assert pages == [off[:4], off[4:8], off[8:]]


def test_page_that_passes_over_too_many_rows_comes_short_and_leads_on(
    reader: Api, production: Environment, public: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 5)
    monkeypatch.setattr(pagination, "MAX_EXAMINED", 10)
    add_grants((production, public), ["http://off.example.com", *(f"https://a{n}.example.com" for n in range(40))])
    pages = [ids(response) for response in walk(reader, "trusted-origins/", status="switched_off", page_size=3)]
    assert len(pages) == 4
    assert [row for page in pages for row in page] == [TrustedOrigin.objects.get(origin="http://off.example.com").pk]
