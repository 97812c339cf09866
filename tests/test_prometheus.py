"""Metrics on the page of prometheus_client: of one process, read live, and of several, through files."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from django_cors_guard import metrics, prometheus, services
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.signals import decisions_counted
from django_cors_guard.store import Freshness, store
from django_cors_guard.testing import override_cors_guard
from tests.sending import Send
from tests.servers import ROOT

pytestmark = pytest.mark.django_db

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
HELLO = "/api/billing/hello"
Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def counting() -> Iterator[None]:
    with override_cors_guard(METRICS="prometheus"):
        yield


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    prometheus.register(registry)
    return registry


def read(registry: CollectorRegistry) -> Samples:
    """What the page says: {(name, values of its labels in alphabetical order): value}."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_page_shows_what_was_decided(
    send: Send, production: Environment, billing: ApiGroup, counting: None, registry: CollectorRegistry
) -> None:
    services.trust(TRUSTED, environment="production", api_group="billing")
    for _ in range(3):
        send("GET", HELLO, Origin=TRUSTED)
    send("GET", HELLO, Origin=STRANGER)
    found, name = read(registry), "cors_guard_decisions_total"
    assert found[name, ("production", "billing", "allowed", "trusted")] == 3
    assert found[name, ("production", "billing", "refused", "unknown_origin")] == 1
    revision = store.freshness().revision
    assert revision > 0
    assert found["cors_guard_policy_revision", ("production",)] == revision
    assert found["cors_guard_policy_usable", ("production",)] == 1
    assert found["cors_guard_audit_unwritten", ("production",)] == 1
    send("GET", HELLO, Origin=TRUSTED)
    assert read(registry)[name, ("production", "billing", "allowed", "trusted")] == 4


def fresh(**given: Any) -> Freshness:
    usual = {"environment": "production", "known": True, "revision": 7, "age_seconds": 0.5}
    return Freshness(**{**usual, "failures": 0, "lapsed": False, "switched_off": 0, **given})


@pytest.mark.parametrize(
    ("state", "told"),
    [
        pytest.param(fresh(age_seconds=90.0, failures=4), {"age": 90.0, "failed_looks": 4, "usable": 1}, id="stale"),
        pytest.param(fresh(lapsed=True, failures=9), {"usable": 0, "failed_looks": 9}, id="lapsed"),
        pytest.param(fresh(known=False), {"usable": 0, "revision": 7}, id="no environment"),
        pytest.param(fresh(known=False, age_seconds=None, revision=0), {"usable": 0, "age": None}, id="no policy"),
    ],
)
def test_page_shows_the_state_of_the_policy(
    state: Freshness, told: dict[str, float | None], registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "freshness", lambda: state)
    monkeypatch.setattr(prometheus, "time", lambda: 1_000_000.0)
    found = read(registry)
    names = {"age": "cors_guard_policy_age_seconds"}
    for name, value in told.items():
        assert found.get((names.get(name, f"cors_guard_policy_{name}"), ("production",))) == value
    confirmed = found.get(("cors_guard_policy_confirmed_timestamp_seconds", ("production",)))
    assert confirmed == (None if state.age_seconds is None else 1_000_000.0 - state.age_seconds)


def test_registering_again_does_nothing(registry: CollectorRegistry) -> None:
    before = read(registry)
    prometheus.register(registry)
    assert read(registry).keys() == before.keys()
    for _ in range(2):
        prometheus.register()
    assert generate_latest(REGISTRY).count(b"# TYPE cors_guard_policy_revision gauge") == 1


def test_registering_reads_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("the application is only being set up")

    monkeypatch.setattr("django_cors_guard.conf.current", fail)
    prometheus.register(CollectorRegistry(auto_describe=True))


def test_names_are_those_that_are_described(registry: CollectorRegistry) -> None:
    collector = prometheus.LiveCollector()
    assert [family.name for family in collector.describe()] == [family.name for family in collector.collect()]


@pytest.mark.parametrize(("module", "package"), [("prometheus", "prometheus_client"), ("health", "health_check.base")])
def test_without_its_package_a_module_says_what_to_install(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    spec = importlib.util.spec_from_file_location("unmet", ROOT / f"django_cors_guard/{module}.py")
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImproperlyConfigured, match=rf"pip install 'django-cors-guard\[{module}\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


# --- several processes ------------------------------------------------------------------------------------------------

#: Children of one process, as of a server that preloads: each counts, tells, counts again and ends in order. One stays.
FAMILY = """
import os, sys
import django
django.setup()
from django_cors_guard import metrics
from django_cors_guard.core.decision import Decision, Mode, Reason
ALLOWED = Decision(Reason.TRUSTED, "billing", Mode.ENFORCE)
for number in range(3):
    if os.fork() == 0:
        for _ in range(100):
            metrics.count_decision(ALLOWED)
        metrics.flush()
        for _ in range(10):
            metrics.count_decision(ALLOWED)
        if number:
            metrics.close()
        else:
            metrics.flush()
        os._exit(0)
for _ in range(3):
    os.wait()
print(len(metrics.list_totals()))
"""


def test_processes_add_up_and_take_their_leave(tmp_path: Path) -> None:
    given = {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "tests.monitoring.settings",
        "DATABASE_URL": "sqlite://:memory:",
    }
    done = subprocess.run(
        [sys.executable, "-c", FAMILY],
        cwd=ROOT,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
    found = read(registry)
    assert found["cors_guard_decisions_total", ("local", "billing", "allowed", "trusted")] == 330
    revisions = [labels for name, labels in found if name == "cors_guard_policy_revision"]
    assert len(revisions) == 1, "those that ended in order have taken their gauges away"
    assert not [name for name, _ in found if name == "cors_guard_policy_age_seconds"], "it would not grow"


def test_what_could_not_be_written_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions_counted, "connect", lambda *_, **__: None)
    monkeypatch.setattr(metrics, "at_the_end", lambda _: None)
    monkeypatch.setattr(metrics, "tell_while", lambda _: None)
    registry = CollectorRegistry()
    writer = prometheus.Writer(registry)
    label = ("billing", "allowed", "trusted")
    with monkeypatch.context() as full:
        full.setattr(writer._decisions, "labels", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            writer.write(counts=[metrics.Count(*label, 5)], freshness=fresh())
    writer.write(counts=[metrics.Count(*label, 2)], freshness=fresh())
    writer.write(counts=[], freshness=fresh())
    assert read(registry)["cors_guard_decisions_total", ("production", *label)] == 7


def test_settings_switch_it_on(tmp_path: Path) -> None:
    code = "import django; django.setup(); from prometheus_client import generate_latest as g; print(g().decode())"
    told = {}
    for module in ("tests.monitoring.settings", "tests.settings"):
        given = {**os.environ, "DJANGO_SETTINGS_MODULE": module, "DATABASE_URL": "sqlite://:memory:"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=True
        )
        told[module] = "cors_guard_policy_revision" in done.stdout
    assert told == {"tests.monitoring.settings": True, "tests.settings": False}, json.dumps(told)
