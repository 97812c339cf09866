"""Exports: the whole log as a stream, in memory that does not grow with it."""

import asyncio
import csv
import json
import tracemalloc
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections
from django.http import HttpRequest
from django.test import AsyncClient, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_cors_guard import services
from django_cors_guard.api import export as exporting
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, Rejection
from tests.api.conftest import ROOT, Api, MakeApi, codes
from tests.factories import NOW, RejectionFactory

EXPORTS = pytest.mark.parametrize("path", ["rejections/export/", "changes/export/"])


@pytest.fixture
def exporter(api: MakeApi) -> Api:
    return api("view_rejection", "view_policychange")


def body_of(response: Any) -> str:
    assert response.status_code == 200
    assert response.streaming
    return b"".join(response).decode()


def read_ndjson(response: Any) -> list[dict[str, Any]]:
    assert response.headers["Content-Type"] == "application/x-ndjson"
    text = body_of(response)
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def read_csv(response: Any) -> list[dict[str, str]]:
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(body_of(response), newline="")))


def test_ndjson_rows_are_those_of_the_list_oldest_first(exporter: Api) -> None:
    RejectionFactory.create(origin="https://a.test", count=3)
    RejectionFactory.create(origin="", path="", method="", kind="", overflow=True, reason="revoked")
    listed = exporter.get("rejections/").json()["results"]
    response = exporter.get("rejections/export/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="rejections.ndjson"'
    assert read_ndjson(response) == listed[::-1]
    assert read_ndjson(exporter.get("rejections/export/", **{"as": "ndjson"})) == listed[::-1]


def test_ndjson_of_the_history_is_its_list(exporter: Api, production: Environment, public: ApiGroup) -> None:
    services.revoke(services.trust("https://a.test", environment=production, api_group=public), reason="é")
    listed = exporter.get("changes/").json()["results"]
    assert len(listed) > 3
    found = read_ndjson(exporter.get("changes/export/"))
    assert found == listed[::-1]
    assert list(found[0]) == list(listed[0])


def test_csv_has_the_columns_of_the_list_and_plain_values(exporter: Api) -> None:
    row = RejectionFactory.create(origin='https://a.test,"x"', overflow=False, count=3)
    response = exporter.get("rejections/export/", **{"as": "csv"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="rejections.csv"'
    (found,) = read_csv(response)
    (listed,) = exporter.get("rejections/").json()["results"]
    assert list(found) == list(listed)
    assert found["id"] == str(row.pk)
    assert (found["origin"], found["count"], found["overflow"]) == ('https://a.test,"x"', "3", "false")
    assert found["last_seen"] == "2026-05-03T12:00:00Z"


def test_csv_of_the_history_holds_json(exporter: Api, production: Environment) -> None:
    production.mode = "block"
    production.save()
    found = read_csv(exporter.get("changes/export/", **{"as": "csv"}))[-1]
    assert json.loads(found["before"])["mode"] == "enforce"
    assert json.loads(found["after"])["mode"] == "block"
    assert (found["actor"], found["action"], found["action_text"]) == ("", "changed", "changed")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_csv_cell_that_a_spreadsheet_would_run_is_neutralised(start: str, exporter: Api) -> None:
    text = f"{start}cmd|'/c calc'!A0"
    if start.isascii():
        RejectionFactory.create(origin=text, path=text, method=f"{start}M")
        (row,) = read_csv(exporter.get("rejections/export/", **{"as": "csv"}))
        assert (row["origin"], row["path"], row["method"]) == (f"'{text}", f"'{text}", f"'{start}M")
        (row,) = read_ndjson(exporter.get("rejections/export/"))
        assert row["origin"] == text
    PolicyChange(revision=1, token="x", at=NOW, action="added", target="a", reason=text).save()
    assert read_csv(exporter.get("changes/export/", **{"as": "csv"}))[-1]["reason"] == f"'{text}"


@EXPORTS
def test_export_of_nothing_is_empty_save_for_the_names(path: str, exporter: Api) -> None:
    query = {"since": "2998-01-01T00:00:00Z"}
    assert read_ndjson(exporter.get(path, **query)) == []
    text = body_of(exporter.get(path, **query, **{"as": "csv"}))
    assert text.startswith("id,")
    assert text.count("\n") == 1


def test_client_is_left_out_without_the_permission_to_see_it(api: MakeApi) -> None:
    RejectionFactory.create(client_ip="203.0.113.0/24", user_agent="Mozilla/5.0")
    for wanted in ("ndjson", "csv"):
        text = body_of(api("view_rejection").get("rejections/export/", **{"as": wanted}))
        assert "203.0.113" not in text
        assert "client_ip" not in text
        seen = body_of(api("view_rejection", "view_rejection_pii").get("rejections/export/", **{"as": wanted}))
        assert "203.0.113.0/24" in seen
        assert "Mozilla/5.0" in seen


def test_filters_narrow_the_export_and_the_week_is_its_default(exporter: Api) -> None:
    wanted = RejectionFactory.create(reason="revoked")
    RejectionFactory.create()
    old = RejectionFactory.create(reason="revoked", last_seen=NOW - timedelta(days=30))
    assert [row["id"] for row in read_ndjson(exporter.get("rejections/export/", reason="revoked"))] == [wanted.pk]
    found = read_ndjson(exporter.get("rejections/export/", reason="revoked", since="1999-01-01T00:00:00Z"))
    assert [row["id"] for row in found] == [wanted.pk, old.pk]


@EXPORTS
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"as": "xlsx"}, [("as", "unknown_value")], id="form"),
        pytest.param({"as": ""}, [("as", "empty_parameter")], id="empty"),
        pytest.param({"page_size": "3"}, [("page_size", "unknown_parameter")], id="a list's"),
        pytest.param({"since": "soon", "as": "x"}, [("since", "invalid_time"), ("as", "unknown_value")], id="both"),
    ],
)
def test_bad_parameters_are_400(
    path: str, query: dict[str, str], expected: list[tuple[str, str]], exporter: Api
) -> None:
    response = exporter.get(path, **query)
    assert response.status_code == 400
    assert codes(response) == expected


