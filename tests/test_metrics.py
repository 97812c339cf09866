"""Decisions counted: exactly, by labels that no sender can choose, and told to whoever listens."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from django_cors_guard import background, conf, metrics, services
from django_cors_guard.core.decision import Decision, Mode, Outcome, Reason
from django_cors_guard.metrics import Count, Counters, Teller
from django_cors_guard.middleware import places
from django_cors_guard.models import ApiGroup, Environment, GroupMode
from django_cors_guard.signals import decisions_counted, policy_looked
from django_cors_guard.store import Freshness, store
from django_cors_guard.testing import override_cors_guard
from tests.sending import Send

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
HELLO = "/api/billing/hello"
PREFLIGHT = {"Access_Control_Request_Method": "GET"}

ALLOWED = Decision(Reason.TRUSTED, "billing", Mode.ENFORCE)
REFUSED = Decision(Reason.UNKNOWN_ORIGIN, "billing", Mode.ENFORCE, rejected=Reason.UNKNOWN_ORIGIN)


@pytest.fixture
def counting() -> Iterator[None]:
    metrics._teller._reset()
    with override_cors_guard(METRICS="signal"):
        yield


@pytest.fixture
def policy(production: Environment, public: ApiGroup, billing: ApiGroup) -> ApiGroup:
    services.trust(TRUSTED, environment="production", api_group="billing")
    return billing


@contextmanager
def listening(fails: bool = False) -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def receiver(**given: Any) -> None:
        heard.append(given)
        if fails:
            raise OSError("nobody collects")

    decisions_counted.connect(receiver)
    try:
        yield heard
    finally:
        decisions_counted.disconnect(receiver)


def totals() -> dict[tuple[str, str, str], int]:
    return {(group, outcome, reason): times for group, outcome, reason, times in metrics.list_totals()}


# --- what is counted --------------------------------------------------------------------------------------------------


def test_each_kind_of_request_counts_once(send: Send, policy: ApiGroup, counting: None) -> None:
    for times in range(1, 3):
        for _ in range(times):
            send("GET", HELLO, Origin=TRUSTED)
        send("OPTIONS", HELLO, Origin=TRUSTED, **PREFLIGHT)
        send("OPTIONS", HELLO, Origin=TRUSTED, Access_Control_Request_Method="BREW")
        send("GET", HELLO, Origin=STRANGER)
        send("OPTIONS", HELLO, Origin=STRANGER, **PREFLIGHT)
        send("GET", HELLO, Origin="null")
        send("GET", HELLO)
        send("GET", HELLO, Origin="http://testserver")
        send("GET", "/elsewhere/hello", Origin=STRANGER)
        send("GET", "/admin/login/", Origin=TRUSTED)
    assert totals() == {
        ("billing", "allowed", "trusted"): 3,
        ("billing", "preflight", "trusted"): 2,
        ("billing", "blocked", "method_not_allowed"): 2,
        ("billing", "refused", "unknown_origin"): 2,
        ("billing", "blocked", "unknown_origin"): 2,
        ("billing", "refused", "null_origin"): 2,
        ("billing", "no_origin", "no_origin"): 2,
        ("billing", "same_origin", "same_origin"): 2,
        ("", "unguarded", "unguarded"): 2,
        ("own.paths", "refused", "own_paths"): 2,
    }


def test_what_is_only_recorded_counts_as_watched(send: Send, policy: ApiGroup, counting: None) -> None:
    environment = Environment.objects.get()
    GroupMode.objects.create(environment=environment, api_group=policy, mode=Mode.MONITOR)
    send("GET", HELLO, Origin=STRANGER)
    send("OPTIONS", HELLO, Origin=STRANGER, **PREFLIGHT)
    assert totals() == {("billing", "watched", "unknown_origin"): 2}


def test_guard_that_fails_counts_as_undecided(
    send: Send, policy: ApiGroup, counting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no place")

    monkeypatch.setattr(places.Places, "look", fail)
    places.renew(None)
    assert send("GET", HELLO, Origin=TRUSTED).status_code == 200
    assert totals() == {("", "undecided", "no_policy"): 1}


def test_nothing_counts_while_it_is_off(send: Send, policy: ApiGroup) -> None:
    send("GET", HELLO, Origin=TRUSTED)
    metrics.count_decision(ALLOWED)
    with listening() as heard:
        assert not metrics.flush()
    assert (metrics.live, metrics.list_totals(), heard) == (None, (), [])


@pytest.mark.parametrize("value", [None, "statsd", ["signal"], True])
def test_a_value_that_cannot_be_used_counts_nothing(value: object) -> None:
    with override_cors_guard(METRICS=value):
        assert metrics.live is None


def test_teller_that_fails_is_no_trouble_of_a_request(
    send: Send, policy: ApiGroup, counting: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Teller) -> bool:
        raise RuntimeError("no thread, no nothing")

    monkeypatch.setattr(Teller, "wake", fail)
    assert send("GET", HELLO, Origin=TRUSTED).status_code == 200
    assert totals() == {("billing", "allowed", "trusted"): 1}
    assert "cannot be told until the next look" in caplog.text


def test_counting_begins_anew_and_goes_on_over_other_settings(counting: None) -> None:
    metrics.count_decision(ALLOWED)
    with override_cors_guard(REFRESH_SECONDS=5):
        metrics.count_decision(ALLOWED)
    assert totals() == {("billing", "allowed", "trusted"): 2}
    with override_cors_guard(METRICS=None):
        assert metrics.list_totals() == ()
    assert metrics.list_totals() == ()


# --- exact, bounded ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_counts_are_exact_under_threads_while_they_are_taken(hectic: None) -> None:
    counters, threads, times = Counters(), 6, 20_000
    labels = [f"group-{number} allowed trusted" for number in range(4)]
    ended = threading.Event()
    taken: list[Count] = []

    def take() -> None:
        while not ended.is_set():
            taken.extend(counters.take())

    def count() -> None:
        for number in range(times):
            next(counters[labels[number % len(labels)]])

    taker, counting = threading.Thread(target=take), [threading.Thread(target=count) for _ in range(threads)]
    for thread in (taker, *counting):
        thread.start()
    for thread in counting:
        thread.join()
    ended.set()
    taker.join()
    taken.extend(counters.take())
    assert counters.totals() == dict.fromkeys(labels, threads * times // len(labels))
    assert sum(given.times for given in taken) == threads * times
    assert counters.take() == ()


def test_no_sender_chooses_a_label(send: Send, policy: ApiGroup, counting: None) -> None:
    for number in range(60):
        odd = f"{number}\x7f{'x' * number}"
        send("GET", f"{HELLO}/{number}", Origin=f"https://s{number}.example.net", Host=f"h{number}.example.net")
        send(f"M{number}", HELLO, Origin=odd, Sec_Fetch_Site=odd, Sec_Fetch_Mode=odd, User_Agent=odd)
        send("OPTIONS", HELLO, Origin=TRUSTED, Access_Control_Request_Method=odd, Access_Control_Request_Headers=odd)
    found = totals()
    assert sum(found.values()) == 180
    assert len(found) <= 6
    for group, outcome, reason in found:
        assert group in {"", "billing", "public", "own.paths"}
        assert [Outcome(outcome), Reason(reason)] == [outcome, reason]


def test_groups_are_bounded_and_the_rest_is_one() -> None:
    counters = Counters()
    for _ in range(2):
        for number in range(3 * metrics.MAX_GROUPS):
            next(counters[f"group-{number} allowed trusted"])
    found = counters.totals()
    assert len(found) == len(counters) == metrics.MAX_GROUPS + 1
    assert found[f"{metrics.OTHER_GROUPS} allowed trusted"] == 2 * 2 * metrics.MAX_GROUPS
    assert sum(found.values()) == 6 * metrics.MAX_GROUPS
    assert not conf.is_slug(metrics.OTHER_GROUPS)


# --- what is told -----------------------------------------------------------------------------------------------------


def test_signal_tells_what_came_since_the_last_time(policy: ApiGroup, counting: None) -> None:
    with listening() as heard:
        for decision in (ALLOWED, REFUSED, ALLOWED):
            metrics.count_decision(decision)
        assert metrics.flush()
        metrics.count_decision(REFUSED)
        assert metrics.flush()
        assert not metrics.flush()
    first, second = (set(given["counts"]) for given in heard)
    assert first == {
        Count("billing", "allowed", "trusted", 2),
        Count("billing", "refused", "unknown_origin", 1),
    }
    assert second == {Count("billing", "refused", "unknown_origin", 1)}
    assert [given["sender"] for given in heard] == [None, None]


def test_signal_tells_how_fresh_the_policy_is(policy: ApiGroup, counting: None) -> None:
    current = store.current()
    assert current is not None
    metrics.count_decision(ALLOWED)
    with listening() as heard:
        metrics.flush()
    fresh = heard[0]["freshness"]
    assert isinstance(fresh, Freshness)
    assert (fresh.environment, fresh.revision, fresh.failures) == ("production", current.revision, 0)
    assert fresh.age_seconds is not None


def test_a_look_is_told_though_nothing_was_counted_since(policy: ApiGroup, counting: None) -> None:
    with listening() as heard:
        store.nudge()
        store.current()
        metrics.flush()
        assert heard == [], "a process that decides nothing tells nothing"
        metrics.count_decision(ALLOWED)
        metrics.flush()
        store.nudge()
        store.current()
        assert not metrics.flush()
    assert [len(given["counts"]) for given in heard] == [1, 0]


def test_receiver_that_fails_is_its_own_trouble(counting: None, caplog: pytest.LogCaptureFixture) -> None:
    metrics.count_decision(ALLOWED)
    with listening(fails=True), listening() as heard:
        assert metrics.flush()
    assert [given["counts"] for given in heard] == [(Count("billing", "allowed", "trusted", 1),)]


def test_what_nobody_heard_waits_for_who_listens(counting: None) -> None:
    metrics.count_decision(ALLOWED)
    assert not metrics.flush()
    with listening() as heard:
        metrics.flush()
    assert [given["counts"] for given in heard] == [(Count("billing", "allowed", "trusted", 1),)]


def test_freshness_that_cannot_be_told_raises_nothing(
    counting: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Freshness:
        raise RuntimeError("no state")

    monkeypatch.setattr(store, "freshness", fail)
    metrics.count_decision(ALLOWED)
    with listening():
        assert not metrics.flush()
    assert "could not be told" in caplog.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no children without fork")
def test_child_begins_at_zero_and_the_parent_keeps_its_own(counting: None) -> None:
    metrics.count_decision(ALLOWED)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        metrics.count_decision(REFUSED)
        os.write(writer, repr(metrics.list_totals()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == repr((Count("billing", "refused", "unknown_origin", 1),))
    assert totals() == {("billing", "allowed", "trusted"): 1}


# --- when it is told --------------------------------------------------------------------------------------------------


@pytest.fixture
def teller(counting: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teller]:
    """One as outside of tests, which tells every few milliseconds."""
    monkeypatch.setattr(conf, "in_tests", lambda: False)
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 0.01)
    teller = Teller()
    monkeypatch.setattr(metrics, "_teller", teller)
    yield teller
    # A thread may go on for a while, and must not take what another test counts.
    vars(teller)["flush"] = lambda *_: False


class Heard(list[dict[str, Any]]):
    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self, **given: Any) -> None:
        self.append(given)
        self.thread = threading.current_thread()
        self.event.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    decisions_counted.connect(heard)
    yield heard
    decisions_counted.disconnect(heard)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> background.Threads:
    """What this process knows of threads, unspoilt by other tests."""
    found = background.Threads()
    monkeypatch.setattr(background, "threads", found)
    monkeypatch.setattr(background, "start", found.start)
    return found


def test_a_thread_tells_after_the_first_decision(
    teller: Teller, heard: Heard, threads: background.Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_rest_seconds", lambda: 0.05)
    metrics.count_decision(ALLOWED)
    assert heard.event.wait(30)
    assert heard[0]["counts"] == (Count("billing", "allowed", "trusted", 1),)
    assert heard.thread is not threading.current_thread()
    # It rests, and wakes by a look, as the next request begins with one.
    heard.event.clear()
    teller._wake.clear()
    metrics.count_decision(ALLOWED)
    teller.looked()
    assert heard.event.wait(30)


def test_a_thread_goes_on_while_something_is_unsettled_and_tells_the_end_of_it(
    teller: Teller, heard: Heard, threads: background.Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []

    def is_unsettled() -> bool:
        rounds.append(len(heard))
        return len(rounds) < 20

    teller.tell_while(is_unsettled)
    monkeypatch.setattr(metrics, "_rest_seconds", lambda: 0.02)
    metrics.count_decision(ALLOWED)
    for _ in range(300):
        if len(rounds) >= 20:
            break
        threading.Event().wait(0.1)
    assert len(rounds) >= 20, "though nothing was counted any more"
    assert rounds == list(range(rounds[0], rounds[0] + len(rounds))), "each round has told how things are"
    assert [len(told["counts"]) for told in heard][:2] == [1, 0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("trouble", [OSError, SystemExit])
def test_a_thread_that_ends_is_followed_by_another(
    trouble: type[BaseException],
    teller: Teller,
    heard: Heard,
    threads: background.Threads,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()

    def fail() -> None:
        if not ended.is_set():
            ended.set()
            raise trouble

    monkeypatch.setattr("django_cors_guard.metrics.connections.close_all", fail)
    metrics.count_decision(ALLOWED)
    assert ended.wait(30)
    for _ in range(300):
        heard.event.clear()
        metrics.count_decision(ALLOWED)
        teller.looked()
        if heard.event.wait(0.1):
            break
    assert heard.event.is_set()


def test_without_threads_a_look_tells(
    teller: Teller, heard: Heard, threads: background.Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background.Threads, "run", False)
    metrics.count_decision(ALLOWED)
    assert heard == [], "the request that is counted is not held up"
    teller.looked()
    assert heard.thread is threading.current_thread()
    metrics.count_decision(ALLOWED)
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 3600.0)
    teller.looked()
    assert len(heard) == 1, "not again at once"


def test_no_thread_is_started_where_nobody_listens(teller: Teller, threads: background.Threads) -> None:
    metrics.count_decision(ALLOWED)
    teller.looked()
    assert not teller._has_thread


def test_the_end_of_a_process_tells_the_rest_and_takes_leave(teller: Teller, heard: Heard) -> None:
    left: list[int] = []
    teller.at_the_end(lambda: left.append(len(heard)))
    next(metrics.live[ALLOWED.label] if metrics.live is not None else iter(()))
    teller.close()
    assert sum(given.times for told in heard for given in told["counts"]) == 1
    assert left == [1], "after the last was told"


def test_looks_reach_the_teller() -> None:
    assert policy_looked.has_listeners()
    assert metrics.UID in {key[0] for key, *_ in policy_looked.receivers}
