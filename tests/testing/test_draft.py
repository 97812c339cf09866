"""A block decides exactly as the same policy does that is written as rows."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_guard.core.policy import Policy
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, GroupMode, TrustedOrigin
from django_cors_guard.store import load
from django_cors_guard.testing import trusted
from django_cors_guard.testing.draft import compile_blocks

ORIGINS = [
    "https://app.example",
    "https://app.example:8443",
    "https://*.app.example",
    "http://app.example",
    "http://localhost:3000",
    "http://localhost:*",
    "capacitor://localhost",
    "https://xn--bcher-kva.example",
]
SWITCHES = [
    *["allow_insecure_http", "allow_insecure_credentials", "allow_loopback"],
    *["allow_subdomain_patterns", "allow_custom_schemes"],
]

wishes = st.fixed_dictionaries(
    {
        "group": st.sampled_from(["billing", "public", "shop"]),
        "origins": st.lists(st.sampled_from(ORIGINS), max_size=4, unique=True),
        "revoked": st.lists(st.sampled_from(ORIGINS), max_size=2, unique=True),
    },
    optional={
        "path": st.sampled_from(["/", "/api", "/api/billing", "/api/public/"]),
        "host": st.sampled_from(["", "api.example.com", "API.example.com:80"]),
        "credentials": st.booleans(),
        "any_origin": st.booleans(),
        "trusted_for_csrf": st.booleans(),
        "methods": st.lists(st.sampled_from(["GET", "PUT", "*"]), unique=True),
        "headers": st.lists(st.sampled_from(["x-token", "Authorization", "*"]), unique=True),
        "expose": st.lists(st.sampled_from(["x-total", "etag"]), unique=True),
        "max_age": st.integers(0, 86_400),
        "mode": st.sampled_from(["monitor", "enforce", "block"]),
        "isolate": st.sampled_from(["off", "monitor", "enforce"]),
        "timing": st.booleans(),
        "resource_policy": st.sampled_from(["", "same-origin", "same-site", "cross-origin"]),
    },
)


def makes_sense(wish: dict[str, Any]) -> bool:
    """Whether the admin, too, would let these values pass."""
    credentials, any_origin = wish.get("credentials", False), wish.get("any_origin", False)
    return not (
        (any_origin and credentials)
        or (any_origin and wish["revoked"])
        or (any_origin and wish.get("isolate", "off") != "off")
        or (wish.get("trusted_for_csrf") and not credentials)
        or set(wish["origins"]) & set(wish["revoked"])
    )


def block_of(wish: dict[str, Any]) -> trusted:
    rest = dict(wish)
    return trusted(*rest.pop("origins"), **rest)


def write_rows(wishes: list[dict[str, Any]]) -> None:
    """Write what the blocks say as an operator would, each group once."""
    environment = Environment.objects.create(slug="production", name="x", **dict.fromkeys(SWITCHES, True))
    for wish in wishes:
        columns = {
            "any_origin": "any_origin",
            "credentials": "allow_credentials",
            "trusted_for_csrf": "trusted_for_csrf",
            "methods": "allow_methods",
            "headers": "allow_headers",
            "expose": "expose_headers",
            "max_age": "max_age",
            "isolate": "isolate",
            "timing": "timing_allow_origin",
            "resource_policy": "cross_origin_resource_policy",
        }
        values = {column: wish[key] for key, column in columns.items() if key in wish}
        group = ApiGroup.objects.create(slug=wish["group"], name="x", **values)
        GroupMode.objects.create(environment=environment, api_group=group, mode=wish.get("mode", "enforce"))
        place = {"path_prefix": wish.get("path", "/"), "host": wish.get("host", "")}
        taken = ApiRoute(**place, api_group=group)
        taken.clean_fields()
        # Two rows cannot have one place: the inner block's is the one that counts.
        ApiRoute.objects.filter(path_prefix=taken.path_prefix, host=taken.host).delete()
        taken.save()
        for origin in wish["origins"]:
            TrustedOrigin.objects.create(environment=environment, api_group=group, origin=origin)
        for origin in wish["revoked"]:
            row = TrustedOrigin.objects.create(environment=environment, api_group=group, origin=origin)
            TrustedOrigin.objects.filter(pk=row.pk).update(revoked_at=row.created_at)


def read_rows() -> Policy:
    return replace(load("production", cached=False), revision=0, token="")


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(wishes.filter(makes_sense), max_size=3, unique_by=lambda wish: wish["group"]))
def test_blocks_decide_exactly_as_the_same_rows(wishes: list[dict[str, Any]]) -> None:
    compiled = compile_blocks([block_of(wish) for wish in wishes])
    with transaction.atomic():
        write_rows(wishes)
        assert compiled == read_rows()
        transaction.set_rollback(True)
    assert not compiled.left_out


def test_blocks_of_one_group_compile_as_one_block() -> None:
    apart = [
        trusted("https://app.example", group="billing", path="/api/billing", credentials=True),
        trusted("https://other.example", group="billing", methods=["GET", "PUT"]),
        trusted(group="billing", revoked=["https://gone.example"]),
    ]
    whole = trusted(
        "https://app.example",
        "https://other.example",
        group="billing",
        path="/api/billing",
        credentials=True,
        methods=["GET", "PUT"],
        revoked=["https://gone.example"],
    )
    assert compile_blocks(apart) == compile_blocks([whole])
