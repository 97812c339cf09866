"""Marking grants, and front ends, as reviewed: somebody has looked at them, and they may stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import Environment, FrontEnd, PolicyState, TrustedOrigin, policy_write
from django_cors_guard.models.trusted_origin import REVIEWED, UNREVIEWED
from django_cors_guard.models.write import Entry, PolicyWrite
from django_cors_guard.services.grants import ROWS_PER_QUERY, lock_grant
from django_cors_guard.services.places import (
    alias,
    check_protected,
    find_front_end,
    reads_may_be_stale,
    retry_deadlocks,
    tidy,
)
from django_cors_guard.services.reviewing.due import holds
from django_cors_guard.services.revoking.matches import lock_rows
from django_cors_guard.services.revoking.receipts import Place

#: A mark by the same person within this time, on a grant that has not changed since, is one that was sent twice.
REPEAT: Final = timedelta(hours=1)
#: Most grants of one mark, which is one transaction: an emergency revocation must not wait for it.
MAX_MARKED: Final = 5000


@dataclass(frozen=True, slots=True)
class ReviewReceipt:
    """What became of each grant, and the revision that says so.

    ``reviewed`` are those marked now, ``already`` those that the same person marked a moment ago, ``ended`` those that
    are revoked or have expired, of which there is nothing to review.
    """

    revision: int
    at: datetime
    reviewed: tuple[Place, ...] = ()
    already: tuple[Place, ...] = ()
    ended: tuple[Place, ...] = ()

    def joined(self, other: ReviewReceipt) -> ReviewReceipt:
        """Return both as one."""
        return replace(
            self,
            reviewed=self.reviewed + other.reviewed,
            already=self.already + other.already,
            ended=self.ended + other.ended,
        )


@dataclass(frozen=True, slots=True)
class FrontEndReceipt:
    """What became of the grants of a front end, and when it is to be looked at next."""

    front_end: FrontEnd
    next_review_by: date
    grants: ReviewReceipt


@retry_deadlocks
def review(
    trusted_origins: Iterable[TrustedOrigin], *, actor: AbstractBaseUser | None = None, reason: str = ""
) -> ReviewReceipt:
    """Say of these grants that somebody has looked at them and that they may stay; one revision, an entry each.

    Raises InvalidRequest without a reason, for more than ``MAX_MARKED``, or if every one of them has ended, and
    ProtectedEnvironment.
    """
    reason = _require_reason(reason)
    ids = sorted({grant.pk for grant in trusted_origins})
    if len(ids) > MAX_MARKED:
        raise InvalidRequest(_("Mark at most %(limit)d grants at a time.") % {"limit": MAX_MARKED})
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group")
    seen = ReviewReceipt(PolicyState.read(alias()).revision, timezone.now())
    for chunk in _chunks(ids):
        found = list(rows.filter(pk__in=chunk).order_by("pk"))
        check_protected(actor, {grant.environment for grant in found})
        seen = seen.joined(_sort(found, seen, actor))
    if seen.ended and not (seen.reviewed or seen.already):
        raise InvalidRequest(_("There is nothing to review: what was revoked or has expired lets nobody in."))
    if not (seen.reviewed or reads_may_be_stale()):
        return seen
    with policy_write(actor=actor, reason=reason, action=REVIEWED, using=alias()) as write:
        return _mark(write, ids, actor)


@retry_deadlocks
def review_front_end(
    front_end: FrontEnd | str, *, next_review_by: date, actor: AbstractBaseUser | None = None, reason: str = ""
) -> FrontEndReceipt:
    """Mark all grants of a front end that stand as reviewed, and say when it is to be looked at next; all or nothing.

    Raises UnknownName, InvalidRequest (no reason, a day that does not lie ahead) and ProtectedEnvironment.
    """
    reason = _require_reason(reason)
    if next_review_by <= datetime.now(tz=UTC).date():
        raise InvalidRequest(_("The day of the next review has to lie ahead."))
    owner = find_front_end(front_end)
    rows = TrustedOrigin.objects.using(alias()).filter(front_end=owner).active()
    # Before the lock is taken: who may not do it holds up nobody.
    places = rows.order_by().values_list("environment", flat=True).distinct()
    check_protected(actor, Environment.objects.using(alias()).filter(pk__in=list(places)))
    with policy_write(actor=actor, reason=reason, action=REVIEWED, using=alias()) as write:
        owner = FrontEnd.objects.using(alias()).select_for_update().get(pk=owner.pk)
        ids = list(rows.order_by("pk").values_list("pk", flat=True))
        found = _mark(write, ids, actor)
        before, owner.review_by = owner.review_by, next_review_by
        owner.save(using=alias(), update_fields=["review_by"])
        write.record(REVIEWED, f"frontend:{owner.slug}", before=_day(before), after=_day(next_review_by))
        return FrontEndReceipt(owner, next_review_by, found)


def restore_review(grant: TrustedOrigin, at: datetime | None, by: Any) -> None:
    """Give ``grant`` the mark back that it had before; ``by`` is the key of a user. Runs inside a policy write."""
    with policy_write(action=UNREVIEWED, using=alias()) as write:
        stored = lock_grant(grant.pk)
        _write_marks(write, [stored], at, by)


def _require_reason(text: str) -> str:
    reason = tidy(text)
    if not reason.strip():
        raise InvalidRequest(_("Say what the review found: a mark without a reason proves nothing later."))
    return reason


def _day(day: date | None) -> dict[str, str | None]:
    return {"review_by": day.isoformat() if day is not None else None}


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + ROWS_PER_QUERY] for start in range(0, len(ids), ROWS_PER_QUERY)]


def _mark(write: PolicyWrite, ids: Sequence[int], actor: AbstractBaseUser | None) -> ReviewReceipt:
    found = ReviewReceipt(write.revision, timezone.now())
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group")
    for chunk in _chunks(ids):
        grants = list(lock_rows(rows.filter(pk__in=chunk)).order_by("pk"))
        # Looked at again under the lock: what was revoked, moved or reviewed in between counts.
        check_protected(actor, {grant.environment for grant in grants})
        sorted_out = _sort(grants, found, actor)
        chosen = set(sorted_out.reviewed)
        _write_marks(
            write,
            [grant for grant in grants if Place.of(grant) in chosen],
            found.at,
            actor.pk if actor is not None else None,
        )
        found = found.joined(sorted_out)
    return found


def _write_marks(write: PolicyWrite, grants: Sequence[TrustedOrigin], at: datetime | None, by: Any) -> None:
    if not grants:
        return
    entries = []
    for grant in grants:
        before = grant.snapshot()
        grant.reviewed_at, grant.reviewed_by_id = at, by
        entries.append(Entry(REVIEWED, grant.target(), before, grant.snapshot()))
    with write.summarised():
        rows = TrustedOrigin.objects.using(alias()).filter(pk__in=[grant.pk for grant in grants])
        rows.update(reviewed_at=at, reviewed_by=by)
    write.record_all(entries)


def _sort(grants: Sequence[TrustedOrigin], at: ReviewReceipt, actor: AbstractBaseUser | None) -> ReviewReceipt:
    """Return what would become of ``grants`` now."""
    ended = [grant for grant in grants if grant.revoked_at is not None or _has_expired(grant, at.at)]
    gone = {grant.pk for grant in ended}
    repeated = _find_repeated([grant for grant in grants if grant.pk not in gone], at.at, actor)
    return ReviewReceipt(
        at.revision,
        at.at,
        reviewed=tuple(Place.of(grant) for grant in grants if grant.pk not in gone | repeated),
        already=tuple(Place.of(grant) for grant in grants if grant.pk in repeated),
        ended=tuple(map(Place.of, ended)),
    )


def _has_expired(grant: TrustedOrigin, now: datetime) -> bool:
    return grant.expires_at is not None and grant.expires_at <= now


def _find_repeated(grants: Sequence[TrustedOrigin], now: datetime, actor: AbstractBaseUser | None) -> set[int]:
    by = actor.pk if actor is not None else None
    lately = [
        grant.pk
        for grant in grants
        if grant.reviewed_at is not None and now - REPEAT < grant.reviewed_at <= now and grant.reviewed_by_id == by
    ]
    if not lately:
        return set()
    rows = TrustedOrigin.objects.using(alias()).filter(holds(alias()), pk__in=lately)
    return set(rows.values_list("pk", flat=True))
