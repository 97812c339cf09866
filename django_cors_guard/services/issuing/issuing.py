"""Issuing and withdrawing: what an account does by the right of an issuer (``models.OriginIssuer``).

Whoever makes an issuer for a protected environment needs ``change_protected_environment``; using it then takes nothing
more. It touches no grant but its own: not those of operators, of other issuers or of a policy file, and none that
somebody revoked. Ending is how it takes trust back: the grant has expired from then on, may be issued again when the
preview is deployed again, and is pruned later. With ``revoke`` it is closed for good, as by an operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from django_cors_guard.core.patterns import pattern_candidates
from django_cors_guard.exceptions import ClosedToIssuers, ManagedElsewhere, TooManyActive, TooManyNew
from django_cors_guard.models import ApiGroup, OriginIssuer, TrustedOrigin, policy_write
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.trusted_origin import REVOKED, Status
from django_cors_guard.services.grants import mark_card
from django_cors_guard.services.issuing.rights import Ask, Right, find_end
from django_cors_guard.services.places import alias, reads_may_be_stale, retry_deadlocks, tidy
from django_cors_guard.services.revoking.revocation import close
from django_cors_guard.services.trusting import RENEWED, TRUSTED

#: What the story calls it when an issuer ends its grants.
ENDED: Final = "ended"


#: New grants a day, for each that may be in force at a time.
NEW_PER_DAY: Final = 10


class Outcome(StrEnum):
    """What became of one grant."""

    ISSUED = "issued"  # it is new, or had ended and is in force again
    RENEWED = "renewed"  # it was in force, and ends at another time
    UNCHANGED = "unchanged"  # it was as wanted already, or is somebody else's and in force
    ENDED = "ended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Touched:
    """One grant, what became of it, and whether it is the issuer's own."""

    grant: TrustedOrigin
    outcome: Outcome
    is_own: bool


@dataclass(frozen=True, slots=True)
class Issued:
    """What was done for ``origin``: one entry for each grant that was changed, or that is in force all the same."""

    origin: str
    issuer: OriginIssuer
    touched: tuple[Touched, ...]


@retry_deadlocks
def issue(
    origin: str,
    *,
    actor: AbstractBaseUser,
    environment: str | None = None,
    api_groups: Iterable[str] | None = None,
    ttl: timedelta | None = None,
    expires_at: datetime | None = None,
    note: str = "",
) -> Issued:
    """Have ``origin`` trusted, by the issuer of ``actor`` whose shape it has, until it ends by itself.

    Environment and API groups are those of the issuer, or some of them by their slugs. It ends ``ttl`` from now or at
    ``expires_at``, without either at the latest time there may be; asked for again, it ends as asked then.

    Raises RefusedOrigin, NotIssuable (another shape, place or a later end), TooManyActive, RevokedOrigin where somebody
    said no, ManagedElsewhere and InvalidRequest. All API groups or none.
    """
    ask, note = Ask.of(origin, actor, environment, api_groups), tidy(note)
    right = ask.find_right()
    find_end(right, ttl=ttl, expires_at=expires_at)
    if expires_at is not None and not reads_may_be_stale():
        there = _find_grants(right)
        if all(_is_as_wanted(right, there.get(group.pk), expires_at, note) for group in right.groups):
            same = tuple(Touched(there[group.pk], Outcome.UNCHANGED, is_own=True) for group in right.groups)
            return Issued(right.origin.text, right.issuer, same)
    with policy_write(actor=actor, using=alias()):
        # Everything is looked at again under the lock: of two that ask at once, the second one sees the first.
        right = ask.find_right(lock=True)
        until = find_end(right, ttl=ttl, expires_at=expires_at)
        there = _find_grants(right, lock=True)
        _refuse(right, there)
        touched = [_issue_one(right, group, there.get(group.pk), actor, until, note) for group in right.groups]
        return Issued(right.origin.text, right.issuer, tuple(touched))


