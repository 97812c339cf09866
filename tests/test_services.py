import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from django_cors_guard import services
from django_cors_guard.exceptions import (
    CorsGuardError,
    InvalidRequest,
    ProtectedEnvironment,
    RefusedOrigin,
    RevokedOrigin,
    UnknownName,
)
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
    writing,
)
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.services import grants, trusting
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

ORIGIN = "https://app.example.com"


def trust(origin: str = ORIGIN, **given: Any) -> TrustedOrigin:
    return services.trust(origin, **{"environment": "production", "api_group": "public", **given})


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def revision() -> int:
    return PolicyState.read("default").revision


# --- trust ------------------------------------------------------------------------------------------------------------


def test_trust_stores_the_canonical_form_who_and_when() -> None:
    ana, front_end = UserFactory.create(), FrontEndFactory.create()
    grant = trust(" HTTPS://App.Example.com:443/ ", actor=ana, note="shop", front_end="shop")
    grant.refresh_from_db()
    assert (grant.origin, grant.created_by, grant.note, grant.front_end) == (ORIGIN, ana, "shop", front_end)
    assert grant.revision == revision()
    assert PolicyChange.objects.latest("pk").action == "trusted"


@pytest.mark.parametrize(
    ("origin", "codes"),
    [
        ("https://app.example.com/path", ["path"]),
        ("http://app.example.com", ["needs_insecure_http"]),
        ("http://localhost:3000", ["needs_loopback"]),
        ("https://*.example.com", ["needs_subdomain_patterns"]),
        ("null", ["null_origin"]),
        ("", ["empty"]),
    ],
)
def test_trust_refuses_with_every_problem_and_writes_nothing(origin: str, codes: list[str]) -> None:
    before = revision()
    with pytest.raises(RefusedOrigin) as refusal:
        trust(origin)
    assert [problem.code for problem in refusal.value.problems] == codes
    assert str(refusal.value)
    assert (revision(), TrustedOrigin.objects.count()) == (before, 0)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"environment": "staging"}, "production"),
        ({"api_group": "billing"}, "public"),
        ({"front_end": "nobody"}, "none"),
    ],
)
def test_trust_unknown_name_says_what_there_is(given: dict[str, str], names: str) -> None:
    with pytest.raises(UnknownName, match=names):
        trust(**given)


@pytest.mark.parametrize("expires_at", [timezone.now() - timedelta(seconds=1), timezone.now().replace(tzinfo=None)])
def test_trust_refuses_an_expiry_that_is_past_or_has_no_zone(expires_at: Any) -> None:
    with pytest.raises(InvalidRequest):
        trust(expires_at=expires_at)


def test_trust_again_changes_only_what_is_passed() -> None:
    soon = timezone.now() + timedelta(days=1)
    first = trust(note="first", expires_at=soon)
    before = revision()
    again = trust()
    assert (again.pk, again.note, again.expires_at, revision()) == (first.pk, "first", soon, before)
    later = soon + timedelta(days=1)
    renewed = trust(expires_at=later)
    renewed.refresh_from_db()
    assert (renewed.pk, renewed.expires_at, renewed.note, revision()) == (first.pk, later, "first", before + 1)


def test_trust_of_a_revoked_grant_needs_reinstating() -> None:
    ana = UserFactory.create(username="ana")
    services.revoke(trust(), actor=ana, reason="key leaked")
    with pytest.raises(RevokedOrigin, match=r"ana.*key leaked"):
        trust()
    assert TrustedOrigin.objects.get().revoked_at is not None


@pytest.mark.parametrize("days", [None, 31])
def test_trust_keeps_to_the_longest_trust(production: Environment, days: int | None) -> None:
    production.max_trust_days = 30
    production.save()
    with pytest.raises(RefusedOrigin, match="longest trust"):
        trust(expires_at=timezone.now() + timedelta(days=days) if days else None)
    assert trust(expires_at=timezone.now() + timedelta(days=29)).pk


def test_trust_closes_the_card() -> None:
    card = RejectedOriginFactory.create(origin=ORIGIN)
    trust()
    card.refresh_from_db()
    assert card.status == "trusted"


def test_trust_many_is_all_or_nothing_and_one_revision() -> None:
    EnvironmentFactory.create(slug="staging")
    places: dict[str, Any] = {"environments": ["production", "staging"], "api_groups": ["public"]}
    with pytest.raises(RefusedOrigin) as refusal:
        services.trust_many(["https://a.example.com", "https://b.example.com/x", "null"], **places)
    assert {problem.code for problem in refusal.value.problems} == {"path", "null_origin"}
    assert not TrustedOrigin.objects.exists()
    before = revision()
    trusted = services.trust_many(["https://a.example.com", "", "https://b.example.com"], **places)
    assert (len(trusted), revision()) == (4, before + 1)


