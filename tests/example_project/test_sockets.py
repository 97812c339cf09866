"""The example's sockets, by its own ASGI application."""

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from example_project.sockets import sockets
from tests.sockets import Line, scope_of

pytestmark = pytest.mark.django_db


def talk(scope: dict[str, Any]) -> list[Any]:
    """Open a socket without an Origin, say something, hang up: what comes of it."""

    async def run() -> list[Any]:
        line = Line(sockets, scope)
        first = await line.hear()
        if first["type"] == "websocket.close":
            return [first["type"]]
        said = [await line.hear(), await line.ask("hello")]
        await line.hang_up()
        return [json.loads(message["text"]) for message in said]

    return async_to_sync(run)()


def test_socket_says_who_is_there_and_repeats_what_it_hears() -> None:
    assert talk(scope_of("/api/public/ws")) == [{"account": None}, {"heard": "hello"}]


def test_socket_knows_who_is_logged_in() -> None:
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    scope = scope_of("/api/billing/ws")
    scope["headers"] = [(b"cookie", b"other=1"), (b"Cookie", cookie)]
    assert talk(scope)[0] == {"account": "ada"}


def test_there_are_no_other_sockets() -> None:
    assert talk(scope_of("/elsewhere")) == ["websocket.close"]
