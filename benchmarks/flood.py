"""A hostile sender: refusals of random origins, paths, user agents and addresses, from threads and an event loop."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

#: What no well-behaved client sends, and every attacker tries.
ODDITIES: Final = ("", "\x00", "é" * 300, "\ud800", "💥", "' OR 1=1 --", "\r\nX: y", "\\x41", "x" * 5000)
#: How many tasks of the event loop take turns.
TASKS: Final = 50


class Sent(NamedTuple):
    """What the sender chooses of one request."""

    origin: str
    path: str
    user_agent: str
    client: str


Send = Callable[[Sent], object]


def compose(seed: int, count: int, origins: int) -> Iterator[Sent]:
    """Yield ``count`` requests of ``origins`` random origins; each has a path and a user agent of its own."""
    chance = random.Random(seed)
    draw, bits = chance.random, chance.getrandbits
    for number in range(count):
        oddity = ODDITIES[number % len(ODDITIES)] if number % 17 == 0 else ""
        address = bits(32)
        client = (
            f"2001:db8:{address & 0xFFFF:x}::{number & 0xFFFF:x}"
            if number % 5 == 0
            else f"{1 + (address >> 24) % 223}.{(address >> 16) & 255}.{(address >> 8) & 255}.{address & 255}"
        )
        yield Sent(
            f"https://a{int(draw() * origins):x}.example.net",
            f"/api/public/{bits(48):x}{oddity}",
            f"agent {bits(48):x}{oddity}",
            client,
        )


def send_from_threads(send: Send, count: int, origins: int, *, threads: int = 8) -> None:
    """Send ``count`` requests from so many threads at once."""
    workers = [
        threading.Thread(target=_send_all, args=(send, compose(seed, count // threads, origins)))
        for seed in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _send_all(send: Send, requests: Iterator[Sent]) -> None:
    for request in requests:
        send(request)


def send_from_event_loop(send: Send, count: int, origins: int) -> None:
    """Send ``count`` requests from tasks of one event loop that take turns. An awaitable answer is awaited."""
    asyncio.run(_send_from_tasks(send, count, origins))


async def _send_from_tasks(send: Send, count: int, origins: int) -> None:
    async with asyncio.TaskGroup() as group:
        for seed in range(TASKS):
            group.create_task(_send_and_yield(send, compose(seed, count // TASKS, origins)))


async def _send_and_yield(send: Send, requests: Iterator[Sent]) -> None:
    for request in requests:
        answer = send(request)
        if asyncio.iscoroutine(answer):
            await answer
        await asyncio.sleep(0)
