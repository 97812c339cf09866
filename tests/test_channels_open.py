"""Sockets that are open: what ends them, at a message in either direction and while nothing is said."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from django_cors_guard import conf, services
from django_cors_guard.channels import CLOSE_CODE, TrustedOriginValidator, sockets, watch
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, Rejection, TrustedOrigin
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, pending_rejections
from tests.sockets import PATIENCE_SECONDS, Echo, Line, Message, scope_of

TRUSTED = "https://app.example.com"
OTHER = "https://other.example.com"
CLOSED = {"type": "websocket.close", "code": CLOSE_CODE, "reason": "origin_not_allowed"}
GONE = {"type": "websocket.disconnect", "code": CLOSE_CODE, "reason": "origin_not_allowed"}


@pytest.fixture
def policy(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    for group in (public, billing):
        for origin in (TRUSTED, OTHER):
            services.trust(origin, environment=production, api_group=group)
    return production


def revoke() -> None:
    services.revoke_origin(TRUSTED, reason="Its key leaked.")


def let_expire() -> None:
    TrustedOrigin.objects.filter(origin=TRUSTED).update(expires_at=timezone.now() - timedelta(seconds=1))


def take_credentials() -> None:
    group = ApiGroup.objects.get(slug="billing")
    group.allow_credentials = False
    group.save()


def drop_routes() -> None:
    ApiGroup.objects.get(slug="billing").routes.all().delete()


async def opened(app: Any, *, origin: str | None = TRUSTED, fails: Exception | None = None) -> Line:
    """Open a socket; ``fails`` is what the server makes of its being closed."""
    line = Line(app, scope_of(origin=origin), fails=fails)
    assert (await line.hear())["type"] == "websocket.accept"
    return line


ENDS = [
    pytest.param(revoke, ["revoked"], id="revoked"),
    pytest.param(let_expire, ["expired"], id="expired"),
    pytest.param(drop_routes, ["no_group"], id="no group any more"),
    pytest.param(take_credentials, [], id="no credentials any more: no refusal, for it may open anew"),
]


@pytest.mark.parametrize(("change", "reasons"), ENDS)
def test_next_message_of_the_page_ends_the_socket(
    policy: Environment, change: Callable[[], None], reasons: list[str]
) -> None:
    echo = Echo()

    async def run() -> None:
        line, other = await opened(echo), await opened(Echo(), origin=None)
        assert (await line.ask("one"))["text"] == "one"
        await sync_to_async(change)()
        assert await line.ask("two") == CLOSED
        assert await line.rest() == []
        assert (await other.ask("three"))["text"] == "three"
        await other.hang_up()

    async_to_sync(run)()
    assert [message.get("text") for message in echo.heard[1:]] == ["one", None]
    assert echo.last == GONE
    flush_rejections()
    rows = [(row.origin, row.reason, row.kind, row.path, row.count) for row in Rejection.objects.all()]
    assert rows == [(TRUSTED, reason, "websocket", "/api/billing/ws", 1) for reason in reasons]
    assert OriginUsage.objects.get().count == 1


class Teller:
    """Tells what it is given; listens to nothing."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[str] = asyncio.Queue()
        self.error: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": await self.news.get()})
        except BaseException as error:
            self.error = error
            raise


@pytest.mark.parametrize(("change", "reasons"), ENDS)
def test_next_message_of_the_application_ends_the_socket(
    policy: Environment, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None], reasons: list[str]
) -> None:
    teller = Teller()

    async def run() -> None:
        line = await opened(teller)
        await teller.news.put("one")
        assert (await line.hear())["text"] == "one"
        await sync_to_async(change)()
        await teller.news.put("two")
        assert await line.hear() == CLOSED
        await teller.news.put("dropped")
        monkeypatch.setattr(sockets, "GRACE_SECONDS", -1.0)
        await teller.news.put("told")
        assert await line.rest() == []

    async_to_sync(run)()
    assert isinstance(teller.error, OSError), "as ASGI has it for a client that is gone"
    assert [seen.reason for seen in pending_rejections()] == reasons


