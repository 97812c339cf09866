"""Who may do what, by calling the addresses directly: a button that is not shown protects nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    GroupMode,
    OriginUsage,
    PolicyChange,
    RejectedOrigin,
    Rejection,
    TrustedOrigin,
)
from tests.admin.conftest import login
from tests.admin.pages import post, revision, text, url
from tests.factories import (
    NOW,
    FrontEndFactory,
    GroupModeFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    user_with,
)

MODELS = [
    ApiGroup, Environment, FrontEnd, OriginUsage, PolicyChange, RejectedOrigin, Rejection, TrustedOrigin,
]  # fmt: skip
LOGS = [OriginUsage, PolicyChange, RejectedOrigin, Rejection]
NAMES = [model._meta.model_name or "" for model in MODELS]
FORBIDDEN = 403


@pytest.fixture(autouse=True)
def rows(production: Environment, public: ApiGroup) -> None:
    """One row of everything; of trusted origins a revoked one, too."""
    grant = TrustedOriginFactory.create(origin="https://app.example.com", front_end=FrontEndFactory.create())
    services.revoke(TrustedOriginFactory.create(origin="https://gone.example.com"), reason="x")
    GroupModeFactory.create()
    RejectionFactory.create()
    RejectedOriginFactory.create()
    OriginUsage.objects.create(
        trusted_origin=grant, origin=grant.origin, method="GET", count=1, first_seen=NOW, last_seen=NOW
    )


@pytest.fixture
def viewer(db: None) -> User:
    return user_with(*(f"view_{name}" for name in NAMES), "view_groupmode", "view_apiroute", "view_rejection_pii")


def first(model: Any) -> Any:
    return model.objects.earliest("pk")


def everything() -> dict[str, Any]:
    """Return what no request of a viewer may change."""
    models: list[Any] = [*MODELS, ApiRoute, GroupMode]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def page(model: Any, name: str) -> str:
    pages: dict[str, Callable[[], str]] = {
        "list": lambda: url(f"{model._meta.model_name}_changelist"),
        "add": lambda: url(f"{model._meta.model_name}_add"),
        "change": lambda: url(f"{model._meta.model_name}_change", first(model).pk),
        "delete": lambda: url(f"{model._meta.model_name}_delete", first(model).pk),
        "history": lambda: url(f"{model._meta.model_name}_history", first(model).pk),
    }
    return pages[name]()


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_viewer_sees_every_page(viewer: User, model: Any) -> None:
    client = login(viewer)
    for name in ("list", "change", "history"):
        assert client.get(page(model, name)).status_code == 200
    shown = client.get(page(model, "change"))
    assert 'name="_save"' not in shown.content.decode()


def test_viewer_is_offered_no_button_that_changes_anything(viewer: User) -> None:
    client = login(viewer)
    words = text(client.get(page(TrustedOrigin, "list"))) + text(client.get(page(TrustedOrigin, "change")))
    words += text(client.get(page(RejectedOrigin, "list"))) + text(client.get(page(RejectedOrigin, "change")))
    for button in ("Revoke", "Reinstate", "Trust this origin", "Trust…", "Delete", "Add trusted origin"):
        assert button not in words


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_viewer_can_change_nothing_by_address(viewer: User, model: Any) -> None:
    client, before, number = login(viewer), everything(), revision()
    row = {"name": "x", "slug": "x", "origin": "https://evil.example", "note": "x", "mode": "monitor", "post": "yes"}
    for name in ("add", "change", "delete"):
        assert post(client, page(model, name), row).status_code == FORBIDDEN
    for name in ("add", "delete"):
        assert client.get(page(model, name)).status_code == FORBIDDEN
    for action in ("delete_selected", "revoke_selected"):
        ticked = {"action": action, "_selected_action": [first(model).pk], "post": "yes", "revoke": "1", "reason": "x"}
        assert post(client, page(model, "list"), ticked).status_code in (200, 302)
    assert everything() == before
    assert revision() == number


@pytest.mark.parametrize("name", ["revoke", "revoke_everywhere", "reinstate"])
@pytest.mark.parametrize("origin", ["https://app.example.com", "https://gone.example.com"])
def test_viewer_reaches_no_page_of_revocation(viewer: User, name: str, origin: str) -> None:
    client, before = login(viewer), everything()
    address = url(f"trustedorigin_{name}", TrustedOrigin.objects.get(origin=origin).pk)
    assert client.get(address).status_code == FORBIDDEN
    assert post(client, address, {"reason": "x"}).status_code == FORBIDDEN
    assert everything() == before


@pytest.mark.parametrize("model", LOGS, ids=lambda model: model.__name__)
def test_log_can_be_written_by_nobody(operator: Client, model: Any) -> None:
    before = everything()
    for name in ("add", "change", "delete"):
        assert post(operator, page(model, name), {"post": "yes", "origin": "x"}).status_code == FORBIDDEN
    ticked = {"action": "delete_selected", "_selected_action": [first(model).pk], "post": "yes"}
    assert post(operator, page(model, "list"), ticked).status_code in (200, 302)
    after = everything()
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_page_needs_the_permission_to_view_its_own_model(model: Any) -> None:
    others = user_with(*(f"view_{name}" for name in NAMES if name != model._meta.model_name))
    client = login(others)
    for name in ("list", "change"):
        assert client.get(page(model, name)).status_code == FORBIDDEN


def test_nobody_gets_in_without_logging_in() -> None:
    for address in (
        page(TrustedOrigin, "list"),
        url("trustedorigin_revoke", first(TrustedOrigin).pk),
        url("trustedorigin_revoke_everywhere", first(TrustedOrigin).pk),
        url("trustedorigin_reinstate", first(TrustedOrigin).pk),
    ):
        for response in (Client().get(address), post(Client(), address, {"reason": "x"})):
            assert response["Location"].startswith("/admin/login/")


def do(client: Client, deed: str) -> None:
    active = TrustedOrigin.objects.get(origin="https://app.example.com")
    revoked = TrustedOrigin.objects.get(origin="https://gone.example.com")
    place = {"environment": active.environment_id, "api_group": active.api_group_id}
    ticked = {"_selected_action": [active.pk], "post": "yes", "revoke": "yes", "reason": "x"}
    deeds: dict[str, tuple[str, dict[str, Any]]] = {
        "trust": (page(TrustedOrigin, "add"), {**place, "origin": "https://new.example.com", "note": ""}),
        "amend": (url("trustedorigin_change", active.pk), {"note": "new"}),
        "revoke": (url("trustedorigin_revoke", active.pk), {"reason": "x"}),
        "revoke everywhere": (url("trustedorigin_revoke_everywhere", active.pk), {"reason": "x"}),
        "revoke selected": (page(TrustedOrigin, "list"), {"action": "revoke_selected", **ticked}),
        "reinstate": (url("trustedorigin_reinstate", revoked.pk), {"reason": "x"}),
        "delete": (url("trustedorigin_delete", active.pk), {"post": "yes"}),
        "delete selected": (page(TrustedOrigin, "list"), {"action": "delete_selected", **ticked}),
    }
    post(client, *deeds[deed])


@pytest.mark.parametrize("permission", ["add_trustedorigin", "change_trustedorigin", "delete_trustedorigin"])
@pytest.mark.parametrize(
    ("deed", "needs"),
    [
        pytest.param("trust", "add_trustedorigin", id="trust"),
        pytest.param("amend", "change_trustedorigin", id="amend"),
        pytest.param("revoke", "change_trustedorigin", id="revoke"),
        pytest.param("revoke everywhere", "change_trustedorigin", id="revoke everywhere"),
        pytest.param("revoke selected", "change_trustedorigin", id="revoke selected"),
        pytest.param("reinstate", "change_trustedorigin", id="reinstate"),
        pytest.param("delete", "delete_trustedorigin", id="delete"),
        pytest.param("delete selected", "delete_trustedorigin", id="delete selected"),
    ],
)
def test_deed_needs_its_own_permission(permission: str, deed: str, needs: str) -> None:
    before = everything()["TrustedOrigin"]
    do(login(user_with("view_trustedorigin", permission)), deed)
    assert (everything()["TrustedOrigin"] != before) is (permission == needs)


def test_every_action_names_its_permissions() -> None:
    for model in MODELS:
        model_admin = admin.site._registry[model]
        for action in [*(model_admin.actions or ()), *(function for _name, function in admin.site.actions)]:
            function = getattr(model_admin, action) if isinstance(action, str) else action
            assert getattr(function, "allowed_permissions", ()), f"{model.__name__}.{action}"
