"""Session authentication of REST framework views: the list of trusted origins counts, where the project asks for it."""

import subprocess
import sys

import pytest
from django.test import Client
from pytest_django import Settings

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment
from tests.factories import user_with

APP = "https://app.example.com"
STRANGER = "https://stranger.example.net"
OURS = "/api/billing/rest-orders"
PLAIN = "/api/billing/plain-rest-orders"
SECRET = "s" * 32


@pytest.fixture
def shop(production: Environment, billing: ApiGroup, settings: Settings) -> ApiGroup:
    """The API group of the orders, trusted for CSRF, and one origin that it trusts."""
    settings.ROOT_URLCONF = "tests.shop"
    billing.trusted_for_csrf = True
    billing.save()
    services.trust(APP, environment="production", api_group="billing")
    return billing


@pytest.fixture
def client(db: None) -> Client:
    """A signed-in user's browser."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_with(username="ada"))
    client.cookies["csrftoken"] = SECRET
    return client


def post(client: Client, path: str, origin: str, token: str = SECRET) -> tuple[int, str]:
    response = client.post(path, headers={"Origin": origin, "X-CSRFToken": token})
    return response.status_code, response.json().get("ordered_by") or response.json()["detail"]


# The middleware has no say here: REST framework's views are exempt from it.
@pytest.mark.parametrize(
    "middleware", ["django.middleware.csrf.CsrfViewMiddleware", "django_cors_guard.csrf.CsrfViewMiddleware"]
)
def test_session_of_a_trusted_origin(client: Client, shop: ApiGroup, settings: Settings, middleware: str) -> None:
    settings.MIDDLEWARE = [middleware if "csrf" in path else path for path in settings.MIDDLEWARE]
    refused = f"CSRF Failed: Origin checking failed - {APP} does not match any trusted origins."

    assert post(client, PLAIN, APP) == (403, refused)
    assert post(client, OURS, APP) == (200, "ada")
    assert post(client, OURS, "http://testserver") == (200, "ada")


def test_session_of_another_origin_is_refused(client: Client, shop: ApiGroup) -> None:
    assert post(client, OURS, STRANGER) == (
        403,
        f"CSRF Failed: Origin checking failed - {STRANGER} does not match any trusted origins.",
    )


def test_session_of_a_trusted_origin_needs_the_token(client: Client, shop: ApiGroup) -> None:
    assert post(client, OURS, APP, "t" * 32) == (
        403, "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header incorrect.",
    )  # fmt: skip


def test_session_of_a_group_that_does_not_say_so_is_refused(client: Client, shop: ApiGroup) -> None:
    shop.trusted_for_csrf = False
    shop.save()

    assert post(client, OURS, APP)[0] == 403


def test_request_without_a_session_needs_no_token(shop: ApiGroup) -> None:
    response = Client(enforce_csrf_checks=True).post(OURS, headers={"Origin": STRANGER})

    assert (response.status_code, response.json()) == (200, {"ordered_by": ""})


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_class_may_be_imported_before_there_are_models() -> None:
    # As REST framework does when something imports its views while apps are being loaded.
    program = """
from django.conf import settings
path = "django_cors_guard.api.authentication.SessionAuthentication"
settings.configure(REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [path]})
from rest_framework.views import APIView
print(APIView.authentication_classes[0].__module__)
"""

    assert run(program) == "django_cors_guard.api.authentication"


def test_schema_knows_the_class_where_the_project_uses_drf_spectacular() -> None:
    program = """
import django
from django.conf import settings
from tests import settings as base
settings.configure(INSTALLED_APPS=[*base.INSTALLED_APPS, "drf_spectacular"], SECRET_KEY="x")
django.setup()
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from django_cors_guard.api.authentication import SessionAuthentication
print(OpenApiAuthenticationExtension.get_match(SessionAuthentication()).name)
"""

    assert run(program) == "cookieAuth"