def test_trust_many_of_what_is_trusted_takes_no_revision() -> None:
    trust()
    before = revision()
    trusted = services.trust_many([ORIGIN], environments=["production"], api_groups=["public"])
    assert ([grant.origin for grant in trusted], revision()) == ([ORIGIN], before)


def test_trust_many_describes_what_is_trusted_and_closes_its_card() -> None:
    grant, card, front_end = trust(note="old"), RejectedOriginFactory.create(origin=ORIGIN), FrontEndFactory.create()
    before = revision()
    services.trust_many([ORIGIN], environments=["production"], api_groups=["public"], note="new", front_end="shop")
    grant.refresh_from_db()
    card.refresh_from_db()
    assert (grant.note, grant.front_end, card.status, revision()) == ("new", front_end, "trusted", before)


def test_trust_many_leaves_the_card_of_an_expired_grant_open() -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() - timedelta(days=1))
    card = RejectedOriginFactory.create(origin=ORIGIN)
    services.trust_many([ORIGIN], environments=["production"], api_groups=["public"])
    card.refresh_from_db()
    assert card.status == "new"


def test_trust_many_renews_what_is_there_and_adds_the_rest_in_one_revision() -> None:
    there, before, ends = trust(), revision(), timezone.now() + timedelta(days=3)
    first, second, third = services.trust_many(
        [ORIGIN, "https://b.example.com", "https://B.example.com/"],
        environments=["production"],
        api_groups=["public"],
        expires_at=ends,
    )
    assert (first.pk, second.pk) == (there.pk, third.pk)
    assert set(TrustedOrigin.objects.values_list("expires_at", flat=True)) == {ends}
    assert (TrustedOrigin.objects.count(), revision()) == (2, before + 1)
    assert set(PolicyChange.objects.filter(revision=before + 1).values_list("action", flat=True)) == {
        "trusted",
        "renewed",
    }


def test_trust_wishes_trusts_each_only_where_it_is_wished_for(production: Environment, public: ApiGroup) -> None:
    staging, billing = EnvironmentFactory.create(slug="staging"), ApiGroupFactory.create(slug="billing")
    elsewhere = TrustedOriginFactory.create(origin=ORIGIN, environment=staging, note="another's")
    before = revision()
    wishes = [
        services.Wish("https://b.example.com", staging, billing, timezone.now() + timedelta(days=1)),
        services.Wish(ORIGIN, production, public),
    ]
    trusted = services.trust_wishes(wishes, note="ours")
    assert [grant.origin for grant in trusted] == ["https://b.example.com", ORIGIN]
    assert [grant.expires_at is None for grant in trusted] == [False, True]
    elsewhere.refresh_from_db()
    assert (elsewhere.note, TrustedOrigin.objects.count(), revision()) == ("another's", 3, before + 1)


def test_trust_wishes_goes_by_the_places_as_they_stand_now(production: Environment, public: ApiGroup) -> None:
    wish = services.Wish("http://app.example.com", production, public)
    production.allow_insecure_http = True
    with pytest.raises(RefusedOrigin, match="insecure"):
        services.trust_wishes([wish])
    Environment.objects.update(protected=True)
    with pytest.raises(ProtectedEnvironment):
        services.trust_wishes([services.Wish(ORIGIN, production, public)], actor=user_with())
    assert not TrustedOrigin.objects.exists()


