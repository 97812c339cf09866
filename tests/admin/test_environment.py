from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyChange
from tests.admin.pages import FROM_OWN_PAGE, errors, post, revision, said, text, url
from tests.factories import ApiGroupFactory, EnvironmentFactory, GroupModeFactory, TrustedOriginFactory

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
    response = post(operator, url(CHANGE, production.pk), data)
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
    post(operator, url(CHANGE, production.pk), data)
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
    operator.post(url(CHANGE, production.pk), data, **headers)  # type: ignore[arg-type]  # headers are strings
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
    assert post(apprentice, url(CHANGE, production.pk), filled_in(mode="monitor")).status_code == 302


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


def test_environment_with_trusted_origins_cannot_be_deleted(operator: Client, production: Environment) -> None:
    TrustedOriginFactory.create()
    assert "protected related objects" in text(operator.get(url(DELETE, production.pk)))
    assert Environment.objects.exists()


def test_page_asks_few_questions_however_many_modes(
    operator: Client, production: Environment, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        GroupModeFactory.create(api_group=ApiGroupFactory.create(slug=f"group{number}"))
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        operator.get(url(CHANGE, production.pk))
