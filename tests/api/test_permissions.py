import json
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Permission

from django_cors_guard.api.views.rejections import RejectionViewSet
from django_cors_guard.models import ApiGroup, Environment, PolicyState, RejectedOrigin, Rejection, TrustedOrigin
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import RejectedOriginFactory, RejectionFactory, TrustedOriginFactory, UserFactory

ORIGIN = "https://app.example.com"


def card_of() -> RejectedOrigin:
    """Return the one card."""
    return RejectedOrigin.objects.first() or RejectedOriginFactory.create()


class Call(NamedTuple):
    """One endpoint: how it is called, the codenames it takes, and what it answers with them."""

    method: str
    path: Callable[[Rejection, TrustedOrigin], str]
    body: Any
    needs: tuple[str, ...]
    status: int


CALLS = {
    "rejections": Call("GET", lambda rejection, grant: "rejections/", None, ("view_rejection",), 200),
    "rejection": Call("GET", lambda rejection, grant: f"rejections/{rejection.pk}/", None, ("view_rejection",), 200),
    "summary": Call("GET", lambda rejection, grant: "rejections/summary/", None, ("view_rejection",), 200),
    "export": Call("GET", lambda rejection, grant: "rejections/export/", None, ("view_rejection",), 200),
    "cards": Call("GET", lambda rejection, grant: "rejected-origins/", None, ("view_rejectedorigin",), 200),
    "card": Call(
        "GET", lambda rejection, grant: f"rejected-origins/{card_of().pk}/", None, ("view_rejectedorigin",), 200
    ),
    "trust card": Call(
        "POST",
        lambda rejection, grant: f"rejected-origins/{card_of().pk}/trust/",
        {},
        ("view_rejectedorigin", "add_trustedorigin"),
        201,
    ),
    "ignore card": Call(
        "POST",
        lambda rejection, grant: f"rejected-origins/{card_of().pk}/ignore/",
        {},
        ("view_rejectedorigin", "change_rejectedorigin"),
        200,
    ),
    "reopen card": Call(
        "POST",
        lambda rejection, grant: f"rejected-origins/{card_of().pk}/reopen/",
        {},
        ("view_rejectedorigin", "change_rejectedorigin"),
        200,
    ),
    "usage": Call("GET", lambda rejection, grant: "usage/", None, ("view_originusage",), 200),
    "changes": Call("GET", lambda rejection, grant: "changes/", None, ("view_policychange",), 200),
    "changes export": Call("GET", lambda rejection, grant: "changes/export/", None, ("view_policychange",), 200),
    "front ends": Call("GET", lambda rejection, grant: "front-ends/", None, ("view_frontend",), 200),
    "environments": Call("GET", lambda rejection, grant: "environments/", None, ("view_environment",), 200),
    "api groups": Call("GET", lambda rejection, grant: "api-groups/", None, ("view_apigroup",), 200),
    "trusted origins": Call("GET", lambda rejection, grant: "trusted-origins/", None, ("view_trustedorigin",), 200),
    "trusted origin": Call(
        "GET", lambda rejection, grant: f"trusted-origins/{grant.pk}/", None, ("view_trustedorigin",), 200
    ),
    "trust": Call(
        "POST",
        lambda rejection, grant: "trusted-origins/",
        {"origin": "https://new.example.com", "environment": "production", "api_group": "public"},
        ("add_trustedorigin",),
        201,
    ),
    "revoke": Call(
        "POST",
        lambda rejection, grant: f"trusted-origins/{grant.pk}/revoke/",
        {"reason": "gone"},
        ("change_trustedorigin",),
        200,
    ),
    "reinstate": Call(
        "POST",
        lambda rejection, grant: f"trusted-origins/{grant.pk}/reinstate/",
        {"reason": "back"},
        ("change_trustedorigin",),
        200,
    ),
    "review": Call(
        "POST",
        lambda rejection, grant: f"trusted-origins/{grant.pk}/review/",
        {"reason": "looked at"},
        ("change_trustedorigin",),
        200,
    ),
    "reviews": Call("GET", lambda rejection, grant: "reviews/", None, ("view_trustedorigin",), 200),
    "reviews export": Call("GET", lambda rejection, grant: "reviews/export/", None, ("view_trustedorigin",), 200),
    "revoke origin": Call(
        "POST",
        lambda rejection, grant: "trusted-origins/revoke-origin/",
        {"origin": ORIGIN, "reason": "gone"},
        ("change_trustedorigin",),
        200,
    ),
    "issue": Call(
        "PUT",
        lambda rejection, grant: "trusted-origins/by-origin/",
        {"origin": "https://new.example.com", "environment": "production", "api_groups": ["public"]},
        ("add_trustedorigin", "change_trustedorigin"),
        201,
    ),
    "withdraw": Call(
        "DELETE",
        lambda rejection, grant: "trusted-origins/by-origin/",
        {"origin": ORIGIN},
        ("change_trustedorigin",),
        200,
    ),
    "check": Call(
        "POST",
        lambda rejection, grant: "check/",
        {"origin": ORIGIN, "path": "/api/public/x"},
        ("view_trustedorigin", "view_environment"),
        200,
    ),
    "status": Call("GET", lambda rejection, grant: "status/", None, ("view_policystate",), 200),
}
EACH_CALL = pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS.items()])


