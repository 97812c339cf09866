"""What WebSockets pay for being guarded: a handshake, a message, and a second in which nothing is said.

python -m benchmarks.sockets
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple

import django
from django.test.utils import setup_test_environment

from django_cors_guard import conf

ORIGIN: Final = "https://app.example.com"
PATH: Final = "/api/billing/ws"
MICROSECOND: Final = 1e-6

_Message = MutableMapping[str, Any]
_Application = Callable[..., Awaitable[None]]


class Costs(NamedTuple):
    """In microseconds: of one handshake, of one message, and of one idle socket in each round of the watch."""

    handshake: float
    message: float
    idle: float


async def _echo(_scope: Any, receive: Callable[[], Awaitable[_Message]], send: Callable[..., Awaitable[None]]) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def _scope() -> dict[str, Any]:
    headers = [
        (b"host", b"testserver"),
        (b"origin", ORIGIN.encode()),
        (b"cookie", b"sessionid=1"),
        (b"user-agent", b"x"),
    ]
    return {"type": "websocket", "path": PATH, "scheme": "ws", "headers": headers, "client": ["192.0.2.7", 5000]}


async def _hear_nothing(_message: _Message) -> None:
    pass


async def _time(app: _Application, messages: int) -> float:
    """Return how long one socket takes over which so many ``messages`` come, and as many go back."""
    left = iter([{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": "x"}] * messages])
    last = {"type": "websocket.disconnect", "code": 1000}

    async def receive() -> _Message:
        return next(left, last)

    began = perf_counter()
    await app(_scope(), receive, _hear_nothing)
    return perf_counter() - began


async def _time_round(app_of: Callable[[_Application], _Application], sockets: int) -> float:
    """Return how long the watch takes to look after so many ``sockets`` over which nothing is said."""
    from django_cors_guard.channels.watch import watch_of_loop  # noqa: PLC0415 - once Django is set up

    over = asyncio.Event()

    async def idle(_scope: Any, receive: Callable[[], Awaitable[_Message]], _send: Any) -> None:
        await receive()
        await over.wait()

    async def receive() -> _Message:
        return {"type": "websocket.connect"}

    guarded = app_of(idle)
    lines = [asyncio.ensure_future(guarded(_scope(), receive, _hear_nothing)) for _ in range(sockets)]
    await asyncio.sleep(0)
    watch = watch_of_loop()
    await watch.look()
    began = perf_counter()
    await watch.look()
    took = perf_counter() - began
    over.set()
    await asyncio.gather(*lines)
    return took


async def _measure(messages: int, sockets: int) -> Costs:
    from django_cors_guard.channels import TrustedOriginValidator  # noqa: PLC0415 - once Django is set up

    guarded = TrustedOriginValidator(_echo)
    await _time(guarded, messages)
    bare, with_guard = await _time(_echo, messages), await _time(guarded, messages)
    handshakes = [await _time(guarded, 0) - await _time(_echo, 0) for _ in range(max(messages // 20, 10))]
    return Costs(
        sorted(handshakes)[len(handshakes) // 2] / MICROSECOND,
        (with_guard - bare) / (2 * messages) / MICROSECOND,
        await _time_round(TrustedOriginValidator, sockets) / sockets / MICROSECOND,
    )


def measure(messages: int, sockets: int) -> Costs:
    """Measure with a policy in memory, and without any server; Django is set up, as for tests."""
    from django_cors_guard.testing import forget_rejections, trusted  # noqa: PLC0415 - once Django is set up

    with trusted(ORIGIN, group="billing", path="/api/billing", credentials=True):
        costs = asyncio.run(_measure(messages, sockets))
        forget_rejections()
    return costs


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the three costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="messages over one socket, in each direction")
    parser.add_argument("--sockets", type=int, default=10_000, help="idle sockets")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    if not conf.in_tests():
        setup_test_environment()  # so that nothing is written, and nothing happens by itself
    costs = measure(options.messages, options.sockets)
    print(f"a handshake     {costs.handshake:8.1f} µs")
    print(f"a message       {costs.message:8.2f} µs, in either direction")
    print(f"an idle socket  {costs.idle:8.2f} µs, once per REFRESH_SECONDS")


if __name__ == "__main__":
    main()
