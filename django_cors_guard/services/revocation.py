"""Revoking and reinstating, and the receipt that says what a revocation did and what it could not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.core.origins import (
    Origin,
    OriginKind,
    parse_origin,
    pattern_candidates,
)
from django_cors_guard.exceptions import (
    InvalidRequest,
    RefusedOrigin,
)
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyState,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.trusted_origin import REINSTATED, REVOKED
from django_cors_guard.services.grants import lock_grant, mark_card, require_origin
from django_cors_guard.services.places import (
    alias,
    check_protected,
    chosen,
    find_api_group,
    find_environment,
    reads_may_be_stale,
    retry_deadlocks,
    tidy,
)

#: Grants below a revoked pattern that a receipt lists.
MAX_REMAINING: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """One grant by its names."""

    environment: str
    api_group: str
    origin: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``revoke_origin`` did, and what it could not do.

    ``closed`` are the grants that were revoked; ``refused`` those of them that are new rows, left because only a
    pattern had matched. ``patterns`` still trust other origins, and where a pattern was revoked, ``remaining`` are
    grants of their own below it. ``open_groups`` let any origin read. Until
    ``preflights_until`` browsers may act on answers they have cached. Processes follow within ``refresh_seconds``.
    Sessions, tokens and clients that send no Origin are not affected by any of this.
    """

    origin: str
    revision: int
    at: datetime
    closed: tuple[Place, ...]
    refused: tuple[Place, ...]
    already_revoked: tuple[Place, ...]
    patterns: tuple[Place, ...]
    remaining: tuple[Place, ...]
    open_groups: tuple[str, ...]
    preflights_until: datetime
    refresh_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as plain values, times in ISO 8601."""
        found = asdict(self)
        return found | {"at": self.at.isoformat(), "preflights_until": self.preflights_until.isoformat()}


@retry_deadlocks
def revoke(trusted_origin: TrustedOrigin, *, actor: AbstractBaseUser | None = None, reason: str = "") -> TrustedOrigin:
    """Close one grant and return it; one that is revoked already stays as it is."""
    reason = tidy(reason)
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group")
    grant = rows.get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.api_group.any_origin:
        raise InvalidRequest(
            _(
                "The API group “%(group)s” is open to any origin, so revoking would do nothing. "
                "Switch “any origin” off first."
            )
            % {"group": grant.api_group.slug}
        )
    if grant.revoked_at is None or reads_may_be_stale():
        with policy_write(actor=actor, reason=reason, action=REVOKED, using=alias()):
            _close(lock_grant(grant.pk), actor, reason)
    trusted_origin.refresh_from_db()
    return trusted_origin


@retry_deadlocks
def revoke_origin(
    origin: str,
    *,
    environments: Iterable[Environment | str] | None = None,
    api_groups: Iterable[ApiGroup | str] | None = None,
    actor: AbstractBaseUser | None = None,
    reason: str,
) -> Receipt:
    """Close every grant of ``origin`` in the named places (None: all) in one transaction, and return the receipt.

    Where only a pattern had let the origin in, a revoked row is left that decides before the pattern.
    """
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why: a revocation without a reason helps nobody later."))
    places = chosen(environments, find_environment, Environment)
    groups = chosen(api_groups, find_api_group, ApiGroup)
    if api_groups is not None and any(group.any_origin for group in groups):
        names = ", ".join(group.slug for group in groups if group.any_origin)
        raise InvalidRequest(
            _("Open to any origin: %(groups)s. Revoking would do nothing there; switch “any origin” off first.")
            % {"groups": names}
        )
    matches = _match(parsed.origin, places, groups)
    if not (matches.exact or matches.covered or reads_may_be_stale()):
        return _receipt(parsed.origin, matches, groups, PolicyState.read(alias()).revision)
    check_protected(actor, matches.environments(places))
    with policy_write(actor=actor, reason=reason, action=REVOKED, using=alias()) as write:
        # Matched again under the lock: what was trusted in between is closed, too.
        matches = _match(parsed.origin, places, groups, lock=True)
        check_protected(actor, matches.environments(places))
        for grant in matches.exact:
            _close(lock_grant(grant.pk), actor, reason)
        for place, group, _pattern in matches.covered:
            _leave_revoked(parsed.origin, place, group, actor, reason)
        return _receipt(parsed.origin, matches, groups, write.revision)


def preview_revocation(
    origin: str,
    *,
    environments: Iterable[Environment | str] | None = None,
    api_groups: Iterable[ApiGroup | str] | None = None,
) -> Receipt:
    """Return, without writing anything, the receipt that ``revoke_origin`` would give now."""
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    places = chosen(environments, find_environment, Environment)
    groups = chosen(api_groups, find_api_group, ApiGroup)
    revision = PolicyState.read(alias()).revision
    return _receipt(parsed.origin, _match(parsed.origin, places, groups), groups, revision)


@retry_deadlocks
def reinstate(
    trusted_origin: TrustedOrigin, *, actor: AbstractBaseUser | None = None, reason: str = ""
) -> TrustedOrigin:
    """Undo a revocation, for a reason that is kept; the safety rules that hold now apply."""
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why this origin may be trusted again."))
    grant = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group").get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.revoked_at is not None:
        require_origin(grant.origin, grant.environment, grant.api_group, grant.expires_at, renewed=False)
        with policy_write(actor=actor, reason=reason, action=REINSTATED, using=alias()):
            grant = lock_grant(grant.pk)
            grant.revoked_at, grant.revoked_by, grant.revoke_reason = None, None, ""
            grant.save(using=alias())
            TrustedOrigin.objects.using(alias()).filter(pk=grant.pk).update(revoked_by=None, revoke_reason="")
            mark_card(grant, CardStatus.TRUSTED, actor)
    trusted_origin.refresh_from_db()
    return trusted_origin


def _close(grant: TrustedOrigin, actor: AbstractBaseUser | None, reason: str) -> None:
    if grant.revoked_at is not None:
        return
    grant.revoked_at = timezone.now()
    grant.revoked_by_id = actor.pk if actor is not None else None
    grant.revoke_reason = reason
    grant.save(using=alias(), update_fields=["revoked_at", "revoked_by", "revoke_reason"])


def _leave_revoked(
    origin: Origin, environment: Environment, group: ApiGroup, actor: AbstractBaseUser | None, reason: str
) -> None:
    TrustedOrigin(
        environment=environment,
        api_group=group,
        origin=origin.text,
        created_by_id=actor.pk if actor is not None else None,
        revoked_at=timezone.now(),
        revoked_by_id=actor.pk if actor is not None else None,
        revoke_reason=reason,
    ).save(using=alias())


@dataclass(frozen=True, slots=True)
class _Matches:
    """The grants that a revocation meets: rows of the origin itself, and places where only a pattern lets it in."""

    exact: tuple[TrustedOrigin, ...]
    revoked: tuple[TrustedOrigin, ...]
    covered: tuple[tuple[Environment, ApiGroup, TrustedOrigin], ...]
    patterns: tuple[TrustedOrigin, ...]
    remaining: tuple[TrustedOrigin, ...]

    def environments(self, chosen: Iterable[Environment]) -> list[Environment]:
        ids = {grant.environment_id for grant in self.exact} | {place.pk for place, _group, _grant in self.covered}
        return [environment for environment in chosen if environment.pk in ids]


def _match(origin: Origin, environments: list[Environment], groups: list[ApiGroup], *, lock: bool = False) -> _Matches:
    places = TrustedOrigin.objects.using(alias()).filter(environment__in=environments, api_group__in=groups)
    places = places.select_related("environment", "api_group")
    wanted = places.filter(origin__in=[origin.text, *_list_patterns_above(origin)])
    rows = list((_lock(wanted) if lock else wanted).order_by("environment__slug", "api_group__slug", "origin"))
    own = [row for row in rows if row.origin == origin.text]
    decided = {(row.environment_id, row.api_group_id) for row in own}
    # Also those that are switched off or have expired: they may be in force again tomorrow.
    patterns = [row for row in rows if row.origin != origin.text and row.revoked_at is None]
    covered = {
        (row.environment_id, row.api_group_id): (row.environment, row.api_group, row)
        for row in patterns
        if (row.environment_id, row.api_group_id) not in decided
    }
    return _Matches(
        exact=tuple(row for row in own if row.revoked_at is None),
        revoked=tuple(row for row in own if row.revoked_at is not None),
        covered=tuple(covered.values()),
        patterns=tuple(patterns),
        remaining=tuple(_find_below(origin, places)) if origin.is_pattern else (),
    )


def _lock(rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Lock the grants alone where the database can; a locking read also sees past an older snapshot."""
    only = ("self",) if connections[alias()].features.has_select_for_update_of else ()
    return rows.select_for_update(of=only)


