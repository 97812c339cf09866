"""The overview page: unmissable, honest, and cheap."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import admin as cors_guard_admin
from django_cors_guard.models import ApiGroup, Environment, PolicyState, RejectedOrigin, TrustedOrigin, policy_write
from django_cors_guard.models.revision import Source
from django_cors_guard.testing import override_cors_guard
from tests.admin.conftest import login
from tests.admin.pages import text, url
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    RejectionTallyFactory,
    TrustedOriginFactory,
    user_with,
)

DAY = timedelta(days=1)
EVERYTHING = (
    "view_trustedorigin",
    "view_environment",
    "view_apigroup",
    "view_frontend",
    "view_rejectedorigin",
    "view_rejection",
    "view_policychange",
)


def this_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def production(db: None) -> Environment:
    ApiRouteFactory.create()
    return EnvironmentFactory.create()


def see(client: Client, **query: str) -> Any:
    response = client.get(url("overview"), query)
    assert response.status_code == 200
    return response


def words(page: Any) -> str:
    return unescape(text(page))


# --- the banner -------------------------------------------------------------------------------------------------------


def test_banner_tells_environment_mode_and_protection(operator: Client, production: Environment) -> None:
    page = words(see(operator))
    assert "Active environment Production production" in page
    assert "enforce: the CORS protocol" in page
    assert "not protected" in page
    Environment.objects.update(protected=True, mode="block")
    page = words(see(operator))
    assert "block: refused requests get 403" in page
    assert "not protected" not in page


def test_banner_tells_what_the_brake_makes_of_the_mode(operator: Client, production: Environment) -> None:
    Environment.objects.update(mode="block")
    with override_cors_guard(MAX_MODE="enforce"):
        page = words(see(operator))
    assert 'asks for block; CORS_GUARD["MAX_MODE"] lets nothing be stricter than enforce' in page
    assert "enforce: the CORS protocol" in page


def test_banner_tells_other_modes_open_groups_and_dangerous_switches(operator: Client, production: Environment) -> None:
    GroupModeFactory.create(environment=production, api_group=ApiGroupFactory.create(slug="billing"), mode="block")
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    Environment.objects.update(allow_insecure_http=True)
    page = words(see(operator))
    assert "With a mode of their own: Billing block" in page
    assert "Open to every page in the world: Public" in page
    assert "Dangerous switches that are on: allow insecure http" in page


def test_banner_tells_what_is_switched_off(operator: Client, production: Environment) -> None:
    TrustedOriginFactory.create(origin="http://plain.example.com")
    assert "One row breaks a safety rule and is switched off." in words(see(operator))


def test_banner_tells_the_revision_when_and_by_whom(operator: Client, production: Environment, ana: Any) -> None:
    with policy_write(actor=ana, source=Source.ADMIN, reason="x"):
        ApiGroupFactory.create(slug="other")
    page = see(operator)
    revision = PolicyState.read("default").revision
    assert f"Revision {revision} ," in words(page)
    assert "by ana (admin)" in words(page)
    assert f"{url('policychange_changelist')}?revision={revision}" in page.content.decode()
    assert "This process enforces it" in words(page)
    viewer = words(see(login(user_with("view_trustedorigin"))))
    assert "by ana" not in viewer
    assert "(admin)" in viewer


def test_banner_tells_that_a_process_is_behind(
    operator: Client, production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(operator)
    with override_cors_guard(REFRESH_SECONDS=60):
        see(operator)
        before = PolicyState.read("default").revision
        PolicyState.bump("default")
        page = words(see(operator))
    assert f"Revision {before + 1}" in page
    assert f"This process is still at revision {before} and follows within 60 seconds." in page


TROUBLES = [
    pytest.param(lambda: Environment.objects.all().delete(), "“production” is not in the database", id="environment"),
    pytest.param(lambda: ApiGroup.objects.all().delete(), "no API group, so nothing is guarded", id="no group"),
    pytest.param(lambda: ApiGroup.objects.get().routes.all().delete(), "No API group has a route", id="no route"),
]


@pytest.mark.parametrize(("break_it", "says"), TROUBLES)
def test_page_warns_of_what_keeps_the_guard_from_its_work(
    operator: Client, production: Environment, break_it: Any, says: str
) -> None:
    assert "The guard cannot do its work" not in words(see(operator))
    break_it()
    page = words(see(operator))
    assert "The guard cannot do its work" in page
    assert says in page


def test_page_without_the_middleware_says_that_there_is_no_policy(
    operator: Client, production: Environment, settings: Any
) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "cors_guard" not in name]
    with override_cors_guard():
        page = words(see(operator))
    assert "This process has no policy" in page
    assert "cors_guard.E004" in page


def test_page_tells_what_the_checks_say_of_the_settings(operator: Client, production: Environment) -> None:
    assert "cors_guard." not in words(see(operator))
    with override_cors_guard(UNKNOWN=1):
        assert "cors_guard.E002" in words(see(operator))


def test_check_that_is_silenced_is_not_told(operator: Client, production: Environment, settings: Any) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ["cors_guard.E002"]
    with override_cors_guard(UNKNOWN=1):
        assert "cors_guard.E002" not in words(see(operator))


# --- rejections -------------------------------------------------------------------------------------------------------


def chart(page: Any, name: str) -> Any:
    return {each.id: each for each in page.context["charts"]}[name]


def test_charts_add_up_by_reason_and_by_group(operator: Client, production: Environment) -> None:
    ApiGroup.objects.update(name="The public API")
    now = this_hour()
    RejectionTallyFactory.create(hour=now, count=3)
    RejectionTallyFactory.create(hour=now, count=40, reason="revoked", api_group="own.paths")
    RejectionTallyFactory.create(hour=now, count=500, reason="no_policy", api_group="")
    page = see(operator)
    reasons, groups = chart(page, "by-reason"), chart(page, "by-group")
    assert reasons.columns == ("there is no usable policy", "the origin was revoked", "nobody has trusted this origin")
    assert groups.columns == ("no group", "the guard's own paths", "The public API")
    assert reasons.totals.counts == groups.totals.counts == (500, 40, 3)
    assert "543 requests were refused." in words(page)
    assert len(reasons.rows) == 7
    assert reasons.rows[-1].counts == (500, 40, 3)
    assert sum(row.total for row in reasons.rows) == 543


@pytest.mark.parametrize(("period", "rows"), [("24h", 24), ("7d", 7), ("30d", 30), ("", 7), ("1y", 7), ("\0", 7)])
def test_period_is_chosen_by_the_address(operator: Client, production: Environment, period: str, rows: int) -> None:
    RejectionTallyFactory.create(hour=this_hour())
    page = see(operator, period=period)
    assert len(chart(page, "by-reason").rows) == rows
    current = [link.label for link in page.context["periods"] if link.is_current]
    assert current == [{24: "24 hours", 7: "7 days", 30: "30 days"}[rows]]


def test_environment_is_the_active_one_unless_chosen(operator: Client, production: Environment) -> None:
    EnvironmentFactory.create(slug="staging")
    for slug, count in (("production", 1), ("staging", 20), ("gone", 300)):
        RejectionTallyFactory.create(hour=this_hour(), environment=slug, count=count)

    def total(**query: str) -> int:
        return int(see(operator, **query).context["refusals"].total)

    assert total() == 1
    assert total(environment="staging") == 20
    assert total(environment="") == 321
    assert total(environment="nowhere") == 321


def test_links_keep_what_else_was_chosen(operator: Client, production: Environment) -> None:
    EnvironmentFactory.create(slug="staging")
    page = see(operator, period="30d", environment="staging")
    periods = {link.label: link.url for link in page.context["periods"]}
    places = {link.label: link.url for link in page.context["places"]}
    assert periods["24 hours"] == f"{url('overview')}?period=24h&environment=staging#refusals"
    assert places["All environments"] == f"{url('overview')}?period=30d&environment=#refusals"


def test_many_reasons_are_folded_into_others(operator: Client, production: Environment) -> None:
    reasons = ["unknown_origin", "revoked", "expired", "switched_off", "null_origin", "malformed_origin", "own_paths"]
    for number, reason in enumerate([*reasons, "no_policy", "method_not_allowed"]):
        RejectionTallyFactory.create(hour=this_hour(), reason=reason, count=100 - number)
    found = chart(see(operator), "by-reason")
    assert len(found.columns) == 7
    assert found.columns[-1] == "others"
    assert found.totals.counts[-1] == 94 + 93 + 92
    assert found.totals.total == sum(range(92, 101))


def test_seven_reasons_stay_apart(operator: Client, production: Environment) -> None:
    for number in range(7):
        RejectionTallyFactory.create(hour=this_hour(), reason=f"reason{number}", count=10 + number)
    assert chart(see(operator), "by-reason").columns == tuple(f"reason{number}" for number in reversed(range(7)))


def test_figures_are_in_the_page_for_those_without_scripts(operator: Client, production: Environment) -> None:
    RejectionTallyFactory.create(hour=this_hour(), count=1234)
    body = see(operator).content.decode()
    assert body.count('data-count="1234"') == 2
    assert "<details open>" in body


def test_figures_are_numbers_to_a_script_in_every_language(
    operator: Client, production: Environment, settings: Any
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"
    RejectionTallyFactory.create(hour=this_hour(), count=1234)
    body = see(operator).content.decode()
    assert 'data-count="1234">1.234<' in body


def test_static_files_name_no_other_file_that_is_not_there() -> None:
    # ManifestStaticFilesStorage, which many projects use, refuses to collect such a file.
    folder = Path(cors_guard_admin.__file__).parents[1] / "static" / "cors_guard"
    files = [path for path in folder.rglob("*") if path.suffix in {".js", ".css"} and path.is_file()]
    assert {path.name for path in files} >= {"chart.umd.min.js", "overview.js", "overview.css"}
    for path in files:
        assert "sourceMappingURL" not in path.read_text(), path


def test_time_without_refusals_has_no_chart(operator: Client, production: Environment) -> None:
    body = see(operator).content.decode()
    assert "0 requests were refused." in words(see(operator))
    assert "<figure" not in body


def test_most_refused_link_their_cards(operator: Client, production: Environment) -> None:
    today = timezone.now().date().isoformat()
    card = RejectedOriginFactory.create(last_seen=timezone.now(), count=77, recent={today: 33})
    page = see(operator)
    assert url("rejectedorigin_change", card.pk) in page.content.decode()
    assert "public in production nobody has trusted this origin 33 77" in words(page)
    RejectedOrigin.objects.update(status="ignored")
    assert "No new rejected origin was seen" in words(see(operator))


SEEING = [
    pytest.param((), False, False, id="neither"),
    pytest.param(("view_rejection",), True, False, id="rejections"),
    pytest.param(("view_rejectedorigin",), True, True, id="cards"),
]


@pytest.mark.parametrize(("permissions", "charts", "cards"), SEEING)
def test_rejections_are_for_those_who_may_see_them(
    production: Environment, permissions: tuple[str, ...], charts: bool, cards: bool
) -> None:
    RejectionTallyFactory.create(hour=this_hour())
    RejectedOriginFactory.create(origin="https://secret.example.net", last_seen=timezone.now())
    body = see(login(user_with("view_trustedorigin", *permissions))).content.decode()
    assert ("Refused requests" in body) is charts
    assert ("chart.umd" in body) is charts
    assert ("secret.example.net" in body) is cards


# --- grants -----------------------------------------------------------------------------------------------------------


def test_grants_are_counted_by_place_and_linked(operator: Client, production: Environment) -> None:
    staging, billing = EnvironmentFactory.create(slug="staging"), ApiGroupFactory.create(slug="billing")
    for _ in range(3):
        TrustedOriginFactory.create()
    TrustedOriginFactory.create(environment=staging, api_group=billing)
    page = see(operator)
    lines = {line.label: line for line in page.context["lines"]}
    assert page.context["group_names"] == ["Billing", "Public"]
    assert [cell.count for cell in lines["Production"].cells] == [0, 3]
    assert [cell.count for cell in lines["Staging"].cells] == [1, 0]
    assert (lines["Production"].is_active, lines["Staging"].is_active) == (True, False)
    assert (lines["Production"].total, lines["Staging"].total) == (3, 1)
    for cell in lines["Production"].cells:
        listed = operator.get(cell.url)
        assert listed.status_code == 200
        assert listed.context["cl"].result_count == cell.count


def test_what_ends_soon_is_counted_and_linked(operator: Client, production: Environment) -> None:
    soon = TrustedOriginFactory.create(expires_at=timezone.now() + 3 * DAY)
    TrustedOriginFactory.create(expires_at=timezone.now() + 20 * DAY)
    page = see(operator)
    assert "One grant ends within 14 days, 2 within 30 days." in words(page)
    assert url("trustedorigin_change", soon.pk) in page.content.decode()


def test_nothing_ends_soon_is_said(operator: Client, production: Environment) -> None:
    assert "No grant ends within 30 days." in words(see(operator))


def test_unused_grants_are_counted(operator: Client, production: Environment) -> None:
    TrustedOriginFactory.create(created_at=timezone.now() - 100 * DAY)
    OriginUsageFactory.create(last_seen=timezone.now())
    page = words(see(operator))
    assert "No use on record : 1" in page
    assert "Unused for 90 days, and older than that : 1" in page


def test_counts_are_those_of_the_lists_that_they_link(operator: Client, production: Environment) -> None:
    TrustedOriginFactory.create(created_at=timezone.now() - 100 * DAY)
    TrustedOriginFactory.create(expires_at=timezone.now() + 3 * DAY)
    TrustedOriginFactory.create(origin="http://plain.example.com")
    context = see(operator).context
    counts = {
        context["never_url"]: context["unused"].never,
        context["unused_url"]: context["unused"].long,
        context["ending_url"]: context["soon"],
        context["switched_off_url"]: context["standing"].switched_off,
    }
    assert list(counts.values()) == [2, 1, 1, 1]
    for address, count in counts.items():
        assert operator.get(address).context["cl"].result_count == count, address


def test_reviews_are_for_those_who_may_see_front_ends(operator: Client, production: Environment) -> None:
    row = FrontEndFactory.create(name="Shop", review_by=timezone.now().date() - 2 * DAY)
    page = see(operator)
    assert "Shop (Team Shop) ," in words(page)
    assert "overdue" in words(page)
    assert url("frontend_change", row.pk) in page.content.decode()
    assert "Shop" not in words(see(login(user_with("view_trustedorigin"))))


# --- permissions, hostile rows, cost ----------------------------------------------------------------------------------


def test_overview_needs_its_permission(db: None) -> None:
    others = [name for name in EVERYTHING if name != "view_trustedorigin"]
    assert login(user_with(*others)).get(url("overview")).status_code == 403
    assert "/login/" in Client().get(url("overview"))["Location"]


def test_index_of_the_app_leads_in(operator: Client, production: Environment) -> None:
    page = operator.get("/admin/cors_guard/")
    assert "Start with the overview" in text(page)
    assert f'<a href="{url("overview")}">Open the overview</a>' in page.content.decode()
    page = login(user_with("view_rejectedorigin")).get("/admin/cors_guard/")
    assert "Start with the overview" not in text(page)


def test_hostile_rows_are_escaped_and_cut(operator: Client, production: Environment) -> None:
    hostile = "<script>\u202e" + "x" * 250
    Environment.objects.update(name=hostile[:100])
    ApiGroup.objects.update(name=hostile[:100])
    FrontEndFactory.create(slug="f", name=hostile[:100], owner="<script>", review_by=timezone.now().date())
    today = timezone.now().date().isoformat()
    RejectedOriginFactory.create(
        origin=hostile[:255], environment="<script>\u202e", api_group="<script>", last_seen=timezone.now(),
        last_reason="<script>", recent={today: "many", "no day": [1]},
    )  # fmt: skip
    RejectionTallyFactory.create(
        hour=this_hour(), reason="<script>\u202e", api_group="<script>\u202e", environment="production"
    )
    grant = TrustedOriginFactory.create(expires_at=timezone.now() + DAY)
    TrustedOrigin._base_manager.filter(pk=grant.pk).update(origin="<script>\u202e")
    for environment in ("production", ""):
        body = see(operator, environment=environment).content.decode()
        assert "<script>" not in body
        assert "\u202e" not in body
        assert "x" * 100 not in body


def test_overview_asks_the_database_no_more_often_than_it_may(production: Environment) -> None:
    GroupModeFactory.create(environment=production)
    for number in range(5):
        environment = EnvironmentFactory.create(slug=f"e{number}")
        for place in range(3):
            group = ApiGroupFactory.create(slug=f"g{place}")
            TrustedOriginFactory.create(environment=environment, api_group=group, expires_at=timezone.now() + DAY)
            RejectionTallyFactory.create(hour=this_hour(), environment=environment.slug, api_group=group.slug)
        RejectedOriginFactory.create(origin=f"https://x{number}.example.net", last_seen=timezone.now())
        FrontEndFactory.create(slug=f"f{number}", review_by=timezone.now().date())
    client = login(user_with(*EVERYTHING))
    see(client)
    for slug in ("production", ""):
        with CaptureQueriesContext(connection) as queries:
            see(client, environment=slug, period="30d")
        assert len(queries) <= 16, "\n".join(query["sql"][:150] for query in queries)