@pytest.mark.parametrize("expires_at", [None, timezone.now() + timedelta(days=3)])
def test_trust_wishes_refuses_what_was_revoked_meanwhile_and_writes_nothing(
    production: Environment, public: ApiGroup, monkeypatch: pytest.MonkeyPatch, expires_at: Any
) -> None:
    trust()
    wishes = [services.Wish(origin, production, public, expires_at) for origin in ("https://b.example.com", ORIGIN)]
    find = grants.find_grants

    def too_late(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("lock"):
            TrustedOrigin.objects.update(revoked_at=timezone.now(), revoke_reason="just now")
        return find(*args, **kwargs)

    monkeypatch.setattr(trusting, "find_grants", too_late)
    before = revision()
    with pytest.raises(RevokedOrigin, match="just now"):
        services.trust_wishes(wishes)
    assert (TrustedOrigin.objects.count(), revision()) == (1, before)


@pytest.mark.parametrize("days", [None, 365])
def test_status_follows_a_limit_that_came_later(production: Environment, days: int | None) -> None:
    grant = trust(expires_at=timezone.now() + timedelta(days=days) if days else None)
    production.max_trust_days = 30
    production.save()
    assert TrustedOrigin.objects.get(pk=grant.pk).status() == "switched_off"
    assert services.explain(ORIGIN, path="/api/public").reason == "switched_off"


def test_preview_names_mends_risks_and_what_is_there() -> None:
    trust("https://paypa1.example.com")
    lines = ["https://paypal.example.com/", "https://shop.github.io", ORIGIN]
    trust()
    first, second, third = services.preview_trust(lines, environments=["production"], api_groups=["public"])
    assert (first.origin, [mend.code for mend in first.mended]) == ("https://paypal.example.com", ["trailing_slash"])
    assert "shared_hosting" in [risk.code for risk in second.risks]
    assert third.existing == "active"
    assert TrustedOrigin.objects.count() == 2


# --- revoke -----------------------------------------------------------------------------------------------------------


def test_revoke_keeps_the_row_with_who_when_and_why() -> None:
    ana = UserFactory.create()
    grant = services.revoke(trust(), actor=ana, reason="leaked")
    assert (grant.revoked_by, grant.revoke_reason) == (ana, "leaked")
    assert grant.revoked_at is not None
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.reason, change.actor) == ("revoked", "leaked", ana)


def test_revoke_again_changes_nothing() -> None:
    grant = services.revoke(trust(), reason="first")
    before = revision()
    services.revoke(grant, reason="second")
    assert (grant.revoke_reason, revision()) == ("first", before)


def test_revoke_in_an_open_group_is_refused(public: ApiGroup) -> None:
    grant = trust()
    public.any_origin = True
    public.save()
    with pytest.raises(InvalidRequest, match="any origin"):
        services.revoke(TrustedOrigin.objects.get(pk=grant.pk), reason="x")


def test_revoke_origin_closes_every_grant_in_one_revision() -> None:
    EnvironmentFactory.create(slug="staging")
    ApiGroupFactory.create(slug="billing", max_age=7200)
    for environment in ("production", "staging"):
        for group in ("public", "billing"):
            trust(environment=environment, api_group=group)
    trust("https://other.example.com")
    before = revision()
    receipt = services.revoke_origin("HTTPS://APP.example.com/", reason="leaked")
    assert (len(receipt.closed), receipt.origin, receipt.revision, revision()) == (4, ORIGIN, before + 1, before + 1)
    assert set(TrustedOrigin.objects.active().values_list("origin", flat=True)) == {"https://other.example.com"}
    assert receipt.preflights_until - receipt.at == timedelta(seconds=7201)
    assert PolicyChange.objects.filter(revision=revision(), action="revoked", reason="leaked").count() == 4


def test_revoke_origin_keeps_to_the_named_places() -> None:
    EnvironmentFactory.create(slug="staging")
    trust()
    trust(environment="staging")
    receipt = services.revoke_origin(ORIGIN, environments=["staging"], reason="x")
    assert [place.environment for place in receipt.closed] == ["staging"]
    assert trust().status() == "active"


def test_revoke_origin_leaves_a_row_where_only_a_pattern_matched(production: Environment) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    trust("https://*.example.com")
    receipt = services.revoke_origin(ORIGIN, reason="taken over")
    assert [place.origin for place in receipt.refused] == [ORIGIN]
    assert [place.origin for place in receipt.patterns] == ["https://*.example.com"]
    assert TrustedOrigin.objects.get(origin=ORIGIN).status() == "revoked"
    assert services.explain(ORIGIN, path="/api/public").reason == "revoked"
    assert services.explain("https://b.example.com", path="/api/public").allowed


@pytest.fixture
def patterned(production: Environment) -> Environment:
    production.allow_subdomain_patterns = production.allow_loopback = True
    production.save()
    return production


def test_revoke_a_pattern_below_a_trusted_one_shuts_it_out(patterned: Environment) -> None:
    trust("https://*.example.com")
    receipt = services.revoke_origin("https://*.evil.example.com", reason="x")
    assert [place.origin for place in receipt.refused] == ["https://*.evil.example.com"]
    assert services.explain("https://a.b.evil.example.com", path="/api/public").reason == "revoked"
    assert services.explain("https://good.example.com", path="/api/public").allowed


