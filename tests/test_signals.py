"""What a SIEM or a metrics collector is told, when, and that its troubles stay its own."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.dispatch import Signal

from django_cors_guard import services
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.ledger import Writer
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, Rejection
from django_cors_guard.recorder import Recorder, Refusal
from django_cors_guard.signals import policy_changed, policy_written, rejection_recorded

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.example.com"
Capture = Callable[..., AbstractContextManager[list[Any]]]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Capture) -> Capture:
    """Run what waits for the commit at the end of the block, as a commit does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@contextmanager
def listening(signal: Signal, hear: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    def receiver(**arguments: Any) -> None:
        hear(arguments)

    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def refuse(recorder: Recorder, origin: str = ORIGIN, times: int = 1) -> None:
    for _ in range(times):
        recorder.refuse(
            Refusal(
                "public",
                Mode.ENFORCE,
                origin,
                Reason.UNKNOWN_ORIGIN,
                Kind.ACTUAL,
                "GET",
                "/api/public\n",
                "203.0.113.7",
                "a\r\nb",
            )
        )


def test_rejection_is_told_once_a_rollup_after_the_commit(recorder: Recorder, committing: Capture) -> None:
    heard: list[dict[str, Any]] = []
    with listening(rejection_recorded, heard.append):
        with committing():
            refuse(recorder, times=7)
            refuse(recorder, "https://b.example.com")
            recorder.flush()
            assert heard == []
        rows = list(Rejection.objects.order_by("pk"))
        assert [given["rejection"] for given in heard] == rows
        assert {(given["sender"], given["using"]) for given in heard} == {(Rejection, "default")}
        assert [given["rejection"].count for given in heard] == [7, 1]
        with committing():
            recorder.flush(everything=True)
    assert len(heard) == 2


def test_rejection_is_logged_as_one_line_of_json(
    recorder: Recorder, committing: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "django_cors_guard.audit"), committing():
        refuse(recorder, times=3)
        recorder.flush()
    (record,) = caplog.records
    told = record.__dict__["cors_guard"]
    row = Rejection.objects.get()
    assert (record.name, record.levelname) == ("django_cors_guard.audit", "INFO")
    assert json.loads(record.getMessage()) == told
    assert record.getMessage().isprintable()
    assert (told["event"], told["id"], told["count"], told["origin"]) == ("rejection_recorded", row.pk, 3, ORIGIN)
    assert (told["path"], told["user_agent"]) == (r"/api/public\x0a", r"a\x0d\x0ab")
    assert (told["client_ip"], told["reason"], told["mode"]) == ("203.0.113.0/24", "unknown_origin", "enforce")
    assert told["last_seen"].startswith(row.last_seen.date().isoformat())


def test_nothing_is_told_of_what_was_rolled_back(recorder: Recorder, public: ApiGroup, committing: Capture) -> None:
    heard: list[dict[str, Any]] = []
    listeners = listening(rejection_recorded, heard.append), listening(policy_changed, heard.append)
    with listeners[0], listeners[1], committing(), suppress(ZeroDivisionError), transaction.atomic():
        refuse(recorder)
        recorder.flush()
        ApiGroup.objects.create(slug="other", name="Other")
        raise ZeroDivisionError
    assert not Rejection.objects.exists()
    assert heard == []


def test_rejection_whose_commit_lost_its_reply_is_told_once(
    recorder: Recorder, committing: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit whose reply is lost runs no hooks; that it got through shows at the next try."""
    original = Writer._write_chunk

    def silent(self: Writer, entries: Any, using: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("django_cors_guard.ledger.transaction.on_commit", lambda *args, **kwargs: None)
            original(self, entries, using)
        raise OperationalError("server closed the connection unexpectedly")

    heard: list[dict[str, Any]] = []
    refuse(recorder)
    monkeypatch.setattr(Writer, "_write_chunk", silent)
    with listening(rejection_recorded, heard.append), committing():
        recorder.flush(everything=True)
        assert heard == []
        monkeypatch.setattr(Writer, "_write_chunk", original)
        recorder.flush(everything=True)
    assert [given["rejection"] for given in heard] == [Rejection.objects.get()]


def test_policy_change_is_told_after_the_commit_when_it_is_in_force(
    production: Environment, public: ApiGroup, committing: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, Any]] = []
    with (
        caplog.at_level(logging.INFO, "django_cors_guard.audit"),
        # What makes this process look again; a receiver that asks for the policy must find the change in it.
        listening(policy_written, lambda given: heard.append(("look", given["committed"]))),
        listening(policy_changed, lambda given: heard.append((given["sender"].__name__, given["change"]))),
        committing(),
    ):
        services.trust(ORIGIN, environment="production", api_group="public", note="n")
        assert heard == [("look", False)]
    change = PolicyChange.objects.latest("pk")
    assert heard == [("look", False), ("look", True), ("PolicyChange", change)]
    (record,) = [record for record in caplog.records if record.name == "django_cors_guard.audit"]
    told = record.__dict__["cors_guard"]
    assert json.loads(record.getMessage()) == told
    assert (told["event"], told["id"], told["revision"]) == ("policy_changed", change.pk, change.revision)
    assert (told["action"], told["target"], told["actor_label"]) == (change.action, change.target, "")
    assert told["after"]["origin"] == ORIGIN


def _raise(given: dict[str, Any]) -> None:
    raise RuntimeError("the metrics server is away")


class _Broken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("a broken filter")


def test_receiver_and_log_that_fail_cost_nothing(
    recorder: Recorder, production: Environment, public: ApiGroup, committing: Capture
) -> None:
    told: list[dict[str, Any]] = []
    broken = _Broken()
    audit = logging.getLogger("django_cors_guard.audit")
    audit.addFilter(broken)
    level = audit.level
    audit.setLevel(logging.INFO)
    try:
        with (
            listening(rejection_recorded, _raise),
            listening(policy_changed, _raise),
            listening(rejection_recorded, told.append),
            committing(),
        ):
            services.trust(ORIGIN, environment="production", api_group="public")
            refuse(recorder)
            refuse(recorder, "https://b.example.com")
            recorder.flush(everything=True)
    finally:
        audit.removeFilter(broken)
        audit.setLevel(level)
    assert len(told) == 2
    assert recorder._outbox == []
    assert recorder._failures == 0
    assert Rejection.objects.count() == 2
