"""A command ends right after its commit: its hint is out by then, and a Redis that hangs does not keep it."""

import subprocess
import sys
from time import monotonic

import pytest

from benchmarks.freshness.databases import ROOT, environ_for
from django_cors_guard.push.link import connected
from tests.faults.stage import Redis

pytestmark = [pytest.mark.servers, pytest.mark.needs("redis")]


def bump(database: str, redis: Redis) -> float:
    """Run a command that commits, and return how many seconds it took."""
    begun = monotonic()
    subprocess.run(
        [sys.executable, "manage.py", "cors_guard", "bump"],
        cwd=ROOT,
        env=environ_for(database, push=redis.url),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return monotonic() - begun


def test_command_has_told_before_it_ends(database: str, redis: Redis) -> None:
    with connected(redis.url) as (client, channel), client.pubsub() as inbox:
        inbox.subscribe(channel)
        assert inbox.get_message(timeout=5)["type"] == "subscribe"
        bump(database, redis)
        assert inbox.get_message(timeout=5)["data"] == b"look"


def test_command_does_not_wait_long_for_a_redis_that_hangs(database: str, redis: Redis) -> None:
    usual = bump(database, redis)
    redis.hang()
    assert bump(database, redis) < usual * 2 + 2
    redis.go_on()
