"""System checks about CSRF: whether what the policy says about it can come true in the project."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.urls import clear_url_caches, path
from pytest_django import Settings
from rest_framework.authentication import SessionAuthentication as PlainSessionAuthentication

from django_cors_guard import checks
from django_cors_guard.api.authentication import SessionAuthentication
from django_cors_guard.checks import csrf
from django_cors_guard.checks.rules import RULES
from django_cors_guard.csrf import CsrfViewMiddleware
from django_cors_guard.models import ApiGroup, PolicyState
from tests.factories import ApiRouteFactory
from tests.servers import ROOT
from tests.shop import PlainRestOrders, RestOrders

GUARD = "django_cors_guard.middleware.CorsGuardMiddleware"
OURS = "django_cors_guard.csrf.CsrfViewMiddleware"
DJANGOS = "django.middleware.csrf.CsrfViewMiddleware"


class ShopCsrfMiddleware(CsrfViewMiddleware):
    """A project's own."""


class ShopSessionAuthentication(SessionAuthentication):
    """A project's own."""


class ShopPlainAuthentication(PlainSessionAuthentication):
    """A project's own, of REST framework's."""


SHOP = f"{__name__}.ShopCsrfMiddleware"


def ids(messages: Sequence[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("cors_guard.") for message in messages]


@pytest.fixture
def shop(billing: ApiGroup) -> ApiGroup:
    billing.trusted_for_csrf = True
    billing.allow_headers = ["content-type", "x-csrftoken"]
    billing.save()
    return billing


@pytest.mark.parametrize(
    ("middleware", "told"),
    [
        pytest.param([GUARD, OURS], "", id="in its place"),
        pytest.param([GUARD, DJANGOS], "", id="not at all"),
        pytest.param([GUARD, SHOP], "", id="the project's own"),
        pytest.param([GUARD, OURS, SHOP], "", id="twice, which changes nothing"),
        pytest.param([GUARD, DJANGOS, OURS], f"{DJANGOS} stands in MIDDLEWARE beside {OURS}", id="before it"),
        pytest.param([GUARD, OURS, DJANGOS], f"Remove '{DJANGOS}'", id="behind it"),
        pytest.param([GUARD, SHOP, DJANGOS], f"beside {SHOP}", id="beside the project's own"),
        pytest.param([GUARD, "no.such.Middleware", OURS], "", id="beside what cannot be imported"),
    ],
)
def test_middleware(middleware: list[str], told: str, settings: Settings) -> None:
    settings.MIDDLEWARE = middleware

    messages = csrf.check_csrf_middleware()

    assert ids(messages) == (["E007"] if told else [])
    assert told in "".join(f"{message.msg} {message.hint}" for message in messages)


@pytest.mark.parametrize(
    ("middleware", "changes", "found"),
    [
        pytest.param(OURS, {}, ["W010"], id="insecure"),
        pytest.param(OURS, {"CSRF_COOKIE_SECURE": True}, [], id="secure"),
        pytest.param(OURS, {"CSRF_USE_SESSIONS": True}, [], id="in the session"),
        pytest.param(DJANGOS, {}, [], id="Django's, which Django checks"),
    ],
)
def test_cookie_of_a_deployment(middleware: str, changes: dict[str, Any], found: list[str], settings: Settings) -> None:
    settings.MIDDLEWARE = [GUARD, middleware]
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids(run_checks(tags=[checks.TAG], include_deployment_checks=True)) == found
    assert ids(run_checks(tags=[checks.TAG])) == []


def ask() -> list[CheckMessage]:
    return checks.check_csrf_groups(databases=["default"])


@pytest.mark.parametrize(
    ("middleware", "found"),
    [
        pytest.param(OURS, [], id="ours"),
        pytest.param(SHOP, [], id="the project's own"),
        pytest.param(DJANGOS, ["W008"], id="Django's"),
        pytest.param("django.middleware.common.CommonMiddleware", ["W008"], id="none"),
    ],
)
def test_group_needs_the_middleware(middleware: str, found: list[str], shop: ApiGroup, settings: Settings) -> None:
    settings.MIDDLEWARE = [GUARD, middleware]

    messages = ask()

    assert ids(messages) == found
    assert all("“billing” is trusted for CSRF" in message.msg for message in messages)


def test_group_that_does_not_say_so_needs_nothing(billing: ApiGroup, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.shop"

    assert ask() == []


@pytest.mark.parametrize(
    ("names", "setting", "found"),
    [
        pytest.param(["x-csrftoken"], "HTTP_X_CSRFTOKEN", [], id="listed"),
        pytest.param(["X-CSRFToken"], "HTTP_X_CSRFTOKEN", [], id="in the spelling of the docs"),
        pytest.param(["*"], "HTTP_X_CSRFTOKEN", [], id="any"),
        pytest.param(["x-csrftoken"], "HTTP_X_TOKEN", ["W011"], id="another one's name"),
        pytest.param(["content-type"], "HTTP_X_CSRFTOKEN", ["W011"], id="not listed"),
        pytest.param([], "HTTP_X_CSRFTOKEN", ["W011"], id="none"),
        pytest.param(7, "HTTP_X_CSRFTOKEN", ["W011"], id="no list at all"),
    ],
)
def test_group_needs_the_header_of_the_token(
    names: object, setting: str, found: list[str], shop: ApiGroup, settings: Settings
) -> None:
    settings.MIDDLEWARE = [GUARD, OURS]
    settings.CSRF_HEADER_NAME = setting
    ApiGroup.objects.update(allow_headers=names)

    assert ids(ask()) == found


def test_group_needs_the_authentication_of_its_rest_framework_views(shop: ApiGroup, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.shop"
    settings.MIDDLEWARE = [GUARD, OURS]

    (message,) = ask()

    assert message.id == "cors_guard.W009"
    assert "the session authentication of /api/billing/plain-rest-orders has Django alone" in message.msg
    assert "'django_cors_guard.api.authentication.SessionAuthentication'" in str(message.hint)


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[..., None]]:
    """Make these views the project, each on a path of its own below /api/billing."""

    def change(*views: Any) -> None:
        settings.MIDDLEWARE = [GUARD, OURS]
        module = ModuleType("shop_urls_of_a_test")
        module.__dict__["urlpatterns"] = [path(f"api/billing/{number}", view) for number, view in enumerate(views)]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ROOT_URLCONF = module.__name__

    with pytest.MonkeyPatch.context() as monkeypatch:
        yield change
    clear_url_caches()


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        pytest.param([SessionAuthentication], [], id="ours"),
        pytest.param([ShopSessionAuthentication], [], id="the project's own"),
        pytest.param([PlainSessionAuthentication], ["W009"], id="REST framework's"),
        pytest.param([ShopPlainAuthentication], ["W009"], id="one that extends it"),
        pytest.param([SessionAuthentication, PlainSessionAuthentication], ["W009"], id="both"),
    ],
)
@pytest.mark.parametrize("by_class", [True, False], ids=["of the class", "of the URLconf"])
def test_authentication_of_a_view(
    classes: list[type], by_class: bool, found: list[str], shop: ApiGroup, serve: Callable[..., None]
) -> None:
    if by_class:
        own: Any = type("Orders", (RestOrders,), {"authentication_classes": classes})
        serve(own.as_view())
    else:
        serve(RestOrders.as_view(authentication_classes=classes))

    assert ids(ask()) == found