@pytest.mark.parametrize(
    ("pattern", "below"),
    [("https://*.example.com", ORIGIN), ("http://localhost:*", "http://localhost:3000")],
)
def test_revoke_a_pattern_names_the_grants_that_stay(patterned: Environment, pattern: str, below: str) -> None:
    trust(pattern)
    trust(below)
    trust("https://elsewhere.example.org")
    receipt = services.revoke_origin(pattern, reason="x")
    assert [place.origin for place in receipt.remaining] == [below]
    assert services.explain(below, path="/api/public").allowed


def test_revoke_outlasts_a_pattern_that_is_switched_off_meanwhile(patterned: Environment) -> None:
    trust("https://*.example.com")
    patterned.allow_subdomain_patterns = False
    patterned.save()
    services.revoke_origin(ORIGIN, reason="x")
    patterned.allow_subdomain_patterns = True
    patterned.save()
    assert services.explain(ORIGIN, path="/api/public").reason == "revoked"


def test_pattern_lets_in_no_name_that_could_not_be_revoked(patterned: Environment) -> None:
    trust("https://*.example.com")
    assert services.explain("https://xn--mnchen-3ya.example.com", path="/api/public").allowed
    assert not services.explain("https://xn--.example.com", path="/api/public").allowed


def test_revoke_origin_lists_open_groups_and_what_was_revoked_already(public: ApiGroup) -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    services.revoke(trust(), reason="before")
    receipt = services.revoke_origin(ORIGIN, reason="again")
    assert (receipt.closed, receipt.open_groups) == ((), ("open",))
    assert [place.api_group for place in receipt.already_revoked] == ["public"]


def test_revoke_origin_of_an_unknown_one_takes_no_revision() -> None:
    before = revision()
    receipt = services.revoke_origin("https://nobody.example.com", reason="x")
    assert (receipt.closed, revision()) == ((), before)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"reason": " "}, InvalidRequest),
        ({"origin": "https://a/b", "reason": "x"}, RefusedOrigin),
        ({"environments": ["nowhere"], "reason": "x"}, UnknownName),
        ({"api_groups": ["open"], "reason": "x"}, InvalidRequest),
    ],
)
def test_revoke_origin_says_what_is_wrong(given: dict[str, Any], error: type[CorsGuardError]) -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    with pytest.raises(error):
        services.revoke_origin(**{"origin": ORIGIN, **given})


# --- reinstate --------------------------------------------------------------------------------------------------------


def test_reinstate_needs_a_reason_and_keeps_the_story() -> None:
    grant = services.revoke(trust(), reason="leaked")
    with pytest.raises(InvalidRequest):
        services.reinstate(grant, reason="  ")
    services.reinstate(grant, reason="key rotated")
    assert (grant.status(), grant.revoked_by, grant.revoke_reason) == ("active", None, "")
    change = PolicyChange.objects.latest("pk")
    assert change.before is not None
    assert (change.action, change.reason, change.before["revoke_reason"]) == ("reinstated", "key rotated", "leaked")


def test_reinstate_keeps_to_the_rules_that_hold_now(production: Environment) -> None:
    production.allow_insecure_http = True
    production.save()
    grant = services.revoke(trust("http://app.example.com"), reason="x")
    production.allow_insecure_http = False
    production.save()
    with pytest.raises(RefusedOrigin):
        services.reinstate(grant, reason="y")
    grant.refresh_from_db()
    assert grant.revoked_at is not None


def test_reinstate_an_active_grant_changes_nothing() -> None:
    grant = trust()
    before = revision()
    services.reinstate(grant, reason="x")
    assert revision() == before


# --- protected environments -------------------------------------------------------------------------------------------

CALLS: list[Any] = [
    pytest.param(lambda grant, user: trust("https://new.example.com", actor=user), id="trust"),
    pytest.param(
        lambda grant, user: services.trust_many(
            ["https://n.example.com"], environments=["production"], api_groups=["public"], actor=user
        ),
        id="trust_many",
    ),
    pytest.param(lambda grant, user: services.revoke(grant, actor=user, reason="x"), id="revoke"),
    pytest.param(lambda grant, user: services.revoke_origin(grant.origin, actor=user, reason="x"), id="revoke_origin"),
    pytest.param(lambda grant, user: services.reinstate(grant, actor=user, reason="x"), id="reinstate"),
    pytest.param(lambda grant, user: services.check_shared(user), id="groups and routes"),
]


