from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyChange
from django_cors_guard.testing import override_cors_guard
from tests.admin.confirming import asked, confirm, question, token
from tests.admin.conftest import login
from tests.admin.pages import FROM_OWN_PAGE, errors, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    GroupModeFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    user_with,
)

ADD, CHANGE, DELETE, LIST = (f"environment_{page}" for page in ("add", "change", "delete", "changelist"))


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def filled_in(**values: Any) -> dict[str, Any]:
    return {
        "name": "Production",
        "description": "",
        "mode": "enforce",
        "max_trust_days": "",
        "why": "",
        "group_modes-TOTAL_FORMS": "0",
        "group_modes-INITIAL_FORMS": "0",
        **values,
    }


def with_mode(group: ApiGroup, mode: str, row: GroupMode | None = None, **values: Any) -> dict[str, Any]:
    return {
        "group_modes-TOTAL_FORMS": "1",
        "group_modes-INITIAL_FORMS": "1" if row else "0",
        "group_modes-0-id": row.pk if row else "",
        "group_modes-0-environment": row.environment_id if row else "",
        "group_modes-0-api_group": group.pk,
        "group_modes-0-mode": mode,
        **values,
    }


def test_saving_environment_and_modes_is_one_revision_with_who_how_and_why(
    operator: Client, ana: User, production: Environment, public: ApiGroup
) -> None:
    before = revision()
    data = filled_in(mode="monitor", allow_loopback="on", why="Moving in.", **with_mode(public, "enforce"))
    response = confirm(operator, url(CHANGE, production.pk), data)
    assert response["Location"] == url(LIST)
    production.refresh_from_db()
    assert (production.mode, production.allow_loopback) == ("monitor", True)
    assert GroupMode.objects.get().mode == "enforce"
    assert revision() == before + 1
    told = PolicyChange.objects.filter(revision=before + 1).values_list("target", "actor", "source", "reason")
    assert set(told) == {
        ("environment:production", ana.pk, "admin", "Moving in."),
        ("groupmode:production/public", ana.pk, "admin", "Moving in."),
    }


def test_adding_an_environment_with_modes_is_one_revision(operator: Client, public: ApiGroup) -> None:
    before = revision()
    post(operator, url(ADD), filled_in(name="Staging", slug="staging", **with_mode(public, "monitor")))
    assert GroupMode.objects.get().environment.slug == "staging"
    assert revision() == before + 1


def test_removing_a_mode_is_one_revision(operator: Client, production: Environment, public: ApiGroup) -> None:
    row = GroupModeFactory.create()
    before = revision()
    data = filled_in(**with_mode(public, "monitor", row, **{"group_modes-0-DELETE": "on"}))
    confirm(operator, url(CHANGE, production.pk), data)
    assert not GroupMode.objects.exists()
    assert revision() == before + 1


def test_saving_a_description_takes_no_revision(operator: Client, production: Environment) -> None:
    before = revision()
    post(operator, url(CHANGE, production.pk), filled_in(description="What customers use."))
    production.refresh_from_db()
    assert production.description == "What customers use."
    assert revision() == before


def test_form_with_errors_takes_no_revision(operator: Client, production: Environment) -> None:
    before = revision()
    page = post(operator, url(CHANGE, production.pk), filled_in(mode="monitor", max_trust_days="0"))
    assert set(errors(page)) == {"max_trust_days"}
    assert revision() == before


def test_slug_is_fixed_once_created(operator: Client, production: Environment) -> None:
    post(operator, url(CHANGE, production.pk), filled_in(slug="other"))
    production.refresh_from_db()
    assert production.slug == "production"


def test_dangerous_switches_stand_together_with_what_can_go_wrong(operator: Client) -> None:
    page = text(operator.get(url(ADD)))
    _, _, switches = page.partition("Dangerous switches")
    for words in ("Allow insecure http", "Allow loopback", "Allow subdomain patterns", "forgotten subdomain"):
        assert words in switches


# --- block ------------------------------------------------------------------------------------------------------------

