"""Issuers at the desk: what is asked, what is refused, what is warned of."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, OriginIssuer, PolicyChange
from tests.admin.conftest import login
from tests.admin.pages import errors, post, revision, said, text, url
from tests.factories import EnvironmentFactory, FrontEndFactory, UserFactory, user_with
from tests.issuing import PREVIEW, make_issuer

MAY = ("view_originissuer", "add_originissuer", "change_originissuer", "add_trustedorigin")


@pytest.fixture
def filled(production: Environment, public: ApiGroup) -> dict[str, Any]:
    UserFactory.create(username="ci", is_staff=False)
    return {
        "slug": "previews",
        "user": "ci",
        "environment": production.pk,
        "api_groups": [public.pk],
        "front_end": "",
        "host_prefix": "pr-",
        "host_suffix": ".preview.example.com",
        "max_ttl": "36h",
        "max_active": "20",
        "why": "The shop has previews.",
    }


def change(issuer: OriginIssuer, **values: Any) -> dict[str, Any]:
    """Return the form of a stored issuer as a browser would send it back."""
    return {
        "user": issuer.user.get_username(),
        "environment": issuer.environment_id,
        "api_groups": [group.pk for group in issuer.api_groups.all()],
        "front_end": "",
        "host_prefix": issuer.host_prefix,
        "host_suffix": issuer.host_suffix,
        "max_ttl": "14d",
        "max_active": issuer.max_active,
        **values,
    }


def test_issuer_is_made_in_one_revision_with_its_reason(operator: Client, filled: dict[str, Any]) -> None:
    before = revision()
    answer = post(operator, url("originissuer_add"), filled)
    assert answer.status_code == 302, errors(answer)
    issuer = OriginIssuer.objects.get()
    assert (issuer.user.get_username(), issuer.max_ttl) == ("ci", timedelta(hours=36))
    assert issuer.list_group_slugs() == ["public"]
    assert revision() == before + 1
    changes = PolicyChange.objects.filter(target="originissuer:previews")
    assert {(row.actor_label, row.source, row.reason) for row in changes} == {
        ("ana", "admin", "The shop has previews.")
    }
    assert services.issue("https://pr-7.preview.example.com", actor=issuer.user).issuer == issuer


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"host_suffix": ".com"}, "anybody could register", id="registry"),
        pytest.param({"host_prefix": "", "host_suffix": ".netlify.app"}, "anybody could register", id="hosting"),
        pytest.param({"host_prefix": "*"}, "no scheme, port or", id="star"),
        pytest.param({"max_ttl": "two weeks"}, "Write it as 14d", id="no span"),
        pytest.param({"max_ttl": ""}, "required", id="no lifetime"),
        pytest.param({"max_ttl": "400d"}, "longer than 365 days", id="longer than the environment allows"),
        pytest.param({"max_active": "0"}, "greater than or equal to 1", id="none at all"),
        pytest.param({"user": "nobody"}, "no account of that name", id="unknown account"),
        pytest.param({"api_groups": []}, "required", id="no API group"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(
    wrong: dict[str, Any], words: str, operator: Client, filled: dict[str, Any], production: Environment
) -> None:
    production.max_trust_days = 365
    production.save()
    answer = post(operator, url("originissuer_add"), {**filled, **wrong})
    (field,) = {*errors(answer)} - {"__all__"}
    assert words in " ".join(errors(answer)[field])
    assert not OriginIssuer.objects.exists()


def test_group_that_is_open_to_any_origin_is_refused(
    operator: Client, filled: dict[str, Any], public: ApiGroup
) -> None:
    public.any_origin = True
    public.save()
    assert "Open to any origin" in errors(post(operator, url("originissuer_add"), filled))["api_groups"][0]


def test_name_that_strangers_can_get_is_accepted_and_warned_of(operator: Client, filled: dict[str, Any]) -> None:
    answer = post(operator, url("originissuer_add"), {**filled, "host_prefix": "myapp-", "host_suffix": ".vercel.app"})
    assert any("Under vercel.app strangers choose names" in words for words in said(answer))
    page = operator.get(url("originissuer_change", OriginIssuer.objects.get().pk))
    assert "Under vercel.app strangers choose names" in text(page)
    assert "Such as https://myapp-42.vercel.app" in text(page)


def test_own_domain_is_not_warned_of(operator: Client, filled: dict[str, Any]) -> None:
    assert not any("strangers" in words for words in said(post(operator, url("originissuer_add"), filled)))


def test_list_says_what_each_covers_and_how_much_of_it_is_in_force(operator: Client, public: ApiGroup) -> None:
    issuer = make_issuer(max_active=20)
    services.issue(PREVIEW, actor=issuer.user)
    services.issue(PREVIEW.replace("42", "43"), actor=issuer.user)
    services.withdraw(PREVIEW, actor=issuer.user)
    page = operator.get(url("originissuer_changelist"))
    for words in (
        "https://deploy-preview-…--mysite.netlify.app",
        "1 of 20",
        "14d",
        "just now",
        issuer.user.get_username(),
    ):
        assert words in text(page)
    grants = f"{url('trustedorigin_changelist')}?managed_by=issuer%3Apreviews"
    assert grants in page.content.decode()
    assert "deploy-preview-43" in text(operator.get(grants))


def test_list_of_somebody_who_may_not_see_grants_links_to_none(public: ApiGroup) -> None:
    make_issuer()
    page = login(user_with("view_originissuer")).get(url("originissuer_changelist"))
    assert "0 of 50" in text(page)
    assert "managed_by" not in page.content.decode()


def test_saving_without_a_change_takes_no_revision_nor_does_a_front_end(operator: Client, public: ApiGroup) -> None:
    issuer, front_end = make_issuer(), FrontEndFactory.create()
    before = revision()
    for values in ({}, {"front_end": front_end.pk}):
        assert post(operator, url("originissuer_change", issuer.pk), change(issuer, **values)).status_code == 302
    issuer.refresh_from_db()
    assert issuer.front_end == front_end
    assert revision() == before


def test_slug_stays_since_grants_carry_it(operator: Client, public: ApiGroup) -> None:
    issuer = make_issuer()
    post(operator, url("originissuer_change", issuer.pk), change(issuer, slug="other", max_active=7))
    issuer.refresh_from_db()
    assert (issuer.slug, issuer.max_active) == ("previews", 7)


@pytest.mark.parametrize("way", ["out", "in"])
def test_moving_out_of_or_into_a_protected_environment_takes_its_permission(
    way: str, production: Environment, public: ApiGroup
) -> None:
    issuer, staging = make_issuer(), EnvironmentFactory.create(slug="staging")
    Environment.objects.filter(pk=(production if way == "out" else staging).pk).update(protected=True)
    address, wanted = url("originissuer_change", issuer.pk), change(issuer, environment=staging.pk)
    answer = post(login(user_with(*MAY)), address, wanted)
    assert "protected" in " ".join(errors(answer)["__all__"])
    issuer.refresh_from_db()
    assert issuer.environment == production
    assert post(login(user_with(*MAY, "change_protected_environment")), address, wanted).status_code == 302


def test_history_tells_of_groups_by_name(operator: Client, public: ApiGroup, billing: ApiGroup) -> None:
    issuer = make_issuer()
    issuer.api_groups.add(billing)
    page = text(operator.get(url("originissuer_history", issuer.pk)))
    assert "API groups: public → billing, public" in page
    entry = PolicyChange.objects.latest("pk")
    assert "on its own page" in text(operator.get(url("policychange_revert", entry.pk)))


def test_viewer_reads_it_all_and_can_save_nothing(public: ApiGroup) -> None:
    issuer = make_issuer()
    viewer = login(user_with("view_originissuer"))
    page = text(viewer.get(url("originissuer_change", issuer.pk)))
    assert "--mysite.netlify.app" in page
    assert "Reason for this change" not in page
    assert post(viewer, url("originissuer_change", issuer.pk), change(issuer)).status_code == 403
