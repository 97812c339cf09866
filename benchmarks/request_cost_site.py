"""The site that ``request_cost`` sends its requests to: one view, two API groups, and the admin where it always is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from time import time
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.decorators import sync_and_async_middleware

from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.policy import Policy
from django_cors_guard.core.rows import EnvironmentRow, GroupRow, PolicySource, RouteRow

PATH: Final = "/api/billing/invoices"
METHODS: Final = ("GET", "POST", "PUT", "DELETE")
HEADERS: Final = ("authorization", "content-type")
MAX_AGE: Final = 600


def spell(number: int) -> str:
    """Return the origin of customer ``number``."""
    return f"https://customer-{number:07}.example.com"


def compile_site(origins: int) -> Policy:
    """Return the policy of a site with so many trusted origins, all of them in one API group with credentials."""
    groups = (
        GroupRow("public", any_origin=True, allow_methods=METHODS),
        GroupRow("billing", allow_credentials=True, allow_methods=METHODS, allow_headers=HEADERS, max_age=MAX_AGE),
    )
    routes = (RouteRow("public", "/api/public"), RouteRow("billing", "/api/billing"))
    grants = (("billing", spell(number), None, False) for number in range(origins))
    source = PolicySource("production", EnvironmentRow("production"), groups, routes, grants, revision=1, token="site")  # noqa: S106 - half of a version, no secret
    return compile_policy(source, now=time())


# --- the floor --------------------------------------------------------------------------------------------------------

#: What the floor trusts.
known: dict[str, bool] = {}


@sync_and_async_middleware
def floor(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """The least that sends what the guard sends: one dict look-up, and constants put on the response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        origin = request.META.get("HTTP_ORIGIN")
        response: HttpResponse = get_response(request)
        fields = response.headers
        fields["Vary"] = "Origin"
        if origin in known:
            fields["Access-Control-Allow-Origin"] = origin
            fields["Access-Control-Allow-Credentials"] = "true"
        return response

    async def async_middleware(request: HttpRequest) -> HttpResponse:
        origin = request.META.get("HTTP_ORIGIN")
        response: HttpResponse = await get_response(request)
        fields = response.headers
        fields["Vary"] = "Origin"
        if origin in known:
            fields["Access-Control-Allow-Origin"] = origin
            fields["Access-Control-Allow-Credentials"] = "true"
        return response

    return async_middleware if iscoroutinefunction(get_response) else middleware


@sync_and_async_middleware
def preflight_floor(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """The least that answers a preflight of a known origin as the guard does; it knows nothing else."""

    def answer(request: HttpRequest) -> HttpResponse:
        origin = request.META["HTTP_ORIGIN"]
        response = HttpResponse(status=204)
        if origin in known:
            fields = response.headers
            del fields["Content-Type"]
            fields["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
            fields["Access-Control-Allow-Origin"] = origin
            fields["Access-Control-Allow-Credentials"] = "true"
            fields["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE"
            fields["Access-Control-Allow-Headers"] = "authorization, content-type"
            fields["Access-Control-Max-Age"] = "600"
        return response

    async def async_answer(request: HttpRequest) -> HttpResponse:
        return answer(request)

    return async_answer if iscoroutinefunction(get_response) else answer


# --- the views --------------------------------------------------------------------------------------------------------


def invoices(request: HttpRequest) -> HttpResponse:
    """Answer at once, so that as little as can be stands around what is measured."""
    return HttpResponse(b"[]")


async def invoices_async(request: HttpRequest) -> HttpResponse:
    """As ``invoices``, for the ASGI handler."""
    return HttpResponse(b"[]")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("cors-guard/", include("django_cors_guard.api.urls")),
    path("api/billing/invoices", invoices),
    path("api/billing/invoices-async", invoices_async),
]