NOT_OWN = [
    pytest.param({}, id="no header at all"),
    pytest.param({"HTTP_ORIGIN": "https://testserver"}, id="another scheme"),
    pytest.param({"HTTP_ORIGIN": "null"}, id="null"),
    pytest.param({"HTTP_ORIGIN": "http://testserver", "HTTP_SEC_FETCH_SITE": "cross-site"}, id="cross-site"),
    pytest.param({"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_REFERER": "http://testserver/"}, id="same-site"),
    pytest.param({"HTTP_REFERER": "http://elsewhere.example/admin/"}, id="referer elsewhere"),
    pytest.param({"HTTP_REFERER": "http://[bad"}, id="malformed referer"),
    pytest.param({"HTTP_REFERER": "/admin/"}, id="relative referer"),
]
OWN = [
    pytest.param(FROM_OWN_PAGE, id="browser"),
    pytest.param({"HTTP_ORIGIN": "http://testserver"}, id="origin alone"),
    pytest.param({"HTTP_SEC_FETCH_SITE": "same-origin"}, id="fetch metadata alone"),
    pytest.param({"HTTP_REFERER": "http://testserver/admin/cors_guard/environment/1/change/"}, id="referer alone"),
]


@pytest.mark.parametrize("headers", NOT_OWN)
def test_block_is_refused_to_a_request_that_it_might_block(
    operator: Client, production: Environment, public: ApiGroup, headers: dict[str, str]
) -> None:
    before = revision()
    page = operator.post(url(CHANGE, production.pk), filled_in(mode="block"), **headers)  # type: ignore[arg-type]  # headers are strings
    assert "Block was not switched on" in errors(page)["mode"][0]
    page = operator.post(url(ADD), filled_in(slug="x", mode="block"), **headers)  # type: ignore[arg-type]  # as above
    assert "Block was not switched on" in errors(page)["mode"][0]
    data = filled_in(**with_mode(public, "block"))
    page = operator.post(url(CHANGE, production.pk), data, **headers)  # type: ignore[arg-type]  # as above
    assert "Block was not switched on" in text(page)
    assert (revision(), GroupMode.objects.count(), Environment.objects.count()) == (before, 0, 1)


@pytest.mark.parametrize("headers", OWN)
def test_block_is_switched_on_by_the_sites_own_page(
    operator: Client, production: Environment, public: ApiGroup, headers: dict[str, str]
) -> None:
    data = filled_in(mode="block", **with_mode(public, "block"))
    page = operator.post(url(CHANGE, production.pk), data, **headers)  # type: ignore[arg-type]  # headers are strings
    data["understood"] = token(page)
    operator.post(url(CHANGE, production.pk), data, **headers)  # type: ignore[arg-type]  # as above
    production.refresh_from_db()
    assert (production.mode, GroupMode.objects.get().mode) == ("block", "block")