def _list_patterns_above(origin: Origin) -> list[str]:
    """The patterns that let ``origin`` in, or, for a pattern, all that it matches."""
    if origin.kind is OriginKind.LOOPBACK_PORTS:
        return []
    return list(pattern_candidates(origin.text.replace("://*.", "://", 1)))


def _find_below(pattern: Origin, places: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Grants of their own that a revoked pattern leaves in force: they were trusted one by one."""
    if pattern.kind is OriginKind.LOOPBACK_PORTS:
        plain = pattern.text.removesuffix(":*")
        below = Q(origin=plain) | Q(origin__startswith=f"{plain}:")
    else:
        scheme, _separator, rest = pattern.text.partition("://*")
        below = Q(origin__startswith=f"{scheme}://", origin__endswith=rest)
    return places.filter(below, revoked_at=None).exclude(origin=pattern.text).order_by("origin")[:MAX_REMAINING]


def _place(grant: TrustedOrigin) -> Place:
    return Place(grant.environment.slug, grant.api_group.slug, grant.origin)


def _receipt(origin: Origin, matches: _Matches, groups: list[ApiGroup], revision: int) -> Receipt:
    at = timezone.now()
    left = tuple(Place(place.slug, group.slug, origin.text) for place, group, _grant in matches.covered)
    touched = {grant.api_group_id for grant in (*matches.exact, *matches.revoked)}
    touched |= {group.pk for _place, group, _grant in matches.covered}
    longest = max((group.max_age for group in groups if group.pk in touched), default=0)
    refresh = conf.current().refresh_seconds
    return Receipt(
        origin=origin.text,
        revision=revision,
        at=at,
        closed=(*(_place(grant) for grant in matches.exact), *left),
        refused=left,
        already_revoked=tuple(_place(grant) for grant in matches.revoked),
        patterns=tuple(_place(grant) for grant in matches.patterns),
        remaining=tuple(_place(grant) for grant in matches.remaining),
        open_groups=tuple(group.slug for group in groups if group.any_origin),
        preflights_until=at + timedelta(seconds=refresh + longest),
        refresh_seconds=refresh,
    )