@retry_deadlocks
def withdraw(
    origin: str,
    *,
    actor: AbstractBaseUser,
    environment: str | None = None,
    api_groups: Iterable[str] | None = None,
    reason: str = "",
    revoke: bool = False,
) -> Issued:
    """End the grants of ``origin`` that the issuer of ``actor`` gave, or with ``revoke`` close them for good.

    What has ended, was revoked or is not there stays so, and is no error; what others gave stays in force, and the
    answer says so. Raises what ``issue`` raises about the origin and the place.
    """
    ask, reason = Ask.of(origin, actor, environment, api_groups), tidy(reason)
    right = ask.find_right()
    if reads_may_be_stale() or _list_closing(_find_own(right, ask), revoke=revoke):
        with policy_write(actor=actor, reason=reason, using=alias()):
            right = ask.find_right(lock=True)
            closing = _list_closing(_find_own(right, ask, lock=True), revoke=revoke)
            done = [_revoke_one(grant, actor, reason) if revoke else _end_one(grant) for grant in closing]
    else:
        done = []
    others = [grant for grant in _find_grants(right).values() if not right.owns(grant) and _is_active(grant)]
    remaining = [Touched(grant, Outcome.UNCHANGED, is_own=False) for grant in others]
    return Issued(right.origin.text, right.issuer, (*done, *remaining))


def _find_grants(right: Right, *, lock: bool = False) -> dict[int, TrustedOrigin]:
    """Return the grants that decide about the origin in the places that were asked for, by API group."""
    rows = TrustedOrigin.objects.using(alias()).filter(
        environment=right.environment, origin=right.origin.text, api_group__in=right.groups
    )
    # A locking read also sees past the snapshot of a transaction that began before the last commit.
    found = {row.api_group_id: row for row in (rows.select_for_update() if lock else rows)}
    for pattern in _find_covering(right, lock=lock):
        own = found.get(pattern.api_group_id)
        # An exact row decides before any pattern, so an operator's word about the pattern has to be looked up here.
        if own is None or (pattern.revoked_at is not None and right.owns(own) and own.revoked_at is None):
            found[pattern.api_group_id] = pattern
    for group in right.groups:
        if group.pk in found:
            found[group.pk].environment, found[group.pk].api_group = right.environment, group
    return found


def _find_covering(right: Right, *, lock: bool) -> list[TrustedOrigin]:
    """Return for each API group the pattern that decides about the origin where no exact row does."""
    candidates = list(pattern_candidates(right.origin.text))
    rows = TrustedOrigin.objects.using(alias()).filter(
        environment=right.environment, origin__in=candidates, api_group__in=right.groups
    )
    nearest: dict[int, TrustedOrigin] = {}
    for row in sorted(rows.select_for_update() if lock else rows, key=lambda row: candidates.index(row.origin)):
        nearest.setdefault(row.api_group_id, row)
    return list(nearest.values())


def _find_own(right: Right, ask: Ask, *, lock: bool = False) -> list[TrustedOrigin]:
    """Return the issuer's own grants of the origin in its environment, also for API groups that it has lost."""
    rows = TrustedOrigin.objects.using(alias()).filter(
        environment=right.environment, origin=right.origin.text, managed_by=right.issuer.manager_name
    )
    if ask.api_groups is not None:
        rows = rows.filter(api_group__in=right.groups)
    return list((rows.select_for_update() if lock else rows).order_by("pk"))


def _list_closing(own: Iterable[TrustedOrigin], *, revoke: bool) -> list[TrustedOrigin]:
    """What has ended can still be closed for good."""
    return [grant for grant in own if grant.revoked_at is None and (revoke or not _has_ended(grant))]


def _has_ended(grant: TrustedOrigin) -> bool:
    return grant.expires_at is not None and grant.expires_at <= timezone.now()


def _is_active(grant: TrustedOrigin) -> bool:
    return grant.status() == Status.ACTIVE


def _is_as_wanted(right: Right, grant: TrustedOrigin | None, end: datetime, note: str) -> bool:
    if grant is None or not right.owns(grant) or grant.revoked_at is not None:
        return False
    return grant.expires_at == end and grant.note == (note or grant.note)


