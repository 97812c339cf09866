"""The CSRF middleware as requests meet it, each through Django's WSGI and its ASGI handler."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest
from django.test import AsyncClient, Client, RequestFactory
from django.urls import resolve
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from django_cors_guard import csrf, services
from django_cors_guard.csrf import CsrfViewMiddleware, find_refusal, is_trusted
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, PolicyState
from django_cors_guard.store import store
from django_cors_guard.testing import override_cors_guard
from tests.factories import GroupModeFactory, TrustedOriginFactory

DJANGOS = "django.middleware.csrf.CsrfViewMiddleware"
OURS = "django_cors_guard.csrf.CsrfViewMiddleware"

APP = "https://app.example.com"
STRANGER = "https://stranger.example.net"
ORDERS = "/api/billing/orders"
SECRET = "s" * 32

#: What a page that holds the token sends.
Send = Callable[..., int]


class ShopCsrfMiddleware(CsrfViewMiddleware):
    """A project's own."""


@pytest.fixture(autouse=True)
def _shop(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.shop"
    use_middleware(settings, OURS)


def use_middleware(settings: Settings, path: str) -> None:
    settings.MIDDLEWARE = [path if item in {DJANGOS, OURS} else item for item in settings.MIDDLEWARE]


@pytest.fixture
def shop(production: Environment, billing: ApiGroup) -> ApiGroup:
    """The API group of the orders, trusted for CSRF, and one origin that it trusts."""
    billing.trusted_for_csrf = True
    billing.save()
    services.trust(APP, environment="production", api_group="billing")
    return billing


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Post with cookie and token, unless told otherwise; return the status."""

    def headers_of(origin: str | None, token: str | None, more: dict[str, str]) -> dict[str, str]:
        named = {"Origin": origin, "X-CSRFToken": token}
        return {name: value for name, value in named.items() if value is not None} | more

    def send_sync(
        origin: str | None = APP,
        path: str = ORDERS,
        *,
        method: str = "POST",
        cookie: str | None = SECRET,
        token: str | None = SECRET,
        secure: bool = False,
        **more: str,
    ) -> int:
        client = Client(enforce_csrf_checks=True)
        if cookie is not None:
            client.cookies["csrftoken"] = cookie
        response = client.generic(method, path, headers=headers_of(origin, token, more), secure=secure)
        return response.status_code

    def send_async(
        origin: str | None = APP,
        path: str = ORDERS,
        *,
        method: str = "POST",
        cookie: str | None = SECRET,
        token: str | None = SECRET,
        secure: bool = False,
        **more: str,
    ) -> int:
        async def ask() -> int:
            client = AsyncClient(enforce_csrf_checks=True)
            if cookie is not None:
                client.cookies["csrftoken"] = cookie
            response = await client.generic(method, path, headers=headers_of(origin, token, more), secure=secure)
            return response.status_code

        return async_to_sync(ask)()

    return send_sync if request.param == "sync" else send_async


# --- who gets through -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_trusted_origin_may_change_things(send: Send, shop: ApiGroup, method: str) -> None:
    assert send(method=method) == 200


def test_trusted_origin_reaches_an_async_view(send: Send, shop: ApiGroup) -> None:
    assert send(path="/api/billing/async-orders") == 200


def test_trusted_origin_fails_with_djangos_own_middleware(send: Send, shop: ApiGroup, settings: Settings) -> None:
    use_middleware(settings, DJANGOS)

    assert send() == 403


@pytest.mark.parametrize("origin", [STRANGER, "null", "http://app.example.com", f"{APP}:8443", f"{APP}, {APP}", ""])
def test_other_origins_are_refused_as_ever(send: Send, shop: ApiGroup, origin: str) -> None:
    assert send(origin) == 403


def test_pattern_trusts_what_it_covers(send: Send, production: Environment, shop: ApiGroup) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    services.trust("https://*.preview.example.com", environment="production", api_group="billing")

    assert send("https://pr-7.preview.example.com") == 200
    assert send("https://preview.example.com") == 403


def test_expired_grant_is_refused(send: Send, production: Environment, shop: ApiGroup) -> None:
    TrustedOriginFactory.create(
        environment=production, api_group=shop, origin=STRANGER, expires_at=timezone.now() - timedelta(minutes=1)
    )

    assert send(STRANGER) == 403


def test_revoked_origin_is_refused_at_once(send: Send, shop: ApiGroup, settings: Settings) -> None:
    # Without the guard's own middleware, which would have refused it before.
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert send() == 200

    services.revoke_origin(APP, reason="its key leaked")

    assert send() == 403


def test_group_that_does_not_say_so_is_refused(send: Send, shop: ApiGroup) -> None:
    shop.trusted_for_csrf = False
    shop.save()

    assert send() == 403


def test_path_of_no_group_is_refused(send: Send, shop: ApiGroup) -> None:
    assert send(path="/elsewhere/hello") == 403


def test_path_of_an_open_group_is_refused(send: Send, shop: ApiGroup, public: ApiGroup) -> None:
    public.any_origin = True
    public.save()

    assert send(path="/api/public/hello") == 403


def test_monitoring_group_opens_nothing(send: Send, production: Environment, shop: ApiGroup) -> None:
    GroupModeFactory.create(environment=production, api_group=shop, mode="monitor")

    assert send() == 403


def test_blocking_group_opens(send: Send, production: Environment, shop: ApiGroup) -> None:
    production.mode = "block"
    production.save()

    assert send() == 200


def test_max_mode_monitor_opens_nothing(send: Send, shop: ApiGroup) -> None:
    with override_cors_guard(MAX_MODE="monitor"):
        assert send() == 403


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/"])
def test_admin_is_never_opened_whatever_the_routes_say(send: Send, shop: ApiGroup, path: str) -> None:
    ApiRoute.objects.create(api_group=shop, path_prefix="/")

    assert send(path="/elsewhere/hello") == 200
    assert send(path=path) == 403


def test_own_view_on_a_path_that_does_not_look_it_is_never_opened(shop: ApiGroup) -> None:
    request = RequestFactory().post(ORDERS, headers={"Origin": APP})
    request.resolver_match = resolve(ORDERS)
    assert is_trusted(request)

    request.resolver_match = resolve("/admin/")  # as under request.urlconf

    assert not is_trusted(request)


def test_subclass_of_a_project_does_the_same(send: Send, shop: ApiGroup, settings: Settings) -> None:
    use_middleware(settings, f"{__name__}.ShopCsrfMiddleware")

    assert send() == 200
    assert send(STRANGER) == 403


# --- what stays Django's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "token"),
    [
        pytest.param(None, SECRET, id="no cookie"),
        pytest.param(SECRET, None, id="no token"),
        pytest.param(SECRET, "t" * 32, id="another token"),
        pytest.param("bad", "bad", id="malformed"),
    ],
)
def test_trusted_origin_still_needs_cookie_and_token(
    send: Send, shop: ApiGroup, cookie: str | None, token: str | None
) -> None:
    assert send(cookie=cookie, token=token) == 403


def test_referer_of_a_trusted_origin_is_not_enough(send: Send, shop: ApiGroup) -> None:
    assert send(None, secure=True, Referer="https://testserver/page") == 200
    assert send(None, secure=True, Referer=f"{APP}/page") == 403


def test_csrf_trusted_origins_count_as_before(send: Send, shop: ApiGroup, settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [STRANGER]

    assert send(STRANGER) == 200
    assert send(STRANGER, path="/elsewhere/hello") == 200


def test_list_is_asked_only_about_what_django_refuses(
    send: Send, shop: ApiGroup, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: HttpRequest) -> bool:
        raise AssertionError("nothing to ask")

    monkeypatch.setattr(csrf, "is_trusted", fail)
    settings.CSRF_TRUSTED_ORIGINS = [STRANGER]

    assert send("http://testserver") == 200
    assert send(STRANGER) == 200
    assert send(None) == 200
    assert send(method="GET") == 200
    with pytest.raises(AssertionError, match="nothing to ask"):
        send(APP)


# --- trouble, cost and the event loop ---------------------------------------------------------------------------------


def test_trouble_leaves_djangos_answer(
    send: Send, shop: ApiGroup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(csrf, "judge_csrf", fail)

    with caplog.at_level(logging.ERROR, logger="django_cors_guard.csrf"):
        assert send() == 403
        assert send("http://testserver") == 200

    assert [record.getMessage() for record in caplog.records if record.name == "django_cors_guard.csrf"] == [
        "The list of trusted origins could not be asked; Django's answer about the origin stands."
    ]


def test_cold_start_without_a_database_opens_nothing(
    send: Send, shop: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.forget()
    monkeypatch.setattr(PolicyState, "read", _be_down)

    assert send() == 403


def test_policy_that_has_lapsed_opens_nothing(send: Send, shop: ApiGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    with override_cors_guard(MAX_STALE_SECONDS=900):
        assert send() == 200
        monkeypatch.setattr(PolicyState, "read", _be_down)
        assert send() == 200  # the last good policy serves

    with override_cors_guard(MAX_STALE_SECONDS=0):
        assert send() == 403


def _be_down(*_: object) -> None:
    raise OSError("the database is away")


def test_steady_state_asks_the_database_nothing(
    send: Send, shop: ApiGroup, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with override_cors_guard(REFRESH_SECONDS=60):
        assert send() == 200
        with django_assert_num_queries(0):
            assert send() == 200
            assert send(STRANGER) == 403


def test_decorator_checks_a_view_that_the_middleware_leaves_alone(send: Send, shop: ApiGroup) -> None:
    path = "/api/billing/decorated-orders"

    assert send(path=path) == 200
    assert send(STRANGER, path=path) == 403
    assert send(path=path, token=None) == 403
    # On the event loop a look at the database would have failed, and counted as the database's failure.
    assert store.freshness().failures == 0


def test_refusal_is_found_outside_the_middleware_stack(shop: ApiGroup) -> None:
    def ask(origin: str, **headers: str) -> str:
        request = RequestFactory().post(ORDERS, headers={"Origin": origin, **headers})
        request.COOKIES["csrftoken"] = SECRET
        return find_refusal(request)

    assert ask(APP, **{"X-CSRFToken": SECRET}) == ""
    assert ask(APP) == "CSRF token missing."
    assert ask(STRANGER, **{"X-CSRFToken": SECRET}) == (
        f"Origin checking failed - {STRANGER} does not match any trusted origins."
    )


def test_login_hands_out_a_new_token(shop: ApiGroup, django_user_model: type) -> None:
    django_user_model.objects.create_user("ada", password="secret")  # type: ignore[attr-defined]  # the user model
    client = Client(enforce_csrf_checks=True, headers={"Origin": APP})
    session = "/api/billing/session"
    token = client.get(session).json()["token"]
    wish = {"username": "ada", "password": "secret"}

    response = client.post(session, wish, "application/json", headers={"X-CSRFToken": token})

    assert response.json()["user"] == "ada"
    assert response.headers["Access-Control-Allow-Origin"] == APP
    ordered = client.post(ORDERS, headers={"X-CSRFToken": response.json()["token"]})
    assert ordered.content == b'{"ordered_by": "ada"}'
