from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework import views

from django_cors_guard.api.urls import app_name, urlpatterns
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.own_paths import own_paths
from tests.factories import ApiRouteFactory, TrustedOriginFactory

NAMES = {
    "rejection-list": (),
    "rejection-summary": (),
    "rejection-export": (),
    "rejection-detail": (1,),
    "rejected-origin-list": (),
    "rejected-origin-detail": (1,),
    "rejected-origin-trust": (1,),
    "rejected-origin-ignore": (1,),
    "rejected-origin-reopen": (1,),
    "trusted-origin-list": (),
    "trusted-origin-detail": (1,),
    "trusted-origin-review": (1,),
    "trusted-origin-revoke": (1,),
    "trusted-origin-reinstate": (1,),
    "trusted-origin-revoke-origin": (),
    "trusted-origin-by-origin": (),
    "review-list": (),
    "review-export": (),
    "usage-list": (),
    "change-list": (),
    "change-export": (),
    "front-end-list": (),
    "environment-list": (),
    "api-group-list": (),
    "check": (),
    "status": (),
}  # fmt: skip


def test_names_are_all_there_is() -> None:
    assert {pattern.name for pattern in urlpatterns} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_address_is_one_of_the_guards_own_paths(name: str) -> None:
    assert own_paths().cover(reverse(f"{app_name}:{name}", args=NAMES[name]))


def test_no_origin_is_ever_trusted_with_the_api(production: Environment, public: ApiGroup) -> None:
    ApiRouteFactory.create(api_group=public, path_prefix="/")
    TrustedOriginFactory.create(origin="https://app.example.com")
    headers = {"origin": "https://app.example.com"}
    assert Client().get("/elsewhere", headers=headers).headers["Access-Control-Allow-Origin"]
    response = Client().get(reverse("cors_guard:rejection-list"), headers=headers)
    assert "Access-Control-Allow-Origin" not in response.headers
    preflight = Client().options(
        reverse("cors_guard:check"), headers={**headers, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "permission_classes", "throttle_classes", "renderer_classes", "parser_classes", "content_negotiation_class",
        "versioning_class", "metadata_class", "schema",
    ],
)  # fmt: skip
def test_views_pin_what_a_projects_defaults_could_change(name: str) -> None:
    assert name in vars(views.APIView)
    assert name in vars(GuardViewSet)
    for pattern in urlpatterns:
        view: Any = pattern.callback
        assert issubclass(view.cls, GuardViewSet)
