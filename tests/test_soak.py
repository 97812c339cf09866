"""The soak in seconds, and that it can fail: ``python -m benchmarks.soak`` does the same for ten minutes."""

import math
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from benchmarks import scratch
from benchmarks.checker import Checker, Tally
from benchmarks.footprint import Growth, Sample, fit_slope, measure_growth
from benchmarks.histories import Histories
from benchmarks.soak import Findings, report, soak
from tests.faults.load import PATH, STRANGER, Answer, Kind

ORIGIN = "https://app.example.com"


@pytest.mark.servers
@pytest.mark.needs("postgresql")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="runs once, on PostgreSQL")
def test_soak_of_seconds_finds_nothing_wrong(tmp_path: Path) -> None:
    with scratch.scratch_database(f"cors_guard_soak_{uuid.uuid4().hex[:12]}", keep=False) as (url, _is_new):
        findings = soak(url, seconds=15, server="gunicorn", workers=2, rate=80, changes=5, directory=tmp_path)
    # So early, processes still grow: how much says only the long form.
    assert not findings.failures(flat=math.inf), report(findings)
    assert findings.tally.decisive > 300
    assert len(findings.growth) == 2
    assert "wrong        0" in report(findings)


def test_histories_permit_what_was_in_force_within_the_grace() -> None:
    histories = Histories(grace=1.5)
    first, second = (histories.begin(ORIGIN, trusted=trusted) for trusted in (True, False))
    first.began, first.committed = 0.0, 0.1
    second.began, second.committed = 10.0, 10.2
    for sent, received, permitted in (
        (9.0, 9.9, {True}),
        (9.9, 10.0, {True, False}),
        (11.7, 11.8, {True, False}),
        (11.8, 11.9, {False}),
    ):
        assert histories.permitted(ORIGIN, sent, received) == permitted, sent
    assert histories.lag(ORIGIN, 11.2, trusted=True) == pytest.approx(1.0)
    assert histories.lag(ORIGIN, 11.2, trusted=False) == 0.0


def test_change_under_way_permits_both() -> None:
    histories = Histories(grace=1.5)
    histories.begin(ORIGIN, trusted=True).committed = 0.0
    began = histories.begin(ORIGIN, trusted=False).began
    assert histories.permitted(ORIGIN, began + 60, began + 61) == {True, False}


READABLE = {"vary": "Origin", "access-control-allow-origin": ORIGIN}


@pytest.mark.parametrize(
    ("status", "headers", "is_wrong"),
    [
        pytest.param(403, {"vary": "Origin"}, False, id="refused, as revoked"),
        pytest.param(200, READABLE, True, id="trusted"),
        pytest.param(200, {"vary": "Origin"}, True, id="refused, as unknown"),
        pytest.param(403, {}, True, id="no Vary"),
        pytest.param(500, {"vary": "Origin"}, True, id="server error"),
        pytest.param(0, {}, True, id="no answer"),
    ],
)
def test_checker_finds_the_wrong_answer(status: int, headers: dict[str, str], is_wrong: bool) -> None:
    histories = Histories(grace=1.5)
    histories.begin(ORIGIN, trusted=True).committed = 0.0
    since = histories.begin(ORIGIN, trusted=False)
    since.committed = since.began
    checker = Checker(0, histories, rate=1)
    checker.judge(Answer(Kind.TURNED, ORIGIN, since.began + 2, since.began + 2.1, status, headers))
    assert bool(checker.tally.wrong) is is_wrong
    assert checker.tally.decisive == 1


def test_checker_lets_nobody_read_for_a_stranger() -> None:
    checker = Checker(0, Histories(grace=1.5), rate=1)
    opened = {"vary": "Origin", "access-control-allow-origin": STRANGER}
    checker.judge(Answer(Kind.REFUSED, STRANGER, 1.0, 1.1, 200, opened))
    assert len(checker.tally.wrong) == 1


FLAT = Growth(1, (80, 81, 81), (70, 71, 71), 0.01, 0.05)
SOUND = Findings(10, [0.01], Tally(answers=9, decisive=5, refusals=3), [FLAT], 3, "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"counted": 2}, "the audit counts 2", id="lost refusal"),
        pytest.param({"growth": [replace(FLAT, gained=1.5)]}, "memory is not flat: 1 by 1.50 MB", id="growth"),
        pytest.param({"growth": []}, "memory is not flat: it was not measured", id="no growth measured"),
        pytest.param({"commits": []}, "nothing was checked", id="no change"),
        pytest.param({"tally": replace(SOUND.tally, server_errors=1)}, "1 answers were 5xx", id="5xx"),
        pytest.param({"tally": replace(SOUND.tally, broken=1)}, "1 connections broke", id="broken"),
        pytest.param(
            {"tally": replace(SOUND.tally, wrong=[Answer(Kind.TURNED, PATH, 0, 1, 200, {})])}, "1 wrong", id="wrong"
        ),
    ],
)
def test_soak_fails_on_each_thing_that_may_go_wrong(changed: dict[str, object], said: str) -> None:
    assert not SOUND.failures()
    found = replace(SOUND, **changed).failures()  # type: ignore[arg-type]
    assert len(found) == 1
    assert said in found[0]


def test_growth_is_that_of_the_second_half() -> None:
    weights = [60, 70, 80, 80, 80, 81, 82, 83]
    samples = [Sample(10.0 * number, 7, weight + 10, weight) for number, weight in enumerate(weights)]
    (growth,) = measure_growth(samples)
    assert growth.pss == pytest.approx((60, 80, 83))
    assert growth.gained == pytest.approx(3.0)
    assert growth.slope_a_minute == pytest.approx(6.0)
    assert fit_slope([(1.0, 2.0), (1.0, 3.0)]) == 0.0