@pytest.mark.parametrize("call", CALLS)
def test_protected_environment_asks_for_its_permission(
    production: Environment, call: Callable[[TrustedOrigin, Any], object]
) -> None:
    grant = trust()
    production.protected = True
    production.save()
    grant = TrustedOrigin.objects.select_related("environment").get(pk=grant.pk)
    before = revision()
    with pytest.raises(ProtectedEnvironment, match="production"):
        call(grant, user_with("add_trustedorigin", "change_trustedorigin"))
    assert revision() == before
    call(grant, user_with("change_protected_environment"))
    call(grant, None)


def test_stale_object_does_not_pass_the_protection(production: Environment) -> None:
    grant = trust()
    stale = Environment.objects.get(pk=production.pk)
    held = TrustedOrigin.objects.select_related("environment").get(pk=grant.pk)
    production.protected = True
    production.save()
    user = user_with("add_trustedorigin", "change_trustedorigin")
    with pytest.raises(ProtectedEnvironment):
        trust("https://new.example.com", environment=stale, actor=user)
    with pytest.raises(ProtectedEnvironment):
        services.revoke(held, actor=user, reason="x")


def test_text_with_nul_is_no_error() -> None:
    grant = services.revoke(trust(note="a\0b"), reason="a\0b")
    assert (grant.note, grant.revoke_reason) == ("ab", "ab")
    with pytest.raises(UnknownName):
        services.explain(ORIGIN, path="/", environment="a\0")


# --- several writers --------------------------------------------------------------------------------------------------


def test_deadlock_is_tried_again_where_the_transaction_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    @services.retry_deadlocks
    def unlucky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("deadlock detected")
        return "done"

    with pytest.raises(OperationalError):
        unlucky()
    assert tries == [1], "the transaction is the caller's: only he can begin anew"
    tries.clear()
    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "in_atomic_block", False)
        assert unlucky() == "done"


def test_trust_many_takes_cards_in_the_order_of_the_audit_log() -> None:
    origins = [f"https://a{n}.example.com" for n in range(10)]
    keys = [RejectedOriginFactory.create(origin=origin).key for origin in origins]
    with CaptureQueriesContext(connection) as queries:
        services.trust_many(origins, environments=["production"], api_groups=["public"])
    locking, *others = [query["sql"] for query in queries if "rejectedorigin" in query["sql"]]
    assert re.findall(r"[0-9a-f]{64}", locking) == sorted(keys)
    assert re.search(r"ORDER BY [^ ]*key[^ ]* ASC", locking)
    assert [sql.partition(" ")[0] for sql in others] == ["UPDATE"]
    assert set(RejectedOrigin.objects.values_list("status", flat=True)) == {"trusted"}


@pytest.mark.django_db(transaction=True)
def test_snapshot_of_an_outer_transaction_hides_nothing_from_a_revocation() -> None:
    if connection.vendor != "mysql":
        pytest.skip("other databases show the latest commit, or refuse the write")
    grant = trust()
    wrapper: Any = connections["default"]
    original = getattr(wrapper, "isolation_level", None)
    services.revoke(grant, reason="before")
    other = connections.create_connection("default")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    wrapper.isolation_level = "repeatable read"
    try:
        with transaction.atomic():
            assert TrustedOrigin.objects.get().revoked_at is not None
            with other.cursor() as cursor:
                cursor.execute("UPDATE cors_guard_trustedorigin SET revoked_at = NULL")
                cursor.execute("COMMIT")
            receipt = services.revoke_origin(ORIGIN, reason="after")
        assert [place.origin for place in receipt.closed] == [ORIGIN]
    finally:
        other.close()
        wrapper.isolation_level = original
        connection.close()
    assert TrustedOrigin.objects.get().revoke_reason == "after"


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_lose_nothing_and_commit_in_order() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    errors: list[Exception] = []

    def write(worker: int) -> None:
        try:
            for n in range(10):
                trust(f"https://w{worker}-{n}.example.com")
                trust("https://shared.example.com")
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    before = revision()
    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    grants = TrustedOrigin.objects.filter(revision__gt=before)
    assert grants.count() == 41
    stamps = set(grants.values_list("revision", flat=True))
    assert len(stamps) == 41, "each of its own revision"
    assert revision() >= before + 41


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_allowed_names_route_row_and_headers() -> None:
    grant = trust()
    told = services.explain(ORIGIN, path="/api/public/x")
    assert (told.outcome, told.reason, told.api_group, told.route, told.mode) == (
        "allowed",
        "trusted",
        "public",
        "/api/public",
        "enforce",
    )
    assert told.grant is not None
    assert told.grant.id == grant.pk
    assert told.request.headers == (("Access-Control-Allow-Origin", ORIGIN), ("Vary", "Origin"))
    assert told.preflight is None


