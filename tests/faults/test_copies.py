"""Databases that are copies: a replica that lags behind, a backup that was restored."""

import shutil
from pathlib import Path

import pytest
from django.db import connection

from tests.faults.checking import assert_right, permit_turned, settle, turn
from tests.faults.desk import attending
from tests.faults.load import Rule, loading
from tests.faults.outcomes import Fault, summarise
from tests.faults.stage import Stage, furnish, serving, settings_environ, staging
from tests.servers import ROOT

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]


def test_replica_that_lags_decides_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'written.sqlite3'}"
    with attending(settings_environ(url), str(ROOT)) as desk:
        furnish(desk)
    replica = shutil.copy(tmp_path / "written.sqlite3", tmp_path / "replica.sqlite3")
    with (
        staging(url, tmp_path) as stage,
        serving(stage, REPLICA_URL=f"sqlite:///{replica}") as served,
        loading(served.port, rate=60) as load,
    ):
        for trusted in (False, True):
            turn(stage, load, trusted=trusted)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.REPLICA_LAGS, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0


def test_restored_backup_is_taken_for_what_it_is(stage: Stage) -> None:
    """The restored numbers are lower, and then come again with other contents: it is the pair that counts."""
    with serving(stage) as served, loading(served.port) as load:
        stage.desk("back_up")
        turn(stage, load, trusted=False)
        before = stage.desk("version")
        load.permit(Rule.FRESH, turned=(True, False))
        restored = stage.desk("restore")
        permit_turned(load, trusted=True)
        assert restored[0] < before[0]
        turn(stage, load, trusted=False)
        # The number that every process is at, with a policy in which another origin has come.
        load.permit(Rule.FRESH, turned=(True, False))
        again = stage.desk("restore", "https://other.example.com")
        permit_turned(load, trusted=True)
        assert (again[0], again[1] != before[1]) == (before[0], True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.BACKUP_RESTORED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0
