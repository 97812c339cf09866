"""What the servers of fault tests have beside the example project: signed answers, a replica, another version."""

import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

PROCESS = "X-Process"
#: What a process writes once it has loaded the site.
READY = "The site is loaded."


class Shims(AppConfig):
    """Gives constants of the app other values, where a test says so: another version's, or shorter times."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        faults: dict[str, Any] = getattr(settings, "FAULTS", {})
        for name, value in faults.get("PATCHES", {}).items():
            module, _, attribute = name.rpartition(".")
            setattr(import_module(module), attribute, value)
        sys.stderr.write(f"{READY}\n")


class ReadsFromReplica:
    """The usual router of a site with a read replica."""

    def db_for_read(self, model: object, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: object, **hints: Any) -> str:
        return "default"

    def allow_relation(self, *pair: object, **hints: Any) -> bool:
        return True


@sync_and_async_middleware
def sign(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Say on each answer which process it is from."""

    def sign_sync(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        response.headers[PROCESS] = str(os.getpid())
        return response

    async def sign_async(request: HttpRequest) -> HttpResponseBase:
        waiting: Awaitable[HttpResponseBase] = get_response(request)
        response = await waiting
        response.headers[PROCESS] = str(os.getpid())
        return response

    return sign_async if iscoroutinefunction(get_response) else sign_sync