def _refuse(right: Right, there: dict[int, TrustedOrigin]) -> None:
    """Raise for what stands against it: a revocation, a grant of others that is not in force, too many of its own."""
    for grant in there.values():
        if grant.revoked_at is not None:
            raise ClosedToIssuers(right.origin.text, at=grant.revoked_at)
    others = [grant for grant in there.values() if not right.owns(grant) and not _is_active(grant)]
    if others:
        places = tuple(f"{grant.environment.slug}/{grant.api_group.slug}: {grant.status().label}" for grant in others)
        raise ManagedElsewhere(right.origin.text, places)
    new = sum(group.pk not in there for group in right.groups)
    if new:
        _refuse_too_many_new(right.issuer, new)
    coming = new + sum(right.owns(grant) and _has_ended(grant) for grant in there.values())
    if coming:
        _refuse_too_many(right.issuer, coming)


def _refuse_too_many_new(issuer: OriginIssuer, new: int) -> None:
    """What is closed for good stays in the policy, so that ``max_active`` alone bounds no table."""
    since = timezone.now() - timedelta(days=1)
    rows = TrustedOrigin.objects.using(alias()).filter(managed_by=issuer.manager_name, created_at__gt=since)
    made = len(rows.select_for_update().values_list("pk", flat=True))
    most = NEW_PER_DAY * issuer.max_active
    if made + new > most:
        raise TooManyNew(issuer.slug, active=made, most=most)


def _refuse_too_many(issuer: OriginIssuer, coming: int) -> None:
    rows = TrustedOrigin.objects.using(alias()).filter(managed_by=issuer.manager_name).active()
    # Locked, to see past an older snapshot; nobody else writes grants meanwhile.
    active = len(rows.select_for_update().values_list("pk", flat=True))
    if active + coming > issuer.max_active:
        raise TooManyActive(issuer.slug, active=active, most=issuer.max_active)


def _issue_one(
    right: Right, group: ApiGroup, grant: TrustedOrigin | None, actor: AbstractBaseUser, until: datetime, note: str
) -> Touched:
    if grant is None:
        return Touched(_add(right, group, actor, until, note), Outcome.ISSUED, is_own=True)
    if not right.owns(grant):
        return Touched(grant, Outcome.UNCHANGED, is_own=False)
    outcome, action = (Outcome.ISSUED, TRUSTED) if _has_ended(grant) else (Outcome.RENEWED, RENEWED)
    grant.expires_at, grant.note = until, note or grant.note
    with policy_write(action=action, using=alias()):
        grant.save(using=alias(), update_fields=["expires_at", "note"])
        mark_card(grant, CardStatus.TRUSTED, actor)
    return Touched(grant, outcome, is_own=True)


def _add(right: Right, group: ApiGroup, actor: AbstractBaseUser, until: datetime, note: str) -> TrustedOrigin:
    grant = TrustedOrigin(
        environment=right.environment,
        api_group=group,
        origin=right.origin.text,
        front_end_id=right.issuer.front_end_id,
        note=note,
        expires_at=until,
        created_by_id=actor.pk,
        managed_by=right.issuer.manager_name,
    )
    with policy_write(action=TRUSTED, using=alias()):
        grant.save(using=alias(), force_insert=True)
        mark_card(grant, CardStatus.TRUSTED, actor)
    return grant


def _end_one(grant: TrustedOrigin) -> Touched:
    grant.expires_at = timezone.now()
    with policy_write(action=ENDED, using=alias()):
        grant.save(using=alias(), update_fields=["expires_at"])
    return Touched(grant, Outcome.ENDED, is_own=True)


def _revoke_one(grant: TrustedOrigin, actor: AbstractBaseUser, reason: str) -> Touched:
    with policy_write(action=REVOKED, using=alias()):
        close(grant, actor, reason)
    return Touched(grant, Outcome.REVOKED, is_own=True)
