"""Threads that do what no request should wait for, and processes in which none run."""

import threading

import pytest

from django_cors_guard import background, conf
from django_cors_guard.background import GRACE_SECONDS, Threads


@pytest.fixture(autouse=True)
def outside_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: False)


class _NeverRuns(threading.Thread):
    def start(self) -> None:
        """As under uWSGI without --enable-threads: it is there, and nothing happens."""


class _CannotStart(threading.Thread):
    def start(self) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")


def test_work_runs_in_a_daemon_thread_of_its_own() -> None:
    ran: list[threading.Thread] = []
    done = threading.Event()

    def work() -> None:
        ran.append(threading.current_thread())
        done.set()

    assert Threads().start(work, name="test")
    assert done.wait(10)
    assert ran[0] is not threading.current_thread()
    assert ran[0].daemon
    assert ran[0].name == "cors-guard-test"


def test_thread_that_never_runs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", _NeverRuns)
    now = 100.0
    monkeypatch.setattr(background, "monotonic", lambda: now)
    threads = Threads()
    assert threads.start(lambda: None, name="test")
    now += GRACE_SECONDS + 1
    assert not threads.run
    assert not threads.start(lambda: None, name="test")
    threads.after_fork()
    assert threads.run


def test_end_of_the_interpreter_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", _CannotStart)
    assert not Threads().start(lambda: None, name="test")


def test_no_thread_starts_in_test_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: True)
    assert not Threads().start(lambda: pytest.fail("it ran"), name="test")
