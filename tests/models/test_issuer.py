"""Issuers as rows: what is refused, and that every way of writing one stands in the story."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from django_cors_guard import services
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import ApiGroup, Environment, OriginIssuer, PolicyChange, PolicyState, policy_write
from tests.factories import UserFactory
from tests.issuing import make_issuer

TARGET = "originissuer:previews"


@pytest.fixture
def issuer(production: Environment, public: ApiGroup) -> OriginIssuer:
    return make_issuer(environment=production, api_groups=[public])


def entries(after: int = 0) -> list[tuple[str, Any, Any]]:
    """Return what the story says of the issuer: action, and the API groups before and after."""
    rows = PolicyChange.objects.filter(target=TARGET, pk__gt=after).order_by("pk")
    return [(row.action, (row.before or {}).get("api_groups"), (row.after or {}).get("api_groups")) for row in rows]


def last() -> int:
    return PolicyChange.objects.latest("pk").pk


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        pytest.param({"host_suffix": ".com"}, "host_suffix", "shape_anybody", id="registry"),
        pytest.param(
            {"host_prefix": "", "host_suffix": ".vercel.app"}, "host_suffix", "shape_anybody", id="hosting company"
        ),
        pytest.param({"host_prefix": "a_b"}, "host_prefix", "shape_characters", id="prefix"),
        pytest.param({"host_suffix": ".example.com/"}, "host_suffix", "shape_characters", id="suffix"),
        pytest.param(
            {"max_ttl": timedelta(days=8)}, "max_ttl", "ttl_too_long", id="longer than the environment allows"
        ),
        pytest.param({"max_ttl": timedelta(seconds=5)}, "max_ttl", "min_value", id="too short"),
        pytest.param({"max_active": 0}, "max_active", "min_value", id="none at all"),
    ],
)
def test_issuer_that_makes_no_sense_is_refused(
    values: dict[str, Any], field: str, code: str, issuer: OriginIssuer
) -> None:
    issuer.environment.max_trust_days = 7
    issuer.max_ttl = timedelta(days=7)
    for name, value in values.items():
        setattr(issuer, name, value)
    with pytest.raises(ValidationError) as caught:
        issuer.full_clean()
    assert {name: [error.code for error in errors] for name, errors in caught.value.error_dict.items()} == {
        field: [code]
    }


def test_capitals_and_spaces_are_mended(issuer: OriginIssuer) -> None:
    issuer.host_prefix, issuer.host_suffix = " Deploy-Preview-", "--MySite.netlify.app "
    issuer.full_clean()
    assert (issuer.host_prefix, issuer.host_suffix) == ("deploy-preview-", "--mysite.netlify.app")


def test_groups_are_in_the_story_whichever_way_they_change(issuer: OriginIssuer, billing: ApiGroup) -> None:
    begin = last()
    issuer.api_groups.add(billing)
    issuer.api_groups.add(billing)
    issuer.api_groups.remove(billing)
    issuer.api_groups.set([billing])
    issuer.api_groups.clear()
    issuer.api_groups.clear()
    assert entries(begin) == [
        ("changed", ["public"], ["billing", "public"]),
        ("changed", ["billing", "public"], ["public"]),
        ("changed", ["public"], []),
        ("changed", [], ["billing"]),
        ("changed", ["billing"], []),
    ]


def test_groups_are_in_the_story_from_the_other_side_too(issuer: OriginIssuer, billing: ApiGroup) -> None:
    begin = last()
    billing.issuers.add(issuer)
    billing.issuers.remove(issuer)
    billing.issuers.set([issuer])
    billing.issuers.clear()
    with_billing, without = ["billing", "public"], ["public"]
    assert entries(begin) == [
        ("changed", without, with_billing),
        ("changed", with_billing, without),
        ("changed", without, with_billing),
        ("changed", with_billing, without),
    ]


def test_groups_within_a_write_are_of_its_revision_and_actor(issuer: OriginIssuer, billing: ApiGroup) -> None:
    ana, begin = UserFactory.create(), last()
    with policy_write(actor=ana, reason="billing has previews") as write:
        issuer.max_active = 7
        issuer.save()
        issuer.api_groups.add(billing)
    rows = PolicyChange.objects.filter(pk__gt=begin)
    assert {(row.revision, row.actor, row.reason) for row in rows} == {(write.revision, ana, "billing has previews")}
    assert rows.count() == 2


@pytest.mark.parametrize("owner", ["user", "environment"])
def test_issuer_that_goes_with_its_owner_is_in_the_story_once(owner: str, issuer: OriginIssuer) -> None:
    begin = last()
    getattr(issuer, owner).delete()
    assert entries(begin) == [("deleted", ["public"], None)]


@pytest.mark.parametrize("bulk", [False, True], ids=["row", "queryset"])
def test_group_that_is_deleted_is_missed_in_the_story(bulk: bool, issuer: OriginIssuer, billing: ApiGroup) -> None:
    issuer.api_groups.add(billing)
    begin = last()
    groups = ApiGroup.objects.filter(pk=billing.pk)
    groups.delete() if bulk else billing.delete()
    assert issuer.list_group_slugs() == ["public"]
    # A bulk write is summed up in one entry, which names the group.
    assert entries(begin) == ([] if bulk else [("changed", ["billing", "public"], ["public"])])


def test_nothing_new_takes_no_revision(issuer: OriginIssuer, public: ApiGroup, billing: ApiGroup) -> None:
    before = PolicyState.read("default")
    issuer.api_groups.add(public)
    issuer.api_groups.remove(billing)
    issuer.api_groups.set([public])
    public.issuers.add(issuer)
    billing.issuers.clear()
    assert PolicyState.read("default") == before


@pytest.mark.parametrize("bulk", [False, True], ids=["row", "queryset"])
def test_issuer_that_is_deleted_is_in_the_story_once(bulk: bool, issuer: OriginIssuer) -> None:
    begin = last()
    OriginIssuer.objects.all().delete() if bulk else issuer.delete()
    assert PolicyChange.objects.filter(pk__gt=begin).count() == 1


def test_fixture_is_in_the_story_with_its_groups(issuer: OriginIssuer, billing: ApiGroup, tmp_path: Path) -> None:
    issuer.api_groups.add(billing)
    dump = tmp_path / "issuers.json"
    call_command("dumpdata", "cors_guard.originissuer", output=str(dump), natural_foreign=True, natural_primary=True)
    assert json.loads(dump.read_text())[0]["fields"]["api_groups"] == [["public"], ["billing"]]
    issuer.delete()
    begin = last()
    call_command("loaddata", str(dump), verbosity=0)
    rows = PolicyChange.objects.filter(pk__gt=begin).order_by("pk")
    assert [row.action for row in rows] == ["loaded", "changed"]
    assert rows[1].after == {"api_groups": ["billing", "public"]}
    assert OriginIssuer.objects.get().list_group_slugs() == ["billing", "public"]


@pytest.mark.parametrize("what", ["max_active", "api_groups"])
def test_change_of_an_issuer_is_not_reverted_and_says_why(what: str, issuer: OriginIssuer, billing: ApiGroup) -> None:
    if what == "max_active":
        issuer.max_active = 7
        issuer.save()
    else:
        issuer.api_groups.add(billing)
    change = PolicyChange.objects.latest("pk")
    (obstacle,) = services.preview_revert(change).obstacles
    assert "on its own page" in obstacle
    with pytest.raises(InvalidRequest, match="on its own page"):
        services.revert(change, reason="x")


def test_front_end_and_account_may_go_without_the_grants(issuer: OriginIssuer) -> None:
    grant = services.issue("https://deploy-preview-1--mysite.netlify.app", actor=issuer.user).touched[0].grant
    issuer.user.delete()
    grant.refresh_from_db()
    assert (grant.status(), grant.created_by) == ("active", None)