def test_block_that_is_on_already_does_not_stand_in_the_way(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    Environment.objects.update(mode="block")
    row = GroupModeFactory.create(mode="block")
    data = filled_in(mode="block", max_trust_days="30", **with_mode(public, "block", row))
    operator.post(url(CHANGE, production.pk), data)
    production.refresh_from_db()
    assert production.max_trust_days == 30
    data = filled_in(max_trust_days="30", **with_mode(public, "block", row, **{"group_modes-0-DELETE": "on"}))
    operator.post(url(CHANGE, production.pk), data)
    assert not GroupMode.objects.exists()


# --- protection -------------------------------------------------------------------------------------------------------


def test_protected_environment_is_refused_in_words_and_says_so_beforehand(
    apprentice: Client, production: Environment
) -> None:
    Environment.objects.update(protected=True)
    before = revision()
    assert "protected environment (production)" in text(apprentice.get(url(CHANGE, production.pk)))
    page = post(apprentice, url(CHANGE, production.pk), filled_in(mode="monitor"))
    assert "protected environment (production)" in errors(page)["__all__"][0]
    production.refresh_from_db()
    assert (production.protected, production.mode, revision()) == (True, "enforce", before)


def test_making_an_environment_protected_needs_the_permission(apprentice: Client, production: Environment) -> None:
    page = post(apprentice, url(CHANGE, production.pk), filled_in(protected="on"))
    assert "protected environment (production)" in errors(page)["__all__"][0]
    page = post(apprentice, url(ADD), filled_in(slug="staging", protected="on"))
    assert "protected environment (staging)" in errors(page)["__all__"][0]


def test_unprotected_environment_can_be_changed_but_not_its_modes_beside_a_protected_one(
    apprentice: Client, production: Environment, public: ApiGroup
) -> None:
    EnvironmentFactory.create(slug="live", protected=True)
    page = post(apprentice, url(CHANGE, production.pk), filled_in(**with_mode(public, "monitor")))
    assert "protected environment (live)" in text(page)
    assert not GroupMode.objects.exists()
    assert confirm(apprentice, url(CHANGE, production.pk), filled_in(mode="monitor")).status_code == 302


def test_deleting_a_protected_environment_is_refused_in_words(apprentice: Client, production: Environment) -> None:
    Environment.objects.update(protected=True)
    one = post(apprentice, url(DELETE, production.pk), {"post": "yes"})
    several = post(
        apprentice, url(LIST), {"action": "delete_selected", "_selected_action": [production.pk], "post": "yes"}
    )
    for response in (one, several):
        assert "protected environment (production)" in said(response)[0]
    assert Environment.objects.exists()
    assert not LogEntry.objects.exists()


def test_deleting_an_environment_is_one_recorded_revision(operator: Client, ana: User) -> None:
    GroupModeFactory.create(environment=EnvironmentFactory.create(slug="old"))
    before = revision()
    post(operator, url(DELETE, Environment.objects.get(slug="old").pk), {"post": "yes"})
    assert revision() == before + 1
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor) == ("deleted", "admin", ana)


def test_deleting_several_environments_is_one_recorded_revision(operator: Client, ana: User) -> None:
    rows = [EnvironmentFactory.create(slug=slug) for slug in ("old", "older")]
    before = revision()
    ticked = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    post(operator, url(LIST), ticked)
    assert (Environment.objects.count(), revision()) == (1, before + 1)
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor) == ("deleted", "admin", ana)