def test_views_of_other_groups_are_their_own_business(shop: ApiGroup, settings: Settings) -> None:
    settings.MIDDLEWARE = [GUARD, OURS]
    settings.ROOT_URLCONF = "tests.shop"
    other = ApiGroup.objects.create(slug="rest", name="Rest")
    ApiRouteFactory.create(api_group=other, path_prefix="/api/billing/plain-rest-orders")

    assert ask() == []


def test_more_than_a_few_views_are_not_named(shop: ApiGroup, serve: Callable[..., None]) -> None:
    serve(*[PlainRestOrders.as_view()] * 4)

    (message,) = ask()

    assert "of /api/billing/0, /api/billing/1, /api/billing/2, … has" in message.msg


@pytest.mark.parametrize("databases", [None, [], ["other"]])
def test_groups_are_not_asked_for_unless_the_database_is_named(databases: list[str] | None) -> None:
    # Without the db fixture every query fails this test.
    assert checks.check_csrf_groups(databases=databases) == []


def test_groups_are_not_asked_for_before_the_tables_exist(
    shop: ApiGroup, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(PolicyState._meta, "db_table", "not_there_yet")

    assert ask() == []


def test_checks_about_csrf_are_documented() -> None:
    ids_of_rules = {rule.id for name, rule in RULES.items() if name.startswith("csrf")}

    listed = set(
        re.findall(r"^\| `(cors_guard\.[EW]\d{3})` \|", (ROOT / "docs/how-to/csrf.md").read_text(), re.MULTILINE)
    )

    assert listed == ids_of_rules
