"""Answers tell which process gave them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER: Final = "X-Worker"


@sync_and_async_middleware
def tell_worker(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Put the process's id into each answer."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            response[HEADER] = str(os.getpid())
            return response

        later: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = answer_later
        return later

    def answer(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        response[HEADER] = str(os.getpid())
        return response

    return answer