@pytest.fixture
def grant(production: Environment, public: ApiGroup) -> TrustedOrigin:
    return TrustedOriginFactory.create(environment=production, api_group=public, origin=ORIGIN)


@pytest.fixture
def rejection(db: None) -> Rejection:
    return RejectionFactory.create()


def make(api: Api, call: Call, rejection: Rejection, grant: TrustedOrigin) -> Any:
    path = call.path(rejection, grant)
    if call.method == "GET":
        return api.get(path)
    return api.send(call.method, path, json.dumps(call.body))


def all_permissions() -> set[str]:
    found = Permission.objects.filter(content_type__app_label="cors_guard")
    return set(found.values_list("codename", flat=True))


@EACH_CALL
def test_call_with_exactly_its_permissions_is_answered(
    call: Call, api: MakeApi, rejection: Rejection, grant: TrustedOrigin
) -> None:
    assert make(api(*call.needs), call, rejection, grant).status_code == call.status


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        pytest.param(call, missing, id=f"{name} without {missing}")
        for name, call in CALLS.items()
        for missing in call.needs
    ],
)
def test_call_without_one_of_its_permissions_is_403_that_names_it_and_changes_nothing(
    call: Call, missing: str, api: MakeApi, rejection: Rejection, grant: TrustedOrigin
) -> None:
    client = api(*(all_permissions() - {missing}))
    before = PolicyState.read("default")
    response = make(client, call, rejection, grant)
    assert response.status_code == 403
    assert response.json()["code"] == "permission_denied"
    assert codes(response) == []
    assert f"cors_guard.{missing}" in response.json()["detail"]
    assert PolicyState.read("default") == before
    assert not RejectedOrigin.objects.exclude(status="new").exists()


@EACH_CALL
def test_call_of_nobody_is_refused_and_tells_nothing(
    call: Call, anonymous: Api, rejection: Rejection, grant: TrustedOrigin
) -> None:
    before = PolicyState.read("default")
    response = make(anonymous, call, rejection, grant)
    assert response.status_code in {401, 403}
    assert codes(response) == []
    assert ORIGIN not in response.text
    assert PolicyState.read("default") == before


@EACH_CALL
def test_call_of_a_user_who_was_switched_off_is_refused(
    call: Call, api: MakeApi, rejection: Rejection, grant: TrustedOrigin
) -> None:
    client = api(*call.needs)
    assert client.user is not None
    client.user.is_active = False
    client.user.save()
    assert make(client, call, rejection, grant).status_code in {401, 403}


@EACH_CALL
def test_call_of_a_superuser_is_answered(call: Call, db: None, rejection: Rejection, grant: TrustedOrigin) -> None:
    assert make(Api(UserFactory.create(is_superuser=True)), call, rejection, grant).status_code == call.status


@pytest.mark.parametrize(
    ("call", "method"),
    [
        pytest.param(call, method, id=f"{method} {name}")
        for (name, call), method in product(CALLS.items(), ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "MAKE"])
        if not (call.method in {"PUT", "DELETE"} and method in {"PUT", "DELETE"})
    ],
)
def test_method_that_is_no_action_leaks_nothing_without_permission(
    call: Call, method: str, api: MakeApi, rejection: Rejection, grant: TrustedOrigin
) -> None:
    path = call.path(rejection, grant)
    refused = api().send(method, path)
    assert refused.status_code == 403
    assert ORIGIN not in refused.text
    answered = api(*call.needs).send(method, path)
    if method == "OPTIONS":
        assert (answered.status_code, answered.content) == (204, b"")
        assert call.method in answered.headers["Allow"]
    else:
        assert answered.status_code == 405
        assert codes(answered) == []
        assert answered.json()["code"] == "method_not_allowed"
        assert call.method in answered.json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "rejections", "rejection", "summary", "export", "cards", "card", "usage", "changes", "changes export",
        "front ends", "environments", "api groups", "trusted origins", "trusted origin", "status",
    ],
)  # fmt: skip
def test_head_asks_for_the_same_permission_as_get(
    name: str, api: MakeApi, rejection: Rejection, grant: TrustedOrigin
) -> None:
    call = CALLS[name]
    path = call.path(rejection, grant)
    assert api().send("HEAD", path).status_code == 403
    answered = api(*call.needs).send("HEAD", path)
    assert (answered.status_code, b"".join(answered)) == (200, b"")


def test_action_that_names_no_permission_is_closed_to_everybody(
    api: MakeApi, monkeypatch: pytest.MonkeyPatch, rejection: Rejection
) -> None:

    monkeypatch.setattr(RejectionViewSet, "permissions", {"retrieve": ("cors_guard.view_rejection",)})
    assert Api(UserFactory.create(is_superuser=True)).get("rejections/").status_code == 403
    assert api("view_rejection").get(f"rejections/{rejection.pk}/").status_code == 200
