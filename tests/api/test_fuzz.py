"""Whatever is sent, the answer is a documented one: no 500, no echo without bound, JSON throughout."""

import json
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_guard.models import ApiGroup, Environment
from tests.api.conftest import Api, MakeApi
from tests.factories import RejectedOriginFactory, RejectionFactory, TrustedOriginFactory
from tests.issuing import make_issuer

ALL = (
    "view_rejection", "view_rejection_pii", "view_trustedorigin", "add_trustedorigin", "change_trustedorigin",
    "view_environment", "view_policystate", "view_rejectedorigin", "change_rejectedorigin", "view_originusage",
    "view_policychange",
)  # fmt: skip
DOCUMENTED = {200, 201, 400, 403, 404, 405, 409, 413, 415}

NAMES = st.sampled_from(
    ["environment", "api_group", "origin", "reason", "kind", "since", "until", "cursor", "page_size", "front_end",
     "status", "origin_prefix", "path_prefix", "mode", "method", "after", "limit", "interval", "unused", "revision",
     "source", "action", "actor", "target", "format", "id__in", "origin__regex", "", "\x00"]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["production", "public", "https://app.example.com", "https://*.example.com", "null", "*", "revoked", "actual",
         "2026-05-03T12:00:00Z", "0001-01-01T00:00:00+23:59", "bzE", "10", "-1", "9" * 4400, "\x00", "\ud800",
         "x" * 10_000, "{}", "%s%(a)s{0}", "' OR 1=1 --", "\u202e\ufeff", "http://localhost:*"]
    ),
)  # fmt: skip
QUERY_VALUES = st.one_of(st.binary(max_size=40), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["origin", "environment", "api_group", "note", "expires_at", "front_end", "reason", "environments", "api_groups",
     "path", "method", "headers", "host", "id", "revision", "ttl", "revoke", ""]
)  # fmt: skip
BODIES = st.one_of(
    st.dictionaries(FIELDS, JSON_VALUES, max_size=8).map(json.dumps),
    JSON_VALUES.map(json.dumps),
    st.fixed_dictionaries(
        {"origin": TEXTS, "environment": st.just("production"), "api_group": st.just("public"), "reason": TEXTS}
    ).map(json.dumps),
    st.fixed_dictionaries({"origin": TEXTS, "path": TEXTS.map(lambda text: f"/{text}")}).map(json.dumps),
    st.binary(max_size=60),
)

bounded = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def everything(api: MakeApi, production: Environment, public: ApiGroup) -> Api:
    RejectionFactory.create()
    RejectedOriginFactory.create()
    TrustedOriginFactory.create(environment=production, api_group=public, origin="https://app.example.com")
    return api(*ALL)


@pytest.fixture
def issuer(production: Environment, public: ApiGroup) -> Api:
    """An account of CI without any permission, to which the sampled origin belongs."""
    made = make_issuer(host_prefix="", host_suffix=".example.com", api_groups=[public])
    return Api(made.user)


def judge(response: Any) -> None:
    assert response.status_code in DOCUMENTED
    assert response.content.isascii()
    body = response.json()
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert body["detail"]
        assert len(response.content) < 60_000
        assert all(len(item.get("value", "")) <= 255 for item in body["errors"])


@bounded
@given(
    path=st.sampled_from(
        ["rejections/", "rejections/1/", "rejections/summary/", "rejected-origins/", "rejected-origins/1/", "usage/",
         "changes/", "environments/", "trusted-origins/", "trusted-origins/1/", "status/"]
    ),
    query=st.lists(st.tuples(NAMES, QUERY_VALUES), max_size=5),
)  # fmt: skip
def test_any_query_string_gets_a_documented_answer(path: str, query: list[tuple[str, bytes]], everything: Api) -> None:
    encoded = "&".join(f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}" for name, value in query)
    judge(everything.send("GET", f"{path}?{encoded}"))


@bounded
@given(
    path=st.sampled_from(
        ["trusted-origins/", "trusted-origins/revoke-origin/", "trusted-origins/1/revoke/",
         "trusted-origins/1/reinstate/", "rejected-origins/1/trust/", "rejected-origins/1/ignore/",
         "rejected-origins/1/reopen/", "check/"]
    ),
    body=BODIES,
)  # fmt: skip
def test_any_body_gets_a_documented_answer(path: str, body: str | bytes, everything: Api) -> None:
    judge(everything.send("POST", path, body))


@bounded
@given(method=st.sampled_from(["PUT", "DELETE"]), body=BODIES, is_issuer=st.booleans())
def test_any_body_by_origin_gets_a_documented_answer(
    method: str, body: str | bytes, is_issuer: bool, everything: Api, issuer: Api
) -> None:
    judge((issuer if is_issuer else everything).send(method, "trusted-origins/by-origin/", body))


@bounded
@given(
    query=st.lists(
        st.tuples(
            st.sampled_from(["origin", "environment", "api_group", "reason", "revoke", "nonsense"]), QUERY_VALUES
        ),
        max_size=5,
    )
)
def test_any_address_by_origin_gets_a_documented_answer(query: list[tuple[str, bytes]], issuer: Api) -> None:
    encoded = "&".join(f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}" for name, value in query)
    judge(issuer.send("DELETE", f"trusted-origins/by-origin/?{encoded}"))


@bounded
@given(pk=TEXTS)
def test_any_id_gets_a_documented_answer(pk: str, everything: Api) -> None:
    quoted = quote_from_bytes(pk.encode("utf-8", "surrogatepass"), safe="")
    if "%2F" in quoted or not quoted:
        return  # another address
    judge(everything.send("GET", f"rejections/{quoted}/"))
    judge(everything.send("POST", f"trusted-origins/{quoted}/revoke/", b'{"reason": "x"}'))
