"""A small shop whose front end may live on another site: it logs in with JSON, and orders with cookies and a token."""

import json

from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication as PlainSessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_cors_guard.api.authentication import SessionAuthentication
from django_cors_guard.csrf import csrf_protect
from tests.urls import urlpatterns as base_patterns


def session(request: HttpRequest) -> HttpResponse:
    """GET hands out the token, which a page of another site cannot read from the cookie; POST logs in."""
    if request.method == "POST":
        given = json.loads(request.body)
        user = authenticate(request, username=given["username"], password=given["password"])
        if user is None:
            return JsonResponse({"detail": "Wrong name or password."}, status=400)
        login(request, user)
    return JsonResponse({"user": request.user.get_username(), "token": get_token(request)})


def orders(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ordered_by": request.user.get_username()})


async def async_orders(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ordered")


class RestOrders(APIView):
    authentication_classes = [SessionAuthentication]

    def post(self, request: Request) -> Response:
        return Response({"ordered_by": request.user.get_username()})


class PlainRestOrders(RestOrders):
    """With the authentication that REST framework brings, which asks Django's middleware class alone."""

    authentication_classes = [PlainSessionAuthentication]


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/billing/session", session),
    path("api/billing/orders", orders),
    path("api/billing/async-orders", async_orders),
    # No middleware looks at these three, which check for themselves; this one on the event loop.
    path("api/billing/decorated-orders", csrf_exempt(csrf_protect(async_orders))),  # type: ignore[arg-type]  # async views are no part of the stubs
    path("api/billing/rest-orders", RestOrders.as_view()),
    path("api/billing/plain-rest-orders", PlainRestOrders.as_view()),
    *base_patterns,
]
