"""Requests through the whole of Django, by its WSGI handler or its ASGI one."""

from collections.abc import Callable

from asgiref.sync import async_to_sync
from django.http import HttpResponseBase
from django.test import AsyncClient, Client

#: Takes a method, a path and headers as keywords, with underscores for hyphens.
Send = Callable[..., HttpResponseBase]


def sender(*, is_async: bool) -> Send:
    """Return what sends one request; a view's own error becomes its 500, as it would in production."""

    def send_sync(method: str, path: str, **headers: str) -> HttpResponseBase:
        return Client(raise_request_exception=False).generic(method, path, headers=_spell(headers))

    def send_async(method: str, path: str, **headers: str) -> HttpResponseBase:
        async def ask() -> HttpResponseBase:
            response = await AsyncClient(raise_request_exception=False).generic(method, path, headers=_spell(headers))
            assert isinstance(response, HttpResponseBase)
            return response

        return async_to_sync(ask)()

    return send_async if is_async else send_sync


def _spell(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
