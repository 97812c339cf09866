"""Marking as reviewed: a change like any other, that changes nothing of what is let in."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from django_cors_guard.models.revision import PolicyState
from tests.factories import EnvironmentFactory, FrontEndFactory, TrustedOriginFactory, UserFactory, user_with
from tests.services.reviewing.hours import Hours, wind

APP = "https://app.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """One environment and one group."""


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    return wind(monkeypatch)


@pytest.fixture
def ana() -> User:
    user: User = UserFactory.create(username="ana", is_superuser=True)
    return user


def revision() -> int:
    return PolicyState.read("default").revision


def grant(**fields: object) -> TrustedOrigin:
    row: TrustedOrigin = TrustedOriginFactory.create(**fields)
    return row


def side(change: PolicyChange, name: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(change, name)
    return dict(found)


def due(older_than: int = 90) -> dict[str, list[str]]:
    """Return why what is due, as the filter of the database and as the list say it."""
    found = {item.origin: [code.value for code in item.due] for item in services.list_grants(older_than=older_than)}
    narrowed = {item.origin for item in services.list_grants(older_than=older_than, due_only=True)}
    assert narrowed == {origin for origin, codes in found.items() if codes}
    return {origin: codes for origin, codes in found.items() if codes}


def test_mark_is_one_revision_and_an_entry_each(ana: User) -> None:
    rows, before = [grant(), grant()], revision()
    receipt = services.review(rows, actor=ana, reason="Quarterly review")
    assert [place.origin for place in receipt.reviewed] == [row.origin for row in rows]
    assert receipt.revision == revision() == before + 1
    for row in rows:
        row.refresh_from_db()
        assert (row.reviewed_at, row.reviewed_by, row.revision) == (receipt.at, ana, receipt.revision)
        entry = PolicyChange.objects.get(target=row.target(), action="reviewed")
        assert (entry.reason, entry.actor_label, entry.revision) == ("Quarterly review", "ana", receipt.revision)
        before_it, after_it = side(entry, "before"), side(entry, "after")
        assert (before_it.pop("reviewed_at"), after_it.pop("reviewed_at")) == (None, receipt.at.isoformat())
        assert (before_it.pop("reviewed_by"), after_it.pop("reviewed_by")) == (None, ana.pk)
        assert before_it == after_it


def test_same_mark_sent_twice_is_written_once(ana: User, hours: Hours) -> None:
    row = grant()
    services.review([row], actor=ana, reason="Looked at")
    before = revision()
    receipt = services.review([row], actor=ana, reason="Looked at")
    assert (len(receipt.already), receipt.reviewed, revision()) == (1, (), before)
    # Somebody else's is another one, and so is the same person's later, or after the grant has changed.
    assert services.review([row], actor=UserFactory.create(), reason="Second pair of eyes").reviewed
    assert services.review([row], actor=ana, reason="Looked at").reviewed
    services.amend(row, actor=ana, note="", front_end=None, expires_at=hours.now + timedelta(days=1))
    assert services.review([row], actor=ana, reason="Looked at").reviewed
    hours.step(2)
    assert services.review([row], actor=ana, reason="Looked at").reviewed


def test_what_has_ended_is_left_alone_and_alone_it_is_refused(ana: User, hours: Hours) -> None:
    standing, expired, revoked = grant(), grant(expires_at=hours.now - timedelta(hours=1)), grant()
    services.revoke(revoked, actor=ana, reason="gone")
    receipt = services.review([standing, expired, revoked], actor=ana, reason="Looked at")
    assert [place.origin for place in receipt.reviewed] == [standing.origin]
    assert {place.origin for place in receipt.ended} == {expired.origin, revoked.origin}
    before = revision()
    with pytest.raises(InvalidRequest, match="nothing to review"):
        services.review([expired, revoked], actor=ana, reason="Looked at")
    with pytest.raises(InvalidRequest, match="without a reason"):
        services.review([standing], actor=ana, reason=" ")
    assert revision() == before


def test_protected_environment_asks_for_its_permission_and_nothing_is_marked() -> None:
    open_one = grant()
    closed = grant(environment=EnvironmentFactory.create(slug="vault", protected=True))
    actor = user_with("change_trustedorigin", username="apprentice")
    with pytest.raises(ProtectedEnvironment):
        services.review([open_one, closed], actor=actor, reason="Looked at")
    assert not TrustedOrigin.objects.exclude(reviewed_at=None).exists()


def test_due_is_what_is_old_or_has_changed_since_and_a_front_end_past_its_day(ana: User, hours: Hours) -> None:
    row, issued = grant(origin=APP), grant(managed_by="issuer:ci")
    assert due() == {}
    hours.step(24 * 91)
    assert due() == {APP: ["never"], issued.origin: ["never"]}
    services.review([row, issued], actor=ana, reason="Looked at")
    assert due() == {}
    for changed in (row, issued):
        services.amend(changed, actor=ana, note="", front_end=None, expires_at=hours.now + timedelta(days=400))
    # An issuer's account renews its own every day.
    assert due() == {APP: ["changed"]}
    services.review([row], actor=ana, reason="Looked at")
    services.revoke(row, actor=ana, reason="gone")
    assert due() == {}
    services.reinstate(row, actor=ana, reason="back")
    assert due() == {APP: ["changed"]}
    services.review([row], actor=ana, reason="Looked at")
    hours.step(24 * 91)
    assert due() == {APP: ["long_ago"], issued.origin: ["long_ago"]}
    assert due(older_than=120) == {}
    shop = FrontEndFactory.create(review_by=hours.now.date() - timedelta(days=1))
    TrustedOrigin.objects.filter(pk=row.pk).update(front_end=shop)
    assert due(older_than=120) == {APP: ["front_end"]}


def test_review_of_a_front_end_marks_what_stands_and_moves_its_day(ana: User) -> None:
    shop = FrontEndFactory.create(review_by=date(2020, 1, 1))
    standing, revoked, other = grant(front_end=shop), grant(front_end=shop), grant()
    services.revoke(revoked, actor=ana, reason="gone")
    before, day = revision(), timezone.now().date() + timedelta(days=180)
    assert [item.front_end for item in services.list_overdue()] == [shop]
    receipt = services.review_front_end("shop", next_review_by=day, actor=ana, reason="Met with the team")
    assert [place.origin for place in receipt.grants.reviewed] == [standing.origin]
    assert revision() == before + 1
    assert FrontEnd.objects.get().review_by == day
    assert services.list_overdue() == []
    other.refresh_from_db()
    assert other.reviewed_at is None
    told = PolicyChange.objects.get(target="frontend:shop")
    assert (told.action, told.before, told.after) == (
        "reviewed",
        {"review_by": "2020-01-01"},
        {"review_by": day.isoformat()},
    )
    with pytest.raises(InvalidRequest, match="lie ahead"):
        services.review_front_end("shop", next_review_by=timezone.now().date(), actor=ana, reason="again")


def test_review_is_taken_back_by_a_revert_and_keeps_no_other_change_from_being_reverted(ana: User) -> None:
    row = services.trust(APP, environment="production", api_group="public", actor=ana)
    services.review([row], actor=ana, reason="Looked at")
    first = TrustedOrigin.objects.get().reviewed_at
    services.review([row], actor=UserFactory.create(username="bo"), reason="Looked at as well")
    change = PolicyChange.objects.filter(action="reviewed").latest("pk")
    plan = services.preview_revert(change, actor=ana)
    assert not plan.obstacles
    assert [step.field.name for step in plan.steps] == ["reviewed_at", "reviewed_by"]
    services.revert(change, actor=ana, reason="Wrong row")
    row.refresh_from_db()
    assert (row.reviewed_at, row.reviewed_by) == (first, ana)
    assert PolicyChange.objects.filter(action="unreviewed", reason="Wrong row").count() == 1
    # Once more, it is not as that change left it.
    assert services.preview_revert(change, actor=ana).obstacles
    trusted = PolicyChange.objects.get(action="trusted")
    services.revert(trusted, actor=ana, reason="Should not have been")
    row.refresh_from_db()
    assert row.revoked_at is not None
    # Undone, it stands as it was, and is to be looked at again.
    services.reinstate(row, actor=ana, reason="It should")
    assert due() == {APP: ["changed"]}


def test_instance_that_is_older_than_the_review_does_not_undo_it(ana: User) -> None:
    stale = grant(origin=APP)
    services.review([TrustedOrigin.objects.get()], actor=ana, reason="Looked at")
    stale.note = "rewritten"
    stale.save()
    stale.expires_at = timezone.now() + timedelta(days=1)
    stale.save(update_fields=["expires_at"])
    stale.expires_at = None
    stale.save()
    kept = TrustedOrigin.objects.get()
    assert (kept.reviewed_by, kept.note, kept.expires_at) == (ana, "rewritten", None)
    story = PolicyChange.objects.filter(target=kept.target()).order_by("pk")
    assert [side(change, "after")["reviewed_by"] for change in story] == [None, ana.pk, ana.pk, ana.pk]
