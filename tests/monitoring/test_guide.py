"""The guide says what is so: its modules run, its rules ask for metrics and labels that there are."""

import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import yaml
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from django_cors_guard import metrics
from django_cors_guard.conf import METRICS_CHOICES
from django_cors_guard.core.decision import Decision, Mode, Outcome, Reason
from django_cors_guard.prometheus import LiveCollector
from django_cors_guard.signals import decisions_counted
from django_cors_guard.testing import override_cors_guard
from tests.docs.following import read_page
from tests.monitoring.guide import load, text_of

PAGE = read_page("how-to/metrics.md")
DECISION = Decision(Reason.TRUSTED, "billing", Mode.ENFORCE)
UNGUARDED = Decision(Reason.UNGUARDED)


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    """Two decisions of one kind and one of another; receivers that a test has connected go with it."""
    before = list(decisions_counted.receivers)
    metrics._teller._reset()
    with override_cors_guard(METRICS="signal"):
        for decision in (DECISION, DECISION, UNGUARDED):
            metrics.count_decision(decision)
        yield
    decisions_counted.receivers = before
    decisions_counted.sender_receivers_cache.clear()


class Told(list[Any]):
    """Stands for a client of StatsD, and for an instrument of OpenTelemetry."""

    def incr(self, name: str, times: int) -> None:
        self.append((name, times))

    def gauge(self, name: str, value: float) -> None:
        self.append(name)

    def add(self, times: int, labels: dict[str, str]) -> None:
        self.append((tuple(labels.values()), times))

    def create_counter(self, name: str) -> "Told":
        return self


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
    module = ModuleType(name)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, name, module)


def test_statsd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    stand_in("statsd", monkeypatch, StatsClient=lambda: told)
    kept = load("tell_statsd")
    metrics.flush()
    assert set(told) == {
        ("cors.billing.allowed.trusted", 2),
        ("cors.none.unguarded.unguarded", 1),
        "cors.revision",
        "cors.failed_looks",
    }
    assert kept


def test_opentelemetry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    stand_in("opentelemetry", monkeypatch, metrics=ModuleType("metrics"))
    sys.modules["opentelemetry"].metrics.get_meter = lambda name: told
    kept = load("tell_opentelemetry")
    metrics.flush()
    assert set(told) == {
        (("billing", "allowed", "trusted"), 2),
        (("", "unguarded", "unguarded"), 1),
    }
    assert kept


@pytest.mark.parametrize(("sent", "status"), [("", 403), ("Bearer wrong", 403), ("Bearer right", 200), ("é", 403)])
def test_page_of_metrics_wants_its_token(sent: str, status: int) -> None:
    request = RequestFactory().get("/metrics", headers={"Authorization": sent} if sent else {})
    with override_settings(METRICS_TOKEN="right"):
        response = load("metrics_page")["show_metrics"](request)
    assert isinstance(response, HttpResponse)
    assert response.status_code == status


def test_rules_ask_for_what_there_is() -> None:
    (group,) = yaml.safe_load(text_of("rules"))["groups"]
    names = {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in LiveCollector().describe()}
    seen = set()
    for rule in group["rules"]:
        assert {"alert", "expr", "for", "annotations"} == set(rule)
        seen |= set(re.findall(r"cors_guard_\w+", rule["expr"]))
        for outcomes in re.findall(r'outcome=~"([^"]+)"', rule["expr"]):
            assert set(outcomes.split("|")) <= set(Outcome)
        assert rule["expr"].count("(") == rule["expr"].count(")")
    assert seen <= names
    assert len(group["rules"]) >= 3


def test_page_names_every_metric_outcome_and_value_of_the_setting() -> None:
    for family in LiveCollector().describe():
        assert f"`{family.name}" in PAGE
    tables = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    for outcome in Outcome:
        assert f"`{outcome}`" in tables
    for value in METRICS_CHOICES:
        assert (f'`"{value}"`' if value else "`None`") in tables
    assert f"at most {metrics.MAX_GROUPS} groups" in PAGE
    assert f"`{metrics.OTHER_GROUPS}`" in PAGE
