"""Code and tables that are not of one age."""

import time

import pytest
from django.db import connection

from tests.faults.checking import assert_right, await_recovery, settle, turn
from tests.faults.load import REVOKED, TRUSTED, TURNED, Kind, Rule, Shape, loading
from tests.faults.outcomes import Fault, summarise
from tests.faults.stage import Stage, serving, wake

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]


def test_server_that_starts_before_its_migration_opens_nothing_and_finds_it(empty_stage: Stage) -> None:
    with serving(empty_stage, wakes=False) as served, loading(served.port) as load:
        load.permit.moments.clear()
        load.permit(Rule.COLD)
        load.answers += wake(served, kind=Kind.PREFLIGHT, shape=Shape.UNAVAILABLE)
        load.permit(Rule.COLD, Rule.FRESH)
        empty_stage.desk("move_in", [TRUSTED, TURNED], [REVOKED])
        came = time.monotonic()
        recovery = await_recovery(load, came, seconds=20)
        time.sleep(0.5)
        counted = settle(empty_stage, load, served)
        outcome = summarise(
            Fault.MIGRATION_MISSING, empty_stage.on("gunicorn"), load, served, counted=counted, recovery=recovery
        )
    assert_right(load, served)
    assert outcome.lost == 0


def test_server_whose_tables_lack_a_column_serves_on_and_finds_it(stage: Stage) -> None:
    """As where new code runs before its migration: a process of before has a policy, one that starts now has none."""
    with serving(stage, name="running") as running, loading(running.port) as load:
        stage.desk("execute", "ALTER TABLE cors_guard_apigroup RENAME COLUMN max_age TO later")
        with serving(stage, name="starting", wakes=False) as starting, loading(starting.port) as load_of_starting:
            load_of_starting.permit.moments.clear()
            load_of_starting.permit(Rule.COLD)
            time.sleep(1)
            load_of_starting.permit(Rule.COLD, Rule.FRESH)
            stage.desk("execute", "ALTER TABLE cors_guard_apigroup RENAME COLUMN later TO max_age")
            recovery = await_recovery(load_of_starting, time.monotonic(), seconds=20)
            load_of_starting.stop()
        counted = settle(stage, load, running)
        summarise(Fault.COLUMN_MISSING, "a process of before", load, running, counted=None)
        summarise(
            Fault.COLUMN_MISSING, "a process of after", load_of_starting, starting, counted=None, recovery=recovery
        )
    assert_right(load, running)
    assert_right(load_of_starting, starting)
    assert load.refusals() + load_of_starting.refusals() == counted


def test_tables_of_a_newer_version_serve_an_older_one(stage: Stage) -> None:
    """Columns that it does not know, with defaults in the database, and a change of a kind that it has no word for."""
    tables = [
        f"cors_guard_{name}" for name in ("environment", "apigroup", "trustedorigin", "rejection", "guardprocess")
    ]
    columns = [
        f"ALTER TABLE {table} ADD COLUMN later text NOT NULL DEFAULT 'x', ADD COLUMN much_later int" for table in tables
    ]
    change = (
        "INSERT INTO cors_guard_policychange (revision, token, at, actor_label, source, batch, action, target, reason)"
        " SELECT revision, token, now(), '', 'later', '', 'done_later', 'something', '' FROM cors_guard_policystate"
    )
    bump = "UPDATE cors_guard_policystate SET revision = revision + 1, token = md5(random()::text)"
    with serving(stage) as served, loading(served.port) as load:
        stage.desk("execute", *columns)
        stage.desk("execute", bump, change)
        turn(stage, load, trusted=False)
        turn(stage, load, trusted=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.NEWER_TABLES, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0
    assert not outcome.lines
