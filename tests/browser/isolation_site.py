"""A site with what pages of other sites may want to load: a picture, a script and data, and a page of its own."""

from base64 import b64decode
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

PICTURE: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGE: Final = "<!doctype html><title>A page</title><p>A page</p>"


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def picture(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PICTURE, content_type="image/gif")


def script(request: HttpRequest) -> HttpResponse:
    return HttpResponse("window.stolen = true;", content_type="text/javascript")


def data(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"secret": 1})


urlpatterns = [
    path("", page),
    path("api/billing/page", page),
    path("api/billing/picture", picture),
    path("api/billing/script", script),
    path("api/billing/data", data),
]
