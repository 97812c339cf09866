"""Taking one change of the policy back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
    policy_write,
    writing,
)
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Deed
from django_cors_guard.services.history import reverting as history
from django_cors_guard.services.history.record import Record
from django_cors_guard.testing import override_cors_guard
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
REASON = "a slip"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def ben(db: None) -> User:
    return UserFactory.create(username="ben", is_superuser=True)


def latest(action: str = "", **wanted: Any) -> PolicyChange:
    found = PolicyChange.objects.filter(**wanted).exclude(action="reverted")
    return (found.filter(action=action) if action else found).latest("pk")


def revision() -> int:
    return PolicyState.objects.get().revision


def trust(**extra: Any) -> TrustedOrigin:
    return services.trust(ORIGIN, environment="production", api_group="public", **extra)


def again(grant: TrustedOrigin) -> TrustedOrigin:
    grant.refresh_from_db()
    return grant


def in_days(days: int) -> datetime:
    return timezone.now() + timedelta(days=days)


def refused(change: PolicyChange, **extra: Any) -> str:
    """Revert ``change`` in vain, and return what was said; the preview says the same, and nothing is written."""
    before, stories = revision(), PolicyChange.objects.count()
    with pytest.raises(InvalidRequest) as caught:
        services.revert(change, reason=REASON, **extra)
    assert (revision(), PolicyChange.objects.count()) == (before, stories)
    assert " ".join(services.preview_revert(change, **extra).obstacles) == caught.value.message
    return caught.value.message


def raw_change(target: str, *, before: Any = None, after: Any = None, action: str = "changed") -> PolicyChange:
    """A row of the story that something else wrote."""
    return PolicyChange.objects.create(
        revision=1, token="x", at=timezone.now(), action=action, target=target, before=before, after=after
    )


# --- the story ---


def test_revert_is_a_change_of_its_own_in_one_revision_with_reason_and_link(ben: User) -> None:
    grant = trust()
    trusted, number = latest(), revision()

    with writing("admin"):
        entry = services.revert(trusted, actor=ben, reason=REASON)

    assert again(grant).revoked_at is not None
    assert revision() == number + 1
    told = list(PolicyChange.objects.filter(revision=number + 1).order_by("pk"))
    assert [change.action for change in told] == ["revoked", "reverted"]
    assert {(change.target, change.actor, change.source, change.reason) for change in told} == {
        (grant.target(), ben, "admin", REASON)
    }
    assert entry == told[-1]
    assert entry.after == {"change": trusted.pk, "revision": trusted.revision, "action": "trusted"}


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_revert_without_reason_is_refused(reason: str) -> None:
    trust()
    with pytest.raises(InvalidRequest, match="Say why"):
        services.revert(latest(), reason=reason)


def test_preview_writes_nothing() -> None:
    trust()
    number, stories = revision(), PolicyChange.objects.count()
    assert services.preview_revert(latest()).deed is Deed.REVOKE
    assert (revision(), PolicyChange.objects.count()) == (number, stories)


def test_revert_reads_the_change_anew() -> None:
    grant = trust()
    change = latest()
    change.target, change.action = "environment:production", "deleted"
    services.revert(change, reason=REASON)
    assert again(grant).revoked_at is not None


# --- grants ---


def test_trusted_is_revoked(ben: User) -> None:
    grant = trust()
    services.revert(latest(), actor=ben, reason=REASON)
    grant = again(grant)
    assert (grant.status(), grant.revoked_by, grant.revoke_reason) == (Status.REVOKED, ben, REASON)


def test_added_by_code_is_revoked_and_never_deleted() -> None:
    grant = TrustedOriginFactory.create()
    services.revert(latest("added", target=grant.target()), reason=REASON)
    assert again(grant).status() == Status.REVOKED


def test_trusted_in_an_open_group_is_refused() -> None:
    trust()
    ApiGroup.objects.update(any_origin=True)
    assert "Public is open to any origin" in refused(latest("trusted"))


def test_trusted_and_revoked_since_is_refused_with_who_did_it(ben: User) -> None:
    grant = trust()
    services.revoke(grant, actor=ben, reason="x")
    assert refused(latest("trusted")) == (
        f"Revoked at is no longer as this change left it: ben changed it in revision {revision()}."
    )


def test_trusted_and_renewed_since_is_refused(ben: User) -> None:
    trust()
    trust(expires_at=in_days(3), actor=ben)
    assert "Expires at is no longer as this change left it: ben changed it" in refused(latest("trusted"))


def test_trusted_and_only_described_since_is_revoked() -> None:
    grant = trust()
    trust(note="the shop", front_end=FrontEndFactory.create())
    services.revert(latest("trusted"), reason=REASON)
    assert again(grant).status() == Status.REVOKED


def test_revoked_is_reinstated() -> None:
    grant = trust(expires_at=in_days(5))
    card = RejectedOriginFactory.create(origin=ORIGIN)
    services.revoke(grant, reason="x")
    services.revert(latest("revoked"), reason=REASON)
    assert (again(grant).status(), again(grant).revoke_reason) == (Status.ACTIVE, "")
    assert latest().action == "reinstated"
    assert RejectedOrigin.objects.get(pk=card.pk).status == "trusted"


def test_revoked_everywhere_is_reinstated_in_one_place_only() -> None:
    EnvironmentFactory.create(slug="staging")
    services.trust_many([ORIGIN], environments=["production", "staging"], api_groups=["public"])
    services.revoke_origin(ORIGIN, reason="x")
    services.revert(latest("revoked", target__contains="staging"), reason=REASON)
    active = TrustedOrigin.objects.active().values_list("environment__slug", flat=True)
    assert list(active) == ["staging"]


def test_revoked_says_what_trusting_again_risks() -> None:
    Environment.objects.update(allow_insecure_http=True)
    grant = services.trust("http://app.example.com", environment="production", api_group="public")
    services.revoke(grant, reason="x")
    preview = services.preview_revert(latest("revoked"))
    assert [risk.code for risk in preview.risks] == ["insecure_http"]
    assert not preview.obstacles


def test_revoked_under_rules_that_no_longer_let_it_in_is_refused() -> None:
    Environment.objects.update(allow_insecure_http=True)
    grant = services.trust("http://app.example.com", environment="production", api_group="public")
    services.revoke(grant, reason="x")
    Environment.objects.update(allow_insecure_http=False)
    assert "is not encrypted" in refused(latest("revoked"))


def test_revoked_with_an_end_too_far_away_is_refused() -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    Environment.objects.update(max_trust_days=7)
    assert "limits how long a grant may live" in refused(latest("revoked"))


def test_revoked_and_reinstated_since_is_refused(ben: User) -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    services.reinstate(grant, actor=ben, reason="x")
    assert "Revoked at is no longer as this change left it: ben" in refused(latest("revoked"))


def test_revoked_twice_only_the_last_revocation_is_taken_back() -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    first = latest("revoked")
    services.reinstate(grant, reason="x")
    services.revoke(grant, reason="x")
    assert "Revoked at is no longer" in refused(first)
    services.revert(latest("revoked"), reason=REASON)
    assert again(grant).revoked_at is None


def test_revocation_that_only_a_pattern_had_let_in_is_forgotten() -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    services.trust("https://*.example.com", environment="production", api_group="public")
    services.revoke_origin(ORIGIN, reason="x")
    change = latest("revoked")
    preview = services.preview_revert(change)
    assert (preview.deed, preview.list_permissions()) == (
        Deed.DELETE,
        ["change_trustedorigin", "delete_trustedorigin"],
    )
    assert "only a pattern" in preview.notes[0]
    services.revert(change, reason=REASON)
    assert not TrustedOrigin.objects.filter(origin=ORIGIN).exists()
    assert latest().action == "deleted"


def test_reinstated_is_revoked_again() -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    services.reinstate(grant, reason="x")
    services.revert(latest("reinstated"), reason=REASON)
    assert (again(grant).status(), again(grant).revoke_reason) == (Status.REVOKED, REASON)
    assert "Revoked at is no longer" in refused(latest("reinstated"))


def test_renewed_gets_its_former_end_back() -> None:
    ends = in_days(5)
    grant = trust(expires_at=ends)
    trust(expires_at=in_days(9))
    preview = services.preview_revert(latest("renewed"))
    assert [(step.field.name, step.then) for step in preview.steps] == [("expires_at", ends)]
    services.revert(latest("renewed"), reason=REASON)
    assert again(grant).expires_at == ends


def test_renewed_is_compared_by_moment_and_not_by_spelling() -> None:
    """What the story keeps is spelt in the zone of whoever wrote it; the database hands out UTC."""
    grant = trust(expires_at=in_days(5))
    trust(expires_at=in_days(9).astimezone(timezone.get_fixed_timezone(120)))
    services.revert(latest("renewed"), reason=REASON)
    assert again(grant).expires_at is not None


def test_renewed_keeps_a_revocation() -> None:
    grant = trust(expires_at=in_days(5))
    trust(expires_at=in_days(9))
    renewed = latest("renewed")
    services.revoke(grant, reason="x")
    services.revert(renewed, reason=REASON)
    assert again(grant).revoked_at is not None


def test_renewed_whose_former_end_has_passed_is_refused() -> None:
    grant = trust()
    TrustedOrigin.objects.update(expires_at=in_days(-1))
    services.amend(again(grant), note="", front_end=None, expires_at=in_days(5))
    assert "lies in the past" in refused(latest("renewed"))


@pytest.mark.parametrize("former", [None, 30], ids=["never", "in 30 days"])
def test_renewed_whose_former_end_is_too_late_by_now_is_refused(former: int | None) -> None:
    grant = trust(expires_at=in_days(former) if former else None)
    services.amend(grant, note="", front_end=None, expires_at=in_days(2))
    Environment.objects.update(max_trust_days=7)
    assert "limits how long a grant may live" in refused(latest("renewed"))


def test_renewed_again_since_is_refused(ben: User) -> None:
    trust(expires_at=in_days(5))
    trust(expires_at=in_days(6))
    change = latest("renewed")
    trust(expires_at=in_days(7), actor=ben)
    assert "Expires at is no longer as this change left it: ben" in refused(change)


def test_moved_time_of_a_revocation_stays() -> None:
    grant = trust()
    services.revoke(grant, reason="x")
    grant.revoked_at = in_days(-1)
    grant.save()
    assert "only moved the time of a revocation" in refused(latest("changed"))


def test_end_that_code_changed_goes_back_and_leaves_the_note() -> None:
    grant = trust(note="old")
    grant.expires_at, grant.note = in_days(5), "new"
    grant.save()
    preview = services.preview_revert(latest("changed"))
    assert preview.notes == ("Note stays as it is.",)
    services.revert(latest("changed"), reason=REASON)
    assert (again(grant).expires_at, again(grant).note) == (None, "new")


@pytest.mark.parametrize("days", [None, 5, -5], ids=["no end", "an end", "expired"])
def test_deleted_grant_comes_back_as_it_was(days: int | None, ben: User) -> None:
    grant = trust(note="the shop", front_end=FrontEndFactory.create(), actor=ben)
    if days:
        TrustedOrigin.objects.update(expires_at=in_days(days))
    old = again(grant)
    TrustedOrigin.objects.get().delete()
    services.revert(latest("deleted"), reason=REASON)
    new = TrustedOrigin.objects.get()
    told = ("origin", "environment_id", "expires_at", "note", "front_end_id", "created_at", "created_by_id")
    assert [getattr(new, name) for name in told] == [getattr(old, name) for name in told]
    assert latest().action == "trusted"


def test_deleted_grant_that_was_revoked_comes_back_revoked_whatever_the_rules_say(ben: User) -> None:
    Environment.objects.update(allow_insecure_http=True)
    grant = services.trust("http://app.example.com", environment="production", api_group="public")
    services.revoke(grant, actor=ben, reason="taken over")
    Environment.objects.update(allow_insecure_http=False)
    grant.delete()
    preview = services.preview_revert(latest("deleted"))
    assert (preview.deed, preview.risks) == (Deed.ADD, ())
    assert preview.list_permissions() == ["change_trustedorigin", "add_trustedorigin"]
    services.revert(latest("deleted"), reason=REASON)
    new = TrustedOrigin.objects.get()
    assert (new.revoked_by, new.revoke_reason) == (ben, "taken over")
    assert latest().action == "added"


def test_deleted_grant_that_may_no_longer_be_trusted_is_refused() -> None:
    grant = trust()
    grant.delete()
    Environment.objects.update(max_trust_days=7)
    assert "limits how long a grant may live" in refused(latest("deleted"))


def test_deleted_grant_that_is_there_again_is_refused(ben: User) -> None:
    trust().delete()
    trust(actor=ben)
    assert refused(latest("deleted")) == f"There is one again: ben added it in revision {revision()}."


def test_deleted_grant_whose_front_end_and_users_have_gone_comes_back_without_them(ben: User) -> None:
    grant = trust(front_end=FrontEndFactory.create(), actor=ben)
    grant.delete()
    FrontEndFactory.create().delete()
    ben.delete()
    services.revert(latest("deleted"), reason=REASON)
    new = TrustedOrigin.objects.get()
    assert (new.front_end, new.created_by) == (None, None)


def test_deleted_grant_finds_its_place_by_name_and_not_by_number() -> None:
    trust().delete()
    change = latest("deleted")
    Environment.objects.all().delete()
    assert "There is no environment “production” any more. Revert its deletion first." in refused(change)
    place = EnvironmentFactory.create(slug="production")
    services.revert(change, reason=REASON)
    assert TrustedOrigin.objects.get().environment == place


def test_grant_that_has_gone_is_said_with_who_deleted_it(ben: User) -> None:
    grant = trust()
    with policy_write(actor=ben):
        grant.delete()
    assert refused(latest("trusted")) == f"It is not there any more: ben deleted it in revision {revision()}."


def test_grant_that_has_gone_without_a_word_is_refused() -> None:
    trust()
    TrustedOrigin.objects.all()._raw_delete("default")
    assert refused(latest("trusted")) == "It is not there any more."


# --- environments, groups, routes, modes ---


def test_changed_fields_alone_go_back() -> None:
    place = Environment.objects.get()
    place.mode, place.max_trust_days = "monitor", 30
    place.save()
    change = latest()
    place.allow_loopback = True
    place.save()
    services.revert(change, reason=REASON)
    now = Environment.objects.get()
    assert (now.mode, now.max_trust_days, now.allow_loopback) == ("enforce", None, True)
    assert [item.action for item in PolicyChange.objects.filter(revision=revision()).order_by("pk")] == [
        "changed",
        "reverted",
    ]


def test_changed_again_since_is_refused_as_a_whole(ben: User) -> None:
    place = Environment.objects.get()
    place.mode, place.max_trust_days = "monitor", 30
    place.save()
    change = latest()
    place.mode = "block"
    with policy_write(actor=ben):
        place.save()
    assert refused(change) == f"Mode is no longer as this change left it: ben changed it in revision {revision()}."
    assert Environment.objects.get().max_trust_days == 30


def test_changed_by_sql_since_is_refused_without_a_name() -> None:
    place = Environment.objects.get()
    place.mode = "monitor"
    place.save()
    change = latest()
    QuerySet(Environment).update(mode="block")
    assert refused(change) == ("Mode is no longer as this change left it; the history does not say who changed it.")


def test_changed_and_back_again_since_goes_back() -> None:
    place = Environment.objects.get()
    change = None
    for mode in ("monitor", "block", "monitor"):
        place.mode = mode
        place.save()
        change = change or latest()
    assert change is not None
    services.revert(change, reason=REASON)
    assert Environment.objects.get().mode == "enforce"


def test_text_that_was_rewritten_since_stays() -> None:
    group = ApiGroup.objects.get()
    group.max_age, group.description = 5, "new"
    group.save()
    change = latest()
    group.description = "newest"
    group.save()
    assert services.preview_revert(change).notes == ("Description stays: it was rewritten since.",)
    services.revert(change, reason=REASON)
    group.refresh_from_db()
    assert (group.max_age, group.description) == (600, "newest")


def test_text_that_changed_along_goes_back_along() -> None:
    group = ApiGroup.objects.get()
    group.max_age, group.description = 5, "new"
    group.save()
    services.revert(latest(), reason=REASON)
    group.refresh_from_db()
    assert (group.max_age, group.description) == (600, "")


def test_change_back_into_what_is_not_valid_is_refused() -> None:
    group = ApiGroup.objects.get()
    group.any_origin = True
    group.save()
    group.any_origin = False
    group.save()
    change = latest()
    group.allow_credentials = True
    group.save()
    assert "would let every web page in the world read" in refused(change)


def change_route() -> PolicyChange:
    route = ApiRoute.objects.get()
    route.path_prefix = "/api/v2"
    route.save()
    return latest()


def change_mode() -> PolicyChange:
    mode = GroupModeFactory.create(mode="monitor")
    mode.mode = "enforce"
    mode.save()
    return latest()


def change_lists() -> PolicyChange:
    group = ApiGroup.objects.get()
    group.allow_methods = ["GET", "PUT"]
    group.save()
    return latest()


@pytest.mark.parametrize(
    ("make", "read", "value"),
    [
        pytest.param(change_route, lambda: ApiRoute.objects.get().path_prefix, "/api/public", id="route"),
        pytest.param(change_mode, lambda: GroupMode.objects.get().mode, "monitor", id="mode of a group"),
        pytest.param(
            change_lists, lambda: ApiGroup.objects.get().allow_methods, ["GET", "HEAD", "POST"], id="list of a group"
        ),
    ],
)
def test_change_of_any_row_goes_back(make: Callable[[], PolicyChange], read: Callable[[], Any], value: Any) -> None:
    services.revert(make(), reason=REASON)
    assert read() == value


@pytest.mark.parametrize(
    ("make", "model"),
    [
        pytest.param(lambda: EnvironmentFactory.create(slug="staging"), Environment, id="environment"),
        pytest.param(lambda: ApiGroupFactory.create(slug="new"), ApiGroup, id="group"),
        pytest.param(lambda: ApiRouteFactory.create(path_prefix="/new", host="a.example.com"), ApiRoute, id="route"),
        pytest.param(GroupModeFactory.create, GroupMode, id="mode"),
    ],
)
def test_added_row_is_deleted_and_comes_back(make: Callable[[], Any], model: Any) -> None:
    row = make()
    told = row.snapshot()
    added = latest("added")
    preview = services.preview_revert(added)
    name = model._meta.model_name
    assert (preview.deed, preview.list_permissions()) == (Deed.DELETE, [f"change_{name}", f"delete_{name}"])

    services.revert(added, reason=REASON)
    assert not model.objects.filter(pk=row.pk).exists()

    deleted = latest("deleted")
    preview = services.preview_revert(deleted)
    assert (preview.deed, preview.list_permissions()) == (Deed.ADD, [f"change_{name}", f"add_{name}"])
    services.revert(deleted, reason=REASON)
    assert model.objects.latest("pk").snapshot() == told


def test_added_row_that_others_belong_to_is_refused_in_words() -> None:
    TrustedOriginFactory.create()
    GroupModeFactory.create()
    text = "It cannot be deleted while something belongs to it:"
    assert refused(latest("added", target="environment:production")) == (
        f"{text} 1 mode of an API group, 1 trusted origin."
    )
    TrustedOriginFactory.create()
    assert refused(latest("added", target="apigroup:public")) == (
        f"{text} 1 route, 1 mode of an API group, 2 trusted origins."
    )


def test_dependents_are_counted_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.services.history.reversal.MAX_COUNTED", 1)
    TrustedOriginFactory.create_batch(3)
    assert "more than 1 trusted origins" in refused(latest("added", target="environment:production"))


def test_added_row_that_changed_since_is_refused(ben: User) -> None:
    route = ApiRoute.objects.get()
    route.path_prefix = "/elsewhere"
    with policy_write(actor=ben):
        route.save()
    # The row is found by what the change left; a route that moved is no longer there under that name.
    assert refused(latest("added", target__startswith="apiroute")) == "It is not there any more."
    place = EnvironmentFactory.create(slug="staging")
    place.mode = "monitor"
    with policy_write(actor=ben):
        place.save()
    assert "Mode is no longer as this change left it: ben" in refused(latest("added", target="environment:staging"))


def test_added_row_that_was_only_described_since_is_deleted() -> None:
    place = EnvironmentFactory.create(slug="staging")
    place.description = "new"
    place.save()
    services.revert(latest("added", target="environment:staging"), reason=REASON)
    assert not Environment.objects.filter(slug="staging").exists()


def test_deletion_of_the_environment_that_runs_here_is_warned_of() -> None:
    ApiGroup.objects.all().delete()
    change = latest("added", target="environment:production")
    assert "This site runs in that environment" in services.preview_revert(change).notes[0]
    with override_cors_guard(ENVIRONMENT="elsewhere"):
        assert services.preview_revert(change).notes == ()


def test_deleted_group_says_what_does_not_come_back() -> None:
    ApiGroup.objects.get().delete()
    preview = services.preview_revert(latest("deleted"))
    assert "Its routes and modes do not come back with it." in preview.notes[0]
    services.revert(latest("deleted"), reason=REASON)
    assert not ApiRoute.objects.exists()


def test_deleted_route_finds_its_group_by_name() -> None:
    route = ApiRoute.objects.get()
    route.delete()
    change = latest("deleted")
    ApiGroup.objects.get().delete()
    assert "There is no API group “public” any more" in refused(change)
    group = ApiGroupFactory.create()
    services.revert(change, reason=REASON)
    assert (ApiRoute.objects.get().api_group, ApiRoute.objects.get().path_prefix) == (group, "/api/public")


def test_deleted_row_whose_place_is_taken_is_refused() -> None:
    ApiRoute.objects.get().delete()
    change = latest("deleted")
    ApiRouteFactory.create(api_group=ApiGroupFactory.create(slug="other"), path_prefix="/api/public")
    assert "A route with this host and path prefix exists already." in refused(change)


# --- what cannot be reverted ---


def bulk() -> PolicyChange:
    TrustedOriginFactory.create()
    TrustedOrigin.objects.update(expires_at=in_days(5))
    return latest()


def bump() -> PolicyChange:
    with policy_write():
        pass
    return latest()


def reverted() -> PolicyChange:
    trust()
    return services.revert(latest("trusted"), reason=REASON)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(bulk, "summary of a bulk write", id="bulk"),
        pytest.param(bump, "It changed no row of the policy", id="bumped"),
        pytest.param(lambda: raw_change("policystate:1", action="migrated"), "no row of the policy", id="migrated"),
        pytest.param(
            lambda: raw_change("apigroup:1", action="loaded", after={"slug": "public"}), "from a fixture", id="loaded"
        ),
        pytest.param(reverted, "It only says that another change was taken back.", id="reverted"),
        pytest.param(lambda: raw_change("frontend:shop"), "no row of the policy", id="no policy"),
        pytest.param(lambda: raw_change("environment:production"), "changed nothing", id="nothing told"),
        pytest.param(
            lambda: raw_change(
                "trustedorigin:production/public/https://a.b",
                before={"note": "a", "environment": 1, "api_group": 1, "origin": "https://a.b"},
                after={"note": "b", "environment": 1, "api_group": 1, "origin": "https://a.b"},
            ),
            "It is not there any more.",
            id="grant that never was",
        ),
    ],
)  # fmt: skip
def test_change_that_cannot_be_reverted_says_why(make: Callable[[], PolicyChange], words: str) -> None:
    change = make()
    assert words in refused(change)
    assert services.preview_revert(change).deed is None


def test_change_of_a_note_alone_is_nothing_to_revert() -> None:
    grant = trust()
    told = grant.snapshot()
    change = raw_change(grant.target(), before={**told, "note": "a"}, after={**told, "note": "b"})
    assert "nothing of the policy" in refused(change)


NESTED: Any = 1
for _depth in range(25 if connection.vendor == "mysql" else 300):  # MariaDB takes no JSON deeper than 32 levels
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(5, id="number"),
        pytest.param("x", id="text"),
        pytest.param([1, 2], id="list"),
        pytest.param(NESTED, id="nested"),
        pytest.param({"mode": {"a": 1}}, id="object in a field"),
        pytest.param({"mode": 5}, id="number in a text"),
        pytest.param({"mode": None}, id="null in a text"),
        pytest.param({"protected": 1}, id="number in a flag"),
        pytest.param({"max_trust_days": "7"}, id="text in a number"),
        pytest.param({"max_trust_days": True}, id="flag in a number"),
        pytest.param({"name": "x" * 120_000}, id="huge"),
    ],
)
@pytest.mark.parametrize("side", ["before", "after"])
def test_hostile_story_is_refused_and_breaks_nothing(side: str, value: Any) -> None:
    sides = {"before": {"slug": "production", "mode": "monitor"}, "after": {"slug": "production", "mode": "enforce"}}
    change = raw_change("environment:production", **{**sides, side: value})
    assert "cannot be read" in refused(change)
    assert Environment.objects.get().mode == "enforce"


@pytest.mark.parametrize(
    ("target", "after"),
    [
        pytest.param("trustedorigin:x", {"environment": 10**30}, id="key too large"),
        pytest.param("trustedorigin:x", {"environment": True}, id="key that is a flag"),
        pytest.param("trustedorigin:x", {"environment": "one"}, id="key that is a word"),
        pytest.param("trustedorigin:x", {"expires_at": "2026-99-99T00:00"}, id="no such day"),
        pytest.param("trustedorigin:x", {"expires_at": "tomorrow"}, id="no time"),
        pytest.param("trustedorigin:x", {"expires_at": 5}, id="time that is a number"),
        pytest.param("trustedorigin:x", {"origin": "a\0b"}, id="NUL"),
        pytest.param("trustedorigin:x", {"origin": "\ud800"}, id="half a character"),
        pytest.param("apigroup:x", {"allow_methods": "GET"}, id="no list"),
        pytest.param("apigroup:x", {"allow_methods": [5]}, id="list of numbers"),
    ],
)
def test_value_that_no_field_has_is_unreadable(target: str, after: Any) -> None:
    change = PolicyChange(pk=1, revision=1, target=target, action="changed", before={}, after=after)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        Record.of(change)


def test_story_of_columns_that_have_gone_is_readable() -> None:
    place = Environment.objects.get()
    told = place.snapshot()
    change = raw_change(
        "environment:production",
        before={**told, "mode": "monitor", "colour": "red"},
        after={**told, "colour": "blue"},
    )
    services.revert(change, reason=REASON)
    assert Environment.objects.get().mode == "monitor"


# --- who may ---


def protect() -> None:
    Environment.objects.update(protected=True)


def mode_change() -> PolicyChange:
    Environment.objects.update(protected=False)
    place = Environment.objects.get()
    place.mode = "monitor"
    place.save()
    return latest()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: (trust(), latest())[1], id="grant"),
        pytest.param(mode_change, id="environment"),
        pytest.param(lambda: latest("added", target__startswith="apiroute"), id="route"),
        pytest.param(change_mode, id="mode"),
        pytest.param(change_lists, id="group"),
        pytest.param(lambda: (trust().delete(), latest("deleted"))[1], id="deleted grant"),
    ],
)
def test_protected_environment_needs_its_permission(make: Callable[[], PolicyChange]) -> None:
    change = make()
    protect()
    stranger = user_with()
    number = revision()
    with pytest.raises(ProtectedEnvironment):
        services.revert(change, actor=stranger, reason=REASON)
    assert revision() == number
    assert "protected environment" in services.preview_revert(change, actor=stranger).obstacles[-1]
    services.revert(change, actor=user_with("change_protected_environment"), reason=REASON)
    assert revision() == number + 1


def test_making_an_environment_protected_again_needs_the_permission() -> None:
    protect()
    place = Environment.objects.get()
    place.protected = False
    place.save()
    with pytest.raises(ProtectedEnvironment):
        services.revert(latest("changed"), actor=user_with(), reason=REASON)
    services.revert(latest("changed"), reason=REASON)
    assert Environment.objects.get().protected


def to_monitor(row: Any) -> PolicyChange:
    row.mode = "monitor"
    row.save()
    return latest()


@pytest.mark.parametrize(
    ("make", "blocks"),
    [
        pytest.param(lambda: to_monitor(EnvironmentFactory.create(slug="b", mode="block")), True, id="changed"),
        pytest.param(lambda: to_monitor(Environment.objects.get()), False, id="changed from enforce"),
        pytest.param(lambda: to_monitor(GroupModeFactory.create(mode="block")), True, id="changed mode"),
        pytest.param(
            lambda: (EnvironmentFactory.create(slug="b", mode="block").delete(), latest())[1], True, id="deleted"
        ),
        pytest.param(lambda: (EnvironmentFactory.create(slug="b").delete(), latest())[1], False, id="deleted enforce"),
        pytest.param(
            lambda: (GroupModeFactory.create(environment__slug="b", environment__mode="block"), latest())[1],
            True,
            id="mode that kept a group from blocking",
        ),
        pytest.param(
            lambda: (GroupModeFactory.create(environment__slug="b", environment__mode="enforce"), latest())[1],
            False,
            id="mode of its own",
        ),
        pytest.param(
            lambda: (GroupModeFactory.create(environment__mode="enforce", mode="block"), latest())[1],
            False,
            id="mode that blocked",
        ),
    ],
)
def test_preview_knows_whether_block_is_switched_on(make: Callable[[], PolicyChange], blocks: bool) -> None:
    preview = services.preview_revert(make())
    assert not preview.obstacles
    assert preview.switches_block_on() is blocks


# --- at the same moment ---


@pytest.mark.parametrize("name", ["revoke", "reinstate", "amend"])
def test_service_that_did_nothing_undoes_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a long transaction of MySQL, whose plain reads are older than the last commit."""
    grant = trust(expires_at=in_days(5))
    if name == "reinstate":
        services.revoke(grant, reason="x")
    if name == "amend":
        trust(expires_at=in_days(6))
    number = revision()
    monkeypatch.setattr(history, name, lambda *args, **kwargs: None)
    with pytest.raises(InvalidRequest, match="at the same moment"):
        services.revert(latest(), reason=REASON)
    assert revision() == number


def test_obstacle_that_appears_before_the_lock_is_seen_under_it(monkeypatch: pytest.MonkeyPatch, ben: User) -> None:
    grant = trust()
    change = latest()
    plan = history._plan

    def look(found: PolicyChange, *, lock: bool) -> Any:
        if lock:
            TrustedOrigin.objects.get(pk=grant.pk)
            services.revoke(grant, actor=ben, reason="faster")
        return plan(found, lock=lock)

    monkeypatch.setattr(history, "_plan", look)
    number = revision()
    with pytest.raises(InvalidRequest, match="Revoked at is no longer"):
        services.revert(change, reason=REASON)
    assert revision() == number