def test_both_directions_at_once_end_it_once(policy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    acurrent, speak, answer = store.acurrent, asyncio.Event(), asyncio.Event()
    asking: list[None] = []
    echo = Echo()

    async def slow() -> Any:
        asking.append(None)
        if len(asking) == 2:
            answer.set()
        await asyncio.wait_for(answer.wait(), PATIENCE_SECONDS)
        return await acurrent()

    async def talks_and_listens(scope: Any, receive: Any, send: Any) -> None:
        async def talk() -> None:
            await speak.wait()
            await send({"type": "websocket.send", "text": "news"})

        await asyncio.gather(echo(scope, receive, send), talk())

    async def run() -> list[Message]:
        line = await opened(talks_and_listens)
        await sync_to_async(revoke)()
        monkeypatch.setattr(store, "acurrent", slow)
        await line.say("hello")
        speak.set()
        return await line.rest()

    assert async_to_sync(run)() == [CLOSED]
    assert [(seen.reason, seen.count) for seen in pending_rejections()] == [("revoked", 1)]


def test_other_pages_and_reinstated_ones_stay(policy: Environment) -> None:
    async def run() -> None:
        line, other = await opened(Echo(), origin=OTHER), await opened(Echo())
        await sync_to_async(revoke)()
        assert (await line.ask("one"))["text"] == "one"
        assert await other.ask("one") == CLOSED
        await other.rest()
        await sync_to_async(reinstate)()
        again = await opened(Echo())
        assert (await again.ask("two"))["text"] == "two"
        await again.hang_up()
        await line.hang_up()

    async_to_sync(run)()


def reinstate() -> None:
    for grant in TrustedOrigin.objects.filter(origin=TRUSTED):
        services.reinstate(grant, reason="The key was rotated.")


def test_monitored_socket_is_recorded_once_and_stays_until_the_group_enforces(policy: Environment) -> None:
    def set_mode(mode: str) -> None:
        policy.mode = mode
        policy.save()

    set_mode("monitor")

    async def run() -> None:
        line = await opened(Echo())
        await sync_to_async(revoke)()
        for number in range(3):
            assert (await line.ask(f"{number}"))["text"] == f"{number}"
        await sync_to_async(set_mode)("enforce")
        assert await line.ask() == CLOSED
        await line.rest()

    async_to_sync(run)()
    assert [(seen.reason, seen.mode, seen.count) for seen in pending_rejections()] == [("revoked", "monitor", 1)]


def test_application_that_refuses_by_itself_is_left_alone(policy: Environment) -> None:
    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"set-cookie", b"a=b")]})
        await sync_to_async(revoke)()
        await send({"type": "websocket.http.response.body", "body": b"Who are you?"})

    async def run() -> list[Message]:
        return await Line(refuses, scope_of("/api/public/ws", TRUSTED)).rest()

    assert async_to_sync(run)() == [
        {"type": "websocket.http.response.start", "status": 401, "headers": []},
        {"type": "websocket.http.response.body", "body": b"Who are you?"},
    ]


def test_socket_that_is_not_open_yet_is_refused(policy: Environment) -> None:
    async def run() -> list[Message]:
        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await sync_to_async(revoke)()
            await send({"type": "websocket.accept"})

        return await Line(slow, scope_of(origin=TRUSTED)).rest()

    assert async_to_sync(run)() == [CLOSED]


def test_error_of_the_application_is_not_taken_for_the_guards(policy: Environment) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise sockets.ClosedSocket("not by the guard")

    async def run() -> None:
        await Line(broken, scope_of(origin=TRUSTED)).rest()

    with pytest.raises(OSError, match="not by the guard"):
        async_to_sync(run)()


# --- the watch --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As outside of test suites, and fast."""

    class Conf:
        in_tests = staticmethod(lambda: False)
        refresh_seconds = staticmethod(conf.refresh_seconds)

    monkeypatch.setattr(watch, "conf", Conf)
    monkeypatch.setattr(watch, "LEAST_SECONDS", 0.01)
    yield
    assert watch._watches == {}