def test_rows_that_are_written_meanwhile_do_not_prolong_the_export(
    exporter: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "BLOCK", 3)
    before = [row.pk for row in RejectionFactory.create_batch(10)]
    response = exporter.get("rejections/export/")
    found = []
    for block in response:
        found += [json.loads(line)["id"] for line in block.splitlines()]
        RejectionFactory.create()
    assert found == before


def test_export_reads_block_by_block(exporter: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "BLOCK", 4)
    RejectionFactory.create_batch(10)
    with CaptureQueriesContext(connection) as queries:
        assert len(read_ndjson(exporter.get("rejections/export/"))) == 10
    assert sum("LIMIT 4" in query["sql"] for query in queries) == 3


def test_memory_of_an_export_does_not_grow_with_the_log(exporter: Api) -> None:
    peaks = []
    for rows in (4000, 20_000):
        Rejection.objects.all().delete()
        batch = RejectionFactory.build_batch(1000, user_agent="x" * 200)
        for _round in range(rows // 1000):
            for row in batch:
                row.pk = None
            Rejection.objects.bulk_create(batch)
        response = exporter.get("rejections/export/")
        tracemalloc.start()
        lines = sum(block.count(b"\n") for block in response)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert lines == rows
    assert peaks[1] < peaks[0] * 1.3


@EXPORTS
@pytest.mark.django_db(transaction=True)
def test_export_under_asgi_streams_without_a_warning(path: str, api: MakeApi) -> None:
    """A plain iterator would be read to its end first, and Django warns of it."""
    RejectionFactory.create_batch(3)
    user = api("view_rejection", "view_policychange").user
    text = asyncio.run(_download(path, user))
    rows = [json.loads(line) for line in text.splitlines()]
    model: Any = Rejection if path.startswith("rejections") else PolicyChange
    assert [row["id"] for row in rows] == list(model.objects.order_by("pk").values_list("pk", flat=True))


async def _download(path: str, user: User | None) -> str:
    client = AsyncClient()
    assert user is not None
    await client.aforce_login(user)
    response: Any = await client.get(ROOT + path, {"since": "1999-01-01T00:00:00Z"})
    assert response.is_async
    found = b"".join([block async for block in response.streaming_content]).decode()
    await sync_to_async(connections.close_all)()
    return found


def test_value_that_nobody_thought_of_is_a_bug_and_no_silent_text(db: None) -> None:
    request: HttpRequest = RequestFactory().get("/")
    RejectionFactory.create()
    with pytest.raises(TypeError, match="object cannot be exported"):
        exporting.export(
            request, Rejection.objects.all(), name="x", fields=["a"], columns=[], represent=lambda row: {"a": object()}
        )