@pytest.mark.parametrize(
    ("method", "path", "middleware", "said"),
    [
        pytest.param("POST", "/api/billing/x", "django_cors_guard.csrf.CsrfViewMiddleware", "accepted", id="accepted"),
        pytest.param(
            "POST", "/api/billing/x", "django.middleware.csrf.CsrfViewMiddleware", "not_installed", id="Django's"
        ),
        pytest.param("GET", "/api/billing/x", "django_cors_guard.csrf.CsrfViewMiddleware", "", id="changes nothing"),
        pytest.param("POST", "/api/public/x", "django_cors_guard.csrf.CsrfViewMiddleware", "", id="no credentials"),
        pytest.param("POST", "/elsewhere/x", "django_cors_guard.csrf.CsrfViewMiddleware", "", id="no group"),
        pytest.param("POST", "/admin/", "django_cors_guard.csrf.CsrfViewMiddleware", "", id="own paths"),
    ],
)
def test_explain_tells_what_the_list_says_about_csrf(
    method: str, path: str, middleware: str, said: str, billing: ApiGroup, settings: Settings
) -> None:
    settings.MIDDLEWARE = [middleware]
    trust(api_group="billing")
    assert services.explain(ORIGIN, path="/api/billing/x", method="POST").csrf == "not_offered"
    ApiGroup.objects.filter(pk=billing.pk).update(trusted_for_csrf=True)
    assert services.explain(ORIGIN, path=path, method=method).csrf == said
    services.revoke_origin(ORIGIN, reason="x")
    assert services.explain(ORIGIN, path="/api/billing/x", method="POST").csrf == "not_trusted"


def test_explain_refused_preflight_is_refused_though_the_origin_is_trusted() -> None:
    trust()
    told = services.explain(ORIGIN, path="/api/public", method="DELETE", headers=["X-Token"])
    assert (told.outcome, told.reason) == ("refused", "method_not_allowed")
    assert told.preflight is not None
    assert dict(told.preflight.headers)["Access-Control-Allow-Methods"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        ("http://app.example.com", "scheme"),
        ("https://app.example.com:8443", "port"),
        ("https://www.app.example.com", "www"),
        ("https://x.app.example.com", "subdomain"),
        ("https://app.example.com.", "trailing_dot"),
        ("https://app.exarnple.com", "look_alike"),
    ],
)
def test_explain_refusal_names_the_nearest_and_how_it_differs(asked: str, difference: str) -> None:
    trust()
    told = services.explain(asked, path="/api/public")
    assert told.outcome == "refused"
    assert told.nearest is not None
    assert (told.nearest.candidate.origin, told.nearest.difference) == (ORIGIN, difference)


def test_explain_knows_other_groups_and_environments() -> None:
    ApiGroupFactory.create(slug="billing")
    trust(api_group="billing")
    told = services.explain(ORIGIN, path="/api/public")
    assert told.nearest is not None
    assert (told.nearest.difference, told.nearest.candidate.api_group) == ("other_group", "billing")
    EnvironmentFactory.create(slug="staging")
    there = services.explain(ORIGIN, path="/api/public", environment="staging")
    assert there.environment == "staging"
    assert there.nearest is not None
    assert there.nearest.difference == "other_environment"


def test_explain_in_monitor_mode_says_what_would_be(production: Environment) -> None:
    production.mode = "monitor"
    production.save()
    trust()
    assert services.explain(ORIGIN, path="/api/public").outcome == "allowed"
    assert services.explain("https://b.example.com", path="/api/public").outcome == "refused"


def test_explain_names_the_reason_as_the_audit_log_does() -> None:
    ApiGroupFactory.create(slug="billing")
    trust(api_group="billing")
    assert services.explain(ORIGIN, path="/api/public").reason == "other_group"


def test_revocation_without_a_user_is_told_by_its_label() -> None:
    with writing("cli", label="cli:alice"):
        services.revoke(trust(), reason="leaked")
    with pytest.raises(RevokedOrigin, match="cli:alice"):
        trust()


def test_explain_null_says_where_it_comes_from() -> None:
    told = services.explain("null", path="/api/public")
    assert told.reason == "null_origin"
    assert "sandboxed_frame" in told.null_sources