@pytest.mark.parametrize(("change", "reasons"), ENDS)
def test_watch_ends_an_idle_socket(
    policy: Environment, ticking: None, change: Callable[[], None], reasons: list[str]
) -> None:
    async def run() -> None:
        lines = [await opened(Echo()) for _ in range(3)]
        stays = await opened(Echo(), origin=OTHER if change in (revoke, let_expire) else None)
        await sync_to_async(change)()
        for line in lines:
            assert await line.hear() == CLOSED
            await line.hang_up()
        await asyncio.sleep(0.05)
        assert (await stays.ask("still here"))["text"] == "still here"
        await stays.hang_up()

    async_to_sync(run)()
    assert [(seen.reason, seen.count) for seen in pending_rejections()] == [(reason, 3) for reason in reasons]


def test_application_hears_of_the_end_of_an_idle_socket(policy: Environment, ticking: None) -> None:
    echo = Echo()

    async def run() -> None:
        line = await opened(echo)
        await sync_to_async(revoke)()
        assert await line.hear() == CLOSED
        # A page that goes on talking is not heard.
        await line.say("too late")
        assert await line.rest() == []

    async_to_sync(run)()
    assert [message["type"] for message in echo.heard] == ["websocket.connect", "websocket.disconnect"]
    assert echo.last == GONE