def test_environment_with_trusted_origins_cannot_be_deleted_and_says_why(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    services.revoke(TrustedOriginFactory.create(), reason="x")
    TrustedOriginFactory.create()
    page = operator.get(url(DELETE, production.pk))
    assert "“Production” cannot be deleted while there are trusted origins in it." in text(page)
    assert "2 trusted origins (1 of them revoked) for public in production" in text(page)
    place = f"?environment__id__exact={production.pk}&amp;api_group__id__exact={public.pk}"
    assert f'href="{url("trustedorigin_changelist")}{place}"' in page.content.decode()
    assert operator.get(f"{url('trustedorigin_changelist')}{place.replace('&amp;', '&')}").status_code == 200
    post(operator, url(DELETE, production.pk), {"post": "yes"})
    ticked = {"action": "delete_selected", "_selected_action": [production.pk]}
    assert "2 trusted origins (1 of them revoked)" in text(post(operator, url(LIST), ticked))
    post(operator, url(LIST), {**ticked, "post": "yes"})
    assert Environment.objects.exists()


def test_page_of_deletion_asks_few_questions_however_many_grants(
    operator: Client, production: Environment, django_assert_max_num_queries: Any
) -> None:
    TrustedOriginFactory.create_batch(60)
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        page = operator.get(url(DELETE, production.pk))
    assert "60 trusted origins for public in production" in text(page)
    assert "app1" not in text(page)


def test_page_asks_few_questions_however_many_modes(
    operator: Client, production: Environment, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        GroupModeFactory.create(api_group=ApiGroupFactory.create(slug=f"group{number}"))
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        operator.get(url(CHANGE, production.pk))


# --- what saving means ------------------------------------------------------------------------------------------------


def stored(pk: int) -> Environment:
    return Environment.objects.get(pk=pk)


SWITCHES = [
    ("allow_insecure_http", "insecure_http_on", "http://app.example.com"),
    ("allow_loopback", "loopback_on", "http://localhost:3000"),
    ("allow_subdomain_patterns", "subdomain_patterns_on", "https://*.example.com"),
    ("allow_custom_schemes", "custom_schemes_on", "capacitor://localhost"),
]


@pytest.mark.parametrize(("switch", "code", "origin"), SWITCHES)
def test_switching_a_dangerous_switch_off_names_the_grants_that_it_closes(
    operator: Client, production: Environment, switch: str, code: str, origin: str
) -> None:
    Environment.objects.update(**{switch: True})
    grant = TrustedOriginFactory.create(origin=origin)
    TrustedOriginFactory.create()
    before = revision()
    page = post(operator, url(CHANGE, production.pk), filled_in(why="Tidying up."))
    assert asked(page) == ["switch_off", "grants_closed"]
    assert "1 active grant needs it" in question(page)
    assert f"1 grant is switched off at once: its origin is refused. {origin} (public)" in question(page)
    assert (revision(), grant.status()) == (before, "active")
    assert confirm(operator, url(CHANGE, production.pk), filled_in(why="Tidying up.")).status_code == 302
    grant.environment.refresh_from_db()
    assert (revision(), grant.status()) == (before + 1, "switched_off")
    assert PolicyChange.objects.latest("pk").reason == "Tidying up."


@pytest.mark.parametrize(("switch", "code", "origin"), SWITCHES)
def test_switching_a_dangerous_switch_on_says_what_it_lets_in(
    operator: Client, production: Environment, switch: str, code: str, origin: str
) -> None:
    TrustedOriginFactory.create(origin=origin)
    page = post(operator, url(CHANGE, production.pk), filled_in(**{switch: "on"}))
    assert asked(page) == [code, "grants_opened"]
    assert f"1 grant that is switched off now lets its origin in again. {origin} (public)" in question(page)
    assert not getattr(stored(production.pk), switch)
    post(operator, url(CHANGE, production.pk), filled_in(**{switch: "on"}, understood=token(page)))
    assert getattr(stored(production.pk), switch)


def test_switch_that_closes_nothing_is_switched_off_at_once(operator: Client, production: Environment) -> None:
    Environment.objects.update(allow_loopback=True)
    TrustedOriginFactory.create()
    assert post(operator, url(CHANGE, production.pk), filled_in()).status_code == 302


def test_new_environment_with_a_dangerous_switch_says_what_it_lets_in(operator: Client) -> None:
    data = filled_in(name="Local", slug="local", allow_loopback="on", protected="on", mode="monitor")
    page = post(operator, url(ADD), data)
    assert asked(page) == ["loopback_on"]
    assert confirm(operator, url(ADD), data).status_code == 302
    assert Environment.objects.get(slug="local").allow_loopback


def test_shorter_trust_says_how_many_live_too_long(operator: Client, production: Environment) -> None:
    TrustedOriginFactory.create_batch(2)
    page = post(operator, url(CHANGE, production.pk), filled_in(max_trust_days="30"))
    assert asked(page) == ["trust_shortened", "grants_closed"]
    assert "2 active grants live longer than 30 days from now, or have no end." in question(page)
    confirm(operator, url(CHANGE, production.pk), filled_in(max_trust_days="30"))
    page = post(operator, url(CHANGE, production.pk), filled_in())
    assert asked(page) == ["grants_opened"]


@pytest.mark.parametrize(
    ("is_protected", "code", "says"),
    [
        pytest.param(False, "protected_on", "Only who has the permission", id="on"),
        pytest.param(True, "protected_off", "Whoever may change trusted origins", id="off"),
    ],
)
def test_protection_is_said_in_words(
    operator: Client, production: Environment, is_protected: bool, code: str, says: str
) -> None:
    Environment.objects.update(protected=is_protected)
    values = {} if is_protected else {"protected": "on"}
    page = post(operator, url(CHANGE, production.pk), filled_in(**values))
    assert asked(page) == [code]
    assert says in question(page)
    assert stored(production.pk).protected is is_protected
    confirm(operator, url(CHANGE, production.pk), filled_in(**values))
    assert stored(production.pk).protected is not is_protected


def refuse(**values: Any) -> None:
    now = timezone.now()
    RejectionFactory.create(**{"first_seen": now, "last_seen": now, **values})


def test_blocking_says_who_was_refused_lately_and_would_notice(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    refuse(count=5)
    refuse(kind="navigation", origin="null", reason="null_origin", method="POST", path="/api/public/saml", count=2)
    refuse(kind="preflight", count=70)
    card = RejectedOriginFactory.create()
    page = post(operator, url(CHANGE, production.pk), filled_in(mode="block"))
    assert asked(page) == ["mode_stricter", "block_navigations"]
    words = question(page)
    assert "1 API group will block. public" in words
    assert "2 on record" in words
    assert "7 requests that were recorded since" in words
    assert "POST /api/public/saml from null, 2 times" in words
    shown = page.content.decode()
    assert f'href="{url("rejectedorigin_change", card.pk)}"' in shown
    assert f'href="{url("trustedorigin_add")}?card={card.pk}"' in shown
    assert f"{url('environment_what_would_change', production.pk)}?mode=block" in shown
    assert stored(production.pk).mode == "enforce"


def test_blocking_says_which_methods_trusted_pages_lose(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    ApiGroup.objects.update(allow_methods=["GET"])
    page = post(operator, url(CHANGE, production.pk), filled_in(mode="block"))
    assert asked(page) == ["mode_stricter", "block_navigations", "block_methods"]
    assert "for 1 method that needs no preflight and is not listed. public: POST" in question(page)
    ApiGroup.objects.update(allow_methods={"no": "list"})
    assert "public: GET public: HEAD public: POST" in question(
        post(operator, url(CHANGE, production.pk), filled_in(mode="block"))
    )


def test_mode_of_a_group_that_becomes_stricter_is_said_for_that_group(
    operator: Client, production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    refuse(mode="monitor", api_group="billing", count=3)
    refuse(mode="monitor", api_group="public", count=4)
    Environment.objects.update(mode="monitor")
    data = filled_in(mode="monitor", **with_mode(billing, "enforce"))
    page = post(operator, url(CHANGE, production.pk), data)
    assert asked(page) == ["mode_stricter"]
    assert "1 API group will enforce. billing" in question(page)
    assert "3 requests that were recorded since" in question(page)
    other = filled_in(mode="monitor", **with_mode(public, "enforce"), understood=token(page))
    assert asked(post(operator, url(CHANGE, production.pk), other)) == ["mode_stricter"]
    assert not GroupMode.objects.exists()
    assert post(operator, url(CHANGE, production.pk), {**data, "understood": token(page)}).status_code == 302
    assert GroupMode.objects.get().api_group == billing


def test_monitor_says_that_the_guard_stops_nobody(operator: Client, production: Environment, public: ApiGroup) -> None:
    page = post(operator, url(CHANGE, production.pk), filled_in(mode="monitor"))
    assert asked(page) == ["mode_passive"]
    assert "stops nobody, revoked origins included" in question(page)
    Environment.objects.update(mode="block")
    assert post(operator, url(CHANGE, production.pk), filled_in(mode="enforce")).status_code == 302


def test_mode_above_the_brake_changes_nothing_here_and_says_so(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    with override_cors_guard(MAX_MODE="enforce"):
        page = text(operator.get(url(CHANGE, production.pk)))
        assert "CORS_GUARD[&quot;MAX_MODE&quot;] is enforce where this page is served" in page
        response = post(operator, url(CHANGE, production.pk), filled_in(mode="block"))
    assert response.status_code == 302
    assert "“block” counts as enforce there" in said(response)[0]
    assert stored(production.pk).mode == "block"
    assert 'id="max-mode"' not in operator.get(url(CHANGE, production.pk)).content.decode()


def test_who_may_not_see_rejections_gets_the_numbers_alone(production: Environment, public: ApiGroup) -> None:
    refuse(count=5)
    keeper = login(user_with("view_environment", "change_environment", "view_groupmode"))
    page = post(keeper, url(CHANGE, production.pk), filled_in(mode="block"))
    assert "5 requests that were recorded since" in question(page)
    assert "stranger" not in page.content.decode()
    assert "what-would-change" not in page.content.decode()


def test_what_a_switch_means_stands_beside_it_with_numbers(operator: Client, production: Environment) -> None:
    Environment.objects.update(allow_loopback=True)
    TrustedOriginFactory.create(origin="http://localhost:3000")
    TrustedOriginFactory.create(origin="https://*.example.com")
    page = operator.get(url(CHANGE, production.pk)).content.decode()

    def beside(name: str) -> str:
        return page.partition(f'id="id_{name}_helptext"')[2].partition("form-row")[0]

    assert "cors-guard-when-off" in beside("allow_loopback")
    assert "1 active grant needs it" in beside("allow_loopback")
    assert "cors-guard-when-on" in beside("allow_subdomain_patterns")
    assert "1 grant that is switched off now lets its origin in again" in beside("allow_subdomain_patterns")
    assert "Only who has the permission" in beside("protected")
    assert "Pages on http can be trusted" in beside("allow_insecure_http")


def test_asking_to_confirm_takes_as_many_questions_however_many_rows_there_are(
    operator: Client, production: Environment, public: ApiGroup, django_assert_max_num_queries: Any
) -> None:
    Environment.objects.update(allow_loopback=True)
    for port in range(3000, 3040):
        TrustedOriginFactory.create(origin=f"http://localhost:{port}")
        refuse(origin=f"https://app{port}.example.net")
    operator.get(url(ADD))  # the first request of a process also loads the policy
    # Twelve of them begin and end transactions.
    with django_assert_max_num_queries(33):
        page = post(operator, url(CHANGE, production.pk), filled_in(mode="block"))
    assert asked(page) == ["mode_stricter", "block_navigations", "switch_off", "grants_closed"]


# --- what would change ------------------------------------------------------------------------------------------------

OUTLOOK = "environment_what_would_change"


def test_page_tells_what_would_change_for_the_environment(
    operator: Client, production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    GroupModeFactory.create(api_group=billing, mode="monitor")
    refuse(count=5)
    refuse(api_group="billing", mode="monitor", count=70)
    refuse(api_group="own.paths", reason="own_paths", kind="navigation", path="/admin/login/", count=3)
    page = operator.get(url(OUTLOOK, production.pk))
    words = text(page)
    assert "8 requests that were recorded since" in words
    assert "public: from enforce to block" in words
    assert "the guard&#x27;s own paths: from enforce to block" in words
    assert "With a mode of their own, and so not part of this: billing." in words
    assert "GET /admin/login/ from https://stranger.example.net, 3 times" in words


def test_page_tells_what_would_change_for_one_group(
    operator: Client, production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    GroupModeFactory.create(api_group=billing, mode="monitor")
    refuse(count=5)
    refuse(api_group="billing", mode="monitor", count=7)
    query = {"api_group": str(billing.pk), "mode": "enforce", "days": "30"}
    page = operator.get(url(OUTLOOK, production.pk), query)
    assert "7 requests that were recorded since" in text(page)
    assert "the view runs, and the page cannot read the answer" in text(page)
    shown = page.content.decode()
    for chosen in (f'value="{billing.pk}" selected', 'value="enforce" selected', 'value="30" selected'):
        assert chosen in shown


@pytest.mark.parametrize(
    ("mode", "query", "expected"),
    [
        pytest.param("monitor", {}, "enforce", id="monitor goes on to enforce"),
        pytest.param("enforce", {}, "block", id="enforce goes on to block"),
        pytest.param("monitor", {"mode": "block"}, "block", id="chosen"),
        pytest.param("enforce", {"mode": "monitor", "days": "8", "api_group": "x"}, "block", id="nonsense"),
        pytest.param("enforce", {"mode": "\0", "days": "\0", "api_group": "\0"}, "block", id="NUL"),
    ],
)
def test_address_says_what_is_asked(
    operator: Client, production: Environment, mode: str, query: dict[str, str], expected: str
) -> None:
    Environment.objects.update(mode=mode)
    asked_for = operator.get(url(OUTLOOK, production.pk), query).context["question"]
    assert (asked_for.mode, asked_for.days, asked_for.group) == (expected, 7, None)


def test_page_says_that_nothing_would_be_stricter(operator: Client, production: Environment) -> None:
    Environment.objects.update(mode="block")
    assert "Nothing would become stricter" in text(operator.get(url(OUTLOOK, production.pk)))


def test_page_says_that_the_brake_is_on(operator: Client, production: Environment, public: ApiGroup) -> None:
    refuse()
    with override_cors_guard(MAX_MODE="enforce"):
        page = text(operator.get(url(OUTLOOK, production.pk)))
    assert "“block” would count as enforce there" in page
    assert "1 request that was recorded since" in page


def test_hostile_senders_are_shown_escaped_and_cut(operator: Client, production: Environment, public: ApiGroup) -> None:
    evil = "https://<script>\u202e" + "x" * 230
    RejectedOriginFactory.create(origin=evil)
    refuse(origin=evil, method="\u202e<b>", kind="navigation", path="/<i>" + "y" * 200, reason="of_the_future")
    page = operator.get(url(OUTLOOK, production.pk)).content.decode()
    assert "https://&lt;script&gt;\\u202e" in page
    for text_of_it in ("<script>\u202e", "\u202e", "x" * 200, "y" * 190, "<b>"):
        assert text_of_it not in page
    assert "?card=" not in page


def test_revoked_origins_have_a_card_and_no_link_to_trust_them(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    Environment.objects.update(mode="monitor")
    card = RejectedOriginFactory.create(last_reason="revoked")
    refuse(mode="monitor", reason="revoked")
    page = operator.get(url(OUTLOOK, production.pk)).content.decode()
    assert url("rejectedorigin_change", card.pk) in page
    assert "?card=" not in page


def test_page_of_what_would_change_is_for_those_who_may_view_both(production: Environment, public: ApiGroup) -> None:
    refuse()
    card = RejectedOriginFactory.create()
    address = url(OUTLOOK, production.pk)
    assert login(user_with("view_environment")).get(address).status_code == 403
    assert login(user_with("view_rejection")).get(address).status_code == 403
    assert Client().get(address).status_code == 302
    viewer = login(user_with("view_environment", "view_rejection"))
    page = viewer.get(address)
    assert "https://stranger.example.net" in text(page)
    assert url("rejectedorigin_change", card.pk) not in page.content.decode()
    assert viewer.post(address).status_code == 405
    sees_cards = login(user_with("view_environment", "view_rejection", "view_rejectedorigin"))
    shown = sees_cards.get(address).content.decode()
    assert url("rejectedorigin_change", card.pk) in shown
    assert "?card=" not in shown
    assert viewer.get(url(OUTLOOK, 10**6)).status_code == 404
    assert viewer.get(url(OUTLOOK, "x")).status_code == 404


def test_links_to_what_would_change_are_there_for_those_who_may_see_it(
    operator: Client, production: Environment
) -> None:
    address = url(OUTLOOK, production.pk)
    assert operator.get(url(CHANGE, production.pk)).content.decode().count(f'href="{address}"') == 2
    page = login(user_with("view_environment")).get(url(CHANGE, production.pk)).content.decode()
    assert "what-would-change" not in page
    assert "cors-guard-live" not in page
    page = login(user_with("view_environment", "view_rejection")).get(url(CHANGE, production.pk)).content.decode()
    assert page.count(f'href="{address}"') == 1


def test_page_of_what_would_change_asks_few_questions(
    operator: Client, production: Environment, public: ApiGroup, billing: ApiGroup, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        refuse(origin=f"https://app{number}.example.net")
        RejectedOriginFactory.create(origin=f"https://app{number}.example.net")
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(13):
        operator.get(url(OUTLOOK, production.pk))
