"""Checkpoints: exporters that follow the log get every row once, whatever writers do meanwhile."""

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from django_cors_guard.api import times
from django_cors_guard.api.views import rejections
from django_cors_guard.api.views.rejections import SETTLE
from django_cors_guard.models import PolicyChange, Rejection
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import EnvironmentFactory, RejectionFactory

ONE_WRITER = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")


@pytest.fixture
def exporter(api: MakeApi) -> Api:
    return api("view_rejection", "view_policychange")


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()["results"]]


def write(*origins: str, **fields: Any) -> list[int]:
    rows = [RejectionFactory.build(origin=origin, **fields) for origin in origins]
    Rejection.objects.bulk_create(rows)
    return list(Rejection.objects.filter(origin__in=origins).order_by("pk").values_list("pk", flat=True))


def test_walk_from_the_beginning_is_oldest_first_and_ends(exporter: Api, now: list[datetime]) -> None:
    written = write(*(f"https://a{n}.example.net" for n in range(25)), written_at=now[0] - SETTLE)
    response = exporter.get("rejections/", after=0, page_size=10, reason="unknown_origin")
    found = ids(response)
    while (link := response.json()["next"]) is not None:
        assert response.json()["previous"] is None
        response = exporter.follow(link)
        found += ids(response)
    assert found == written
    assert response.json()["checkpoint"] == written[-1]


def test_checkpoint_where_nothing_is_new_stays_and_goes_on_later(exporter: Api, now: list[datetime]) -> None:
    assert exporter.get("rejections/", after=7).json() == {
        "next": None, "previous": None, "checkpoint": 7, "results": [],
    }  # fmt: skip
    first = write("https://a.example.net", written_at=now[0] - SETTLE)
    mark = exporter.get("rejections/", after=0).json()["checkpoint"]
    # A month later, with nobody having asked since.
    now[0] += timedelta(days=31)
    second = write("https://b.example.net", written_at=now[0] - SETTLE)
    assert ids(exporter.get("rejections/", after=mark)) == second
    assert ids(exporter.get("rejections/", after=0)) == first + second


def test_list_without_after_has_no_checkpoint(exporter: Api) -> None:
    assert set(exporter.get("rejections/").json()) == {"next", "previous", "results"}


def test_checkpoint_and_cursor_together_are_400(exporter: Api) -> None:
    response = exporter.get("rejections/", after=1, cursor="bzE")
    assert response.status_code == 400
    assert codes(response) == [("after", "conflicting_parameters")]


@ONE_WRITER
def test_row_written_a_moment_ago_waits_with_all_behind_it(exporter: Api, now: list[datetime]) -> None:
    young = write("https://young.example.net", written_at=now[0] - SETTLE + timedelta(microseconds=1))
    old = write("https://old.example.net", written_at=now[0] - SETTLE)
    assert ids(exporter.get("rejections/", after=0)) == []
    assert set(ids(exporter.get("rejections/"))) == {*young, *old}
    now[0] += timedelta(microseconds=1)
    assert ids(exporter.get("rejections/", after=0)) == young + old


def test_history_needs_no_waiting(exporter: Api) -> None:
    EnvironmentFactory.create()
    written = list(PolicyChange.objects.order_by("pk").values_list("pk", flat=True))
    assert ids(exporter.get("changes/", after=0)) == written
    assert ids(exporter.get("changes/", after=written[0])) == written[1:]


# --- with writers beside it -------------------------------------------------------------------------------------------


class Writer:
    """Writes rows in a transaction of its own thread, which ends when it is told to."""

    def __init__(self, *origins: str) -> None:
        self.origins = origins
        self.written, self.commit = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.written.wait(10)

    def _run(self) -> None:
        try:
            with transaction.atomic():
                write(*self.origins)
                self.written.set()
                self.commit.wait(10)
        finally:
            connections.close_all()

    def finish(self) -> None:
        self.commit.set()
        self.thread.join()


@pytest.fixture
def _real_time(now: list[datetime], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "now", timezone.now)


@ONE_WRITER
@pytest.mark.django_db(transaction=True)
def test_row_whose_transaction_ends_after_that_of_a_larger_id_is_not_skipped(api: MakeApi, now: list[datetime]) -> None:
    exporter = api("view_rejection")
    slow = Writer("https://slow.example.net")
    (fast,) = write("https://fast.example.net")
    now[0] = timezone.now()
    early = exporter.get("rejections/", after=0)
    slow.finish()
    first = Rejection.objects.get(origin="https://slow.example.net").pk
    assert first < fast, "or the test shows nothing"
    now[0] = timezone.now() + SETTLE
    late = exporter.get("rejections/", after=early.json()["checkpoint"])
    assert ids(early) + ids(late) == [first, fast]


@ONE_WRITER
@pytest.mark.usefixtures("_real_time")
@pytest.mark.django_db(transaction=True)
def test_export_beside_writers_that_commit_late_gets_every_row_once(
    api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a transaction of the writers below lasts on a machine that is busy with other things.
    monkeypatch.setattr(rejections, "SETTLE", timedelta(seconds=6))
    exporter = api("view_rejection")
    errors: list[Exception] = []

    def work(worker: int) -> None:
        chance = random.Random(worker)
        try:
            for n in range(12):
                with transaction.atomic():
                    rows = [RejectionFactory.build(origin=f"https://w{worker}-{n}-{i}.test") for i in range(3)]
                    Rejection.objects.bulk_create(rows)
                    time.sleep(chance.random() * 0.2)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    found = _follow(exporter, lambda: any(thread.is_alive() for thread in threads))
    assert errors == []
    assert found == sorted(Rejection.objects.values_list("pk", flat=True))
    assert len(found) == 4 * 12 * 3


def _follow(exporter: Api, is_writing: Callable[[], bool]) -> list[int]:
    """Poll as an exporter does, until a while after the last writer has gone."""
    found: list[int] = []
    mark, end = 0, None
    while end is None or time.monotonic() < end:
        if end is None and not is_writing():
            end = time.monotonic() + rejections.SETTLE.total_seconds() + 0.5
        body = exporter.get("rejections/", after=mark, page_size=7).json()
        mark = body["checkpoint"]
        found += [row["id"] for row in body["results"]]
        if body["next"] is None:
            time.sleep(0.02)
    return found