def test_explain_unguarded_own_paths_and_unknown_environment() -> None:
    assert services.explain(ORIGIN, path="/somewhere").outcome == "unguarded"
    assert services.explain(ORIGIN, path="/admin/login/").reason == "own_paths"
    with pytest.raises(UnknownName):
        services.explain(ORIGIN, path="/", environment="nowhere")


@pytest.mark.parametrize("origin", ["", "\x00", "https://" + "a" * 10_000, "<script>", "\ud800", "*", "https://*.com"])
def test_explain_takes_any_text(origin: str) -> None:
    assert services.explain(origin, path="/api/public").outcome == "refused"


def test_explain_looks_for_something_nearby_only_where_that_explains_it(public: ApiGroup) -> None:
    ApiGroupFactory.create(slug="billing")
    trust(api_group="billing")
    assert services.explain(ORIGIN, path="/admin/").nearest is None


def test_explain_records_nothing() -> None:
    services.explain("https://stranger.example.net", path="/api/public")
    assert not RejectedOrigin.objects.exists()


def test_status_tells_switched_off_from_active(production: Environment) -> None:
    production.allow_insecure_http = True
    production.save()
    grant = TrustedOriginFactory.create(origin="http://plain.example.com")
    assert grant.status() == "active"
    production.allow_insecure_http = False
    production.save()
    assert TrustedOrigin.objects.get(pk=grant.pk).status() == "switched_off"


# --- amend ------------------------------------------------------------------------------------------------------------


def describe(grant: TrustedOrigin, **given: Any) -> TrustedOrigin:
    return services.amend(grant, **{"note": "", "front_end": None, "expires_at": grant.expires_at, **given})


def test_amend_rewrites_and_empties_what_a_grant_says_of_itself_without_a_revision() -> None:
    FrontEndFactory.create()
    grant, before = trust(note="old"), revision()
    describe(grant, note="new", front_end="shop")
    assert (grant.note, str(grant.front_end)) == ("new", "Shop")
    describe(grant)
    assert (grant.note, grant.front_end, revision()) == ("", None, before)


def test_amend_moves_the_end_in_one_recorded_revision_and_takes_it_off_again() -> None:
    grant, before, soon = trust(), revision(), timezone.now() + timedelta(days=3)
    describe(grant, expires_at=soon, note="both")
    assert (grant.expires_at, grant.note, revision()) == (soon, "both", before + 1)
    assert PolicyChange.objects.latest("pk").action == "renewed"
    describe(grant, expires_at=None)
    assert grant.expires_at is None


def test_amend_an_expired_grant_marks_its_card_trusted_again() -> None:
    card = RejectedOriginFactory.create(origin=ORIGIN)
    grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() - timedelta(days=1))
    describe(grant, expires_at=timezone.now() + timedelta(days=1))
    card.refresh_from_db()
    assert card.status == "trusted"


def test_amend_a_revoked_grant_leaves_it_revoked_and_its_card_alone() -> None:
    card = RejectedOriginFactory.create(origin=ORIGIN)
    grant = services.revoke(trust(), reason="x")
    card.refresh_from_db()
    status = card.status
    describe(grant, expires_at=timezone.now() + timedelta(days=1))
    card.refresh_from_db()
    assert grant.revoked_at is not None
    assert card.status == status


def test_amend_lists_everything_that_stands_against_an_end(production: Environment) -> None:
    grant = TrustedOriginFactory.create(origin="http://plain.example.com")
    production.max_trust_days = 30
    production.save()
    before = revision()
    grant.environment.refresh_from_db()
    with pytest.raises(RefusedOrigin) as caught:
        describe(grant, expires_at=timezone.now() + timedelta(days=31), note="new")
    assert [problem.code for problem in caught.value.problems] == ["needs_insecure_http", "trusted_too_long"]
    assert (revision(), TrustedOrigin.objects.get().note) == (before, "")


def test_amend_a_protected_grant_needs_the_permission(production: Environment) -> None:
    grant = trust()
    production.protected = True
    production.save()
    with pytest.raises(ProtectedEnvironment):
        describe(grant, note="mine", actor=user_with("change_trustedorigin"))
    assert TrustedOrigin.objects.get().note == ""


def test_reinstate_without_an_end_where_trust_is_limited_says_so(production: Environment) -> None:
    grant = services.revoke(trust(), reason="x")
    production.max_trust_days = 30
    production.save()
    with pytest.raises(RefusedOrigin) as caught:
        services.reinstate(grant, reason="y")
    assert [problem.code for problem in caught.value.problems] == ["trusted_too_long"]


