"""The validator around what it is named for: Channels' own stack, router, consumers and layers."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import path, re_path

from django_cors_guard import services
from django_cors_guard.channels import CLOSE_CODE, TrustedOriginValidator
from django_cors_guard.models import ApiGroup, Environment, GroupMode
from django_cors_guard.testing import pending_rejections
from tests.sockets import PATIENCE_SECONDS

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
LAYER = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
ROOM = "room"


class Socket(WebsocketCommunicator):  # type: ignore[misc]  # Channels is not typed
    """A page at the other end, which waits as long as a busy machine takes."""

    async def receive_output(self, *_: float) -> Any:
        return await super().receive_output(PATIENCE_SECONDS)

    async def wait(self, *_: float) -> None:
        await super().wait(PATIENCE_SECONDS)


class Consumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # Channels is not typed
    """Says who is there, and hands on what the room is told."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(ROOM, self.channel_name)
        await self.accept()
        await self.send_json({"user": self.scope["user"].get_username(), "room": self.scope["url_route"]["kwargs"]})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(ROOM, self.channel_name)

    async def tell(self, event: Any) -> None:
        await self.send_json({"told": event["text"]})


def make_site(*, around_everything: bool) -> Any:
    nested = URLRouter([path("<slug:group>/ws", Consumer.as_asgi())])
    routes = [path("api/", nested), re_path(r"^(?P<group>nowhere)$", Consumer.as_asgi())]
    sockets = AuthMiddlewareStack(URLRouter(routes))
    if around_everything:
        return TrustedOriginValidator(ProtocolTypeRouter({"websocket": sockets}))
    return ProtocolTypeRouter({"websocket": TrustedOriginValidator(sockets)})


@pytest.fixture(params=[False, True], ids=["around the sockets", "around everything"])
def site(request: pytest.FixtureRequest) -> Any:
    return make_site(around_everything=request.param)


@pytest.fixture
def cookie(db: None) -> bytes:
    """Of somebody who is logged in."""
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return f"sessionid={client.cookies['sessionid'].value}".encode()


@pytest.fixture
def policy(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    for group in (public, billing):
        services.trust(TRUSTED, environment=production, api_group=group)
    return production


def run(talk: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with override_settings(CHANNEL_LAYERS=LAYER):
        async_to_sync(talk)()


def open_as(site: Any, origin: str, cookie: bytes, group: str = "billing") -> Socket:
    headers = [(b"host", b"api.example.com"), (b"origin", origin.encode()), (b"cookie", cookie)]
    return Socket(site, f"/api/{group}/ws", headers=headers)


@pytest.mark.parametrize(
    ("origin", "group", "user"),
    [
        pytest.param(TRUSTED, "billing", "ada", id="trusted, credentials"),
        pytest.param(TRUSTED, "public", "", id="trusted, anonymous"),
        pytest.param("http://api.example.com", "public", "ada", id="own"),
    ],
)
def test_consumer_knows_whose_browser_it_is_where_the_group_allows_it(
    policy: Environment, site: Any, cookie: bytes, origin: str, group: str, user: str
) -> None:
    async def talk() -> None:
        socket = open_as(site, origin, cookie, group)
        assert await socket.connect() == (True, None)
        assert await socket.receive_json_from() == {"user": user, "room": {"group": group}}
        await socket.disconnect()

    run(talk)


def test_stranger_is_refused_before_any_consumer_runs(policy: Environment, site: Any, cookie: bytes) -> None:
    async def talk() -> None:
        assert await open_as(site, STRANGER, cookie).connect() == (False, CLOSE_CODE)
        assert await open_as(site, TRUSTED, cookie, "unrouted").connect() == (False, CLOSE_CODE)

    run(talk)
    assert [(seen.origin, seen.reason, seen.kind) for seen in pending_rejections()] == [
        (STRANGER, "unknown_origin", "websocket"),
        (TRUSTED, "no_group", "websocket"),
    ]


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
@pytest.mark.parametrize(
    ("path", "root_path"),
    [
        pytest.param("//api/billing/ws", "", id="two slashes"),
        pytest.param("/api//billing/ws", "", id="two slashes before a nested router"),
        pytest.param("/appapi/billing/ws", "/app", id="no slash behind the mount"),
    ],
)
def test_slashes_that_the_router_drops_lead_to_no_other_group(
    policy: Environment, site: Any, cookie: bytes, path: str, root_path: str, mode: str
) -> None:
    """Of a group on every path, by whose list the consumer of another group would be reached."""
    GroupMode.objects.create(environment=policy, api_group=ApiGroup.objects.get(slug="billing"), mode="enforce")
    Environment.objects.update(mode=mode)
    group = ApiGroup.objects.get(slug="public")
    group.routes.update(path_prefix="/")
    group.allow_credentials = True
    group.save()
    services.trust(STRANGER, environment=policy, api_group=group)

    async def talk() -> None:
        socket = Socket(
            site, "/", headers=[(b"host", b"api.example.com"), (b"origin", STRANGER.encode()), (b"cookie", cookie)]
        )
        socket.scope |= {"path": path, "root_path": root_path}
        assert await socket.connect() == (False, CLOSE_CODE)

    run(talk)


def test_revocation_reaches_a_room_and_its_consumer_leaves(policy: Environment, site: Any, cookie: bytes) -> None:
    async def talk() -> None:
        layer = get_channel_layer()
        theirs, own = open_as(site, TRUSTED, cookie), open_as(site, "http://api.example.com", cookie)
        for socket in (theirs, own):
            assert (await socket.connect())[0]
            await socket.receive_json_from()
        await layer.group_send(ROOM, {"type": "tell", "text": "one"})
        assert await theirs.receive_json_from() == {"told": "one"}

        await sync_to_async(services.revoke_origin)(TRUSTED, reason="Its key leaked.")
        await layer.group_send(ROOM, {"type": "tell", "text": "two"})
        assert await theirs.receive_output() == {
            "type": "websocket.close",
            "code": CLOSE_CODE,
            "reason": "origin_not_allowed",
        }
        assert await own.receive_json_from() == {"told": "one"}
        assert await own.receive_json_from() == {"told": "two"}
        # As a server says once the page has answered the goodbye.
        await theirs.disconnect(CLOSE_CODE)
        assert len(layer.groups[ROOM]) == 1
        await own.disconnect()
        assert ROOM not in layer.groups

    run(talk)