def test_watch_goes_on_after_trouble(
    policy: Environment, ticking: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[None] = []
    acurrent = store.acurrent

    async def fails_once() -> Any:
        asked.append(None)
        if len(asked) == 1:
            raise RuntimeError("once")
        return await acurrent()

    async def run() -> None:
        line = await opened(Echo())
        monkeypatch.setattr(store, "acurrent", fails_once)
        await sync_to_async(revoke)()
        assert await line.hear() == CLOSED
        await line.hang_up()

    async_to_sync(run)()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_guard_that_fails_on_an_open_socket_closes_it(
    policy: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        line = await opened(Echo())
        monkeypatch.setattr(sockets, "decide_handshake", None)
        assert (await line.ask("as before"))["text"] == "as before"
        await sync_to_async(drop_routes)()
        assert await line.ask() == CLOSED
        assert await line.rest() == []

    async_to_sync(run)()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("teller", [False, True], ids=["message of the page", "message of the application"])
def test_store_that_fails_closes_the_socket(
    policy: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, teller: bool
) -> None:
    async def fails() -> None:
        raise RuntimeError("never, by its contract")

    app = Teller()

    async def run() -> None:
        line = await opened(app if teller else Echo())
        monkeypatch.setattr(store, "acurrent", fails)
        if teller:
            app.news.put_nowait("one")
        else:
            await line.say()
        assert await line.hear() == CLOSED
        line.task.cancel()

    async_to_sync(run)()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        pytest.param(ConnectionResetError(), 0, id="the page was faster"),
        pytest.param(RuntimeError(), 1, id="the server is broken"),
    ],
)
def test_goodbye_that_fails_is_no_error_of_the_application(
    policy: Environment, caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    echo = Echo()

    async def run() -> None:
        line = await opened(echo, fails=error)
        await sync_to_async(revoke)()
        await line.say()
        assert await line.rest() == []

    async_to_sync(run)()
    assert echo.last == GONE
    assert len(caplog.records) == logged


@pytest.mark.usefixtures("ticking")
def test_only_sockets_of_other_origins_are_watched_and_nothing_stays_behind(policy: Environment) -> None:
    async def run() -> None:
        own = await opened(Echo(), origin="http://api.example.com")
        nobody = await opened(Echo(), origin=None)
        assert watch._watches == {}
        line = await opened(Echo())
        (found,) = watch._watches.values()
        assert len(found._sockets) == 1
        await line.hang_up()
        assert watch._watches == {}
        assert found._timer is None
        await own.hang_up()
        await nobody.hang_up()

    async_to_sync(run)()
    gc.collect()


def test_in_a_test_suite_nothing_happens_by_itself(policy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        line = await opened(Echo())
        (found,) = watch._watches.values()
        assert found._timer is None
        await found.look()
        assert found._timer is None
        await line.hang_up()

    async_to_sync(run)()


def test_round_over_many_sockets_lets_others_run(policy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "STRIDE", 2)
    seen: list[str] = []

    class Counted:
        def review(self, policy: Any, now: float) -> None:
            seen.append("socket")

    async def run() -> None:
        found = watch.Watch(asyncio.get_running_loop())
        for _ in range(5):
            found.add(Counted())
        rival = asyncio.ensure_future(interrupt())
        await found.look()
        await rival

    async def interrupt() -> None:
        while seen.count("socket") < 5:
            if seen:
                seen.append("other")
            await asyncio.sleep(0)

    async_to_sync(run)()
    assert seen.count("socket") == 5
    assert "other" in seen[:-1]


@pytest.fixture
def slow_look(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """A database that answers only when the event is set."""
    answers = asyncio.Event()
    real = store.acurrent

    async def look() -> Any:
        await answers.wait()
        return await real()

    monkeypatch.setattr(store, "acurrent", look)
    return answers


def test_message_that_the_application_stopped_waiting_for_is_not_lost(
    policy: Environment, slow_look: asyncio.Event
) -> None:
    slow_look.set()
    texts: list[Any] = []
    given_up = asyncio.Event()

    async def polling(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        slow_look.clear()
        waiting = asyncio.create_task(receive())
        await given_up.wait()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        slow_look.set()
        while (message := await receive())["type"] == "websocket.receive":
            texts.append(message["text"])

    async def run() -> None:
        line = await opened(polling)
        await line.say("pay 1")
        await asyncio.sleep(0.05)  # it has arrived, and the guard looks
        given_up.set()
        await line.say("pay 2")
        await line.hang_up()

    async_to_sync(run)()
    assert texts == ["pay 1", "pay 2"]


def test_what_is_sent_at_once_keeps_its_order(policy: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = store.acurrent, iter([0.1])

    async def first_is_slow() -> Any:
        await asyncio.sleep(next(looks, 0))
        return await real()

    async def telling(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        monkeypatch.setattr(store, "acurrent", first_is_slow)
        await asyncio.gather(*(send({"type": "websocket.send", "text": text}) for text in "123"))
        await receive()

    async def run() -> list[Any]:
        line = await opened(telling)
        texts = [(await line.hear())["text"] for _ in range(3)]
        await line.hang_up()
        return texts

    assert async_to_sync(run)() == ["1", "2", "3"]


def test_application_that_only_sends_lets_others_run_when_its_socket_has_ended(
    policy: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "GRACE_SECONDS", 0.5)
    sent = 0

    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        while True:
            await send({"type": "websocket.send", "text": "more"})
            sent += 1

    async def run() -> int:
        line = await opened(streaming)
        await sync_to_async(revoke)()
        await line.say("go")
        turns = 0
        while not line.task.done():
            await asyncio.sleep(0.01)
            turns += 1
        return turns

    # It is dropped at its leisure, and told at last; in a busy loop nobody else would have had a turn.
    assert async_to_sync(run)() > 1
    assert sent < 1000


def test_goodbye_that_hangs_holds_up_neither_the_application_nor_its_end(policy: Environment) -> None:
    never, heard = asyncio.Event(), []

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            await never.wait()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        heard.append(await receive())
        await never.wait()

    async def run() -> bool:
        coming: asyncio.Queue[Any] = asyncio.Queue()
        coming.put_nowait({"type": "websocket.connect"})
        task = asyncio.create_task(TrustedOriginValidator(listening)(scope_of(origin=TRUSTED), coming.get, send))
        await asyncio.sleep(0.05)
        await sync_to_async(revoke)()
        coming.put_nowait({"type": "websocket.receive", "text": "one more"})
        for _ in range(100):
            if heard:
                break
            await asyncio.sleep(0.05)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        return bool(done)

    assert async_to_sync(run)()
    assert heard == [GONE]