# --- previews ---------------------------------------------------------------------------------------------------------


def preview(origin: str = ORIGIN, **given: Any) -> services.Preview:
    (found,) = services.preview_trust([origin], environments=["production"], api_groups=["public"], **given)
    return found


def test_preview_of_a_grant_that_is_there_asks_for_no_end_where_trust_is_limited(production: Environment) -> None:
    trust()
    production.max_trust_days = 30
    production.save()
    assert (preview().existing, preview().problems) == ("switched_off", ())


def test_preview_of_a_grant_that_is_there_refuses_an_end_in_the_past() -> None:
    trust()
    past = timezone.now() - timedelta(days=1)
    assert [problem.code for problem in preview(expires_at=past).problems] == ["invalid_expiry"]


def test_preview_hands_on_the_grant_that_is_there() -> None:
    grant = trust()
    assert (preview().grant, preview().existing) == (grant, "active")
    assert preview("https://new.example.com").grant is None


def test_preview_finds_look_alikes_of_every_environment_and_of_no_revoked_grant() -> None:
    EnvironmentFactory.create(slug="staging")
    trust("https://paypal.com", environment="staging")
    services.revoke(trust("https://google.com"), reason="x")
    assert [(risk.code, risk.detail) for risk in preview("https://paypa1.com").risks] == [
        ("look_alike", "https://paypal.com")
    ]
    assert preview("https://g00gle.com").risks == ()


def test_preview_says_when_it_was_compared_with_some_of_the_trusted_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    trust("https://paypal.com")
    trust("https://newer.example.com")
    assert preview("https://paypa1.com").compared_all
    monkeypatch.setattr("django_cors_guard.services.previews.MAX_COMPARED", 1)
    assert not preview("https://paypa1.com").compared_all
    assert preview("https://paypa1.com").risks == ()


def test_preview_of_a_revoked_grant_names_that_alone() -> None:
    services.revoke(trust(), reason="x")
    assert [problem.code for problem in preview().problems] == ["revoked"]


def test_preview_of_a_revocation_is_its_receipt_and_writes_nothing() -> None:
    trust()
    before = revision()
    seen = services.preview_revocation(ORIGIN)
    assert revision() == before
    done = services.revoke_origin(ORIGIN, reason="x")
    assert (seen.closed, seen.refused, seen.patterns) == (done.closed, done.refused, done.patterns)
    with pytest.raises(RefusedOrigin):
        services.preview_revocation("null")


# --- cards ------------------------------------------------------------------------------------------------------------


def test_card_of_a_grant_says_who_trusted_it_and_keeps_that() -> None:
    ana, bob = UserFactory.create(username="ana"), UserFactory.create(username="bob")
    card = RejectedOriginFactory.create(origin=ORIGIN)
    grant = services.trust_card(card, actor=ana)
    card.refresh_from_db()
    assert (card.status, card.status_by, grant.created_by) == (CardStatus.TRUSTED, ana, ana)
    at = card.status_at
    services.trust_card(card, actor=bob, expires_at=timezone.now() + timedelta(days=1))
    card.refresh_from_db()
    assert (card.status_by, card.status_at) == (ana, at)


def test_ignored_card_that_is_trusted_says_who_did_that() -> None:
    ana, bob = UserFactory.create(username="ana"), UserFactory.create(username="bob")
    card = services.ignore(RejectedOriginFactory.create(origin=ORIGIN), actor=ana)
    assert (card.status, card.status_by) == (CardStatus.IGNORED, ana)
    trust(ORIGIN, actor=bob)
    card.refresh_from_db()
    assert (card.status, card.status_by) == (CardStatus.TRUSTED, bob)


def test_ignore_is_no_change_of_the_policy() -> None:
    card = RejectedOriginFactory.create()
    before = revision(), PolicyChange.objects.count()
    services.ignore(card)
    assert (revision(), PolicyChange.objects.count()) == before
    assert card.status_by is None
    assert card.status_at is not None


def test_preview_asks_few_questions_however_many_lines_and_places(
    production: Environment, public: ApiGroup, billing: ApiGroup, django_assert_max_num_queries: Any
) -> None:
    TrustedOriginFactory.create(origin="https://app3.example.com")
    lines = [f"https://app{n}.example.com" for n in range(100)]
    with django_assert_max_num_queries(5):
        previews = services.preview_trust(lines, environments=[production], api_groups=[public, billing])
    assert [(p.origin, p.api_group) for p in previews if p.existing] == [("https://app3.example.com", "public")]
