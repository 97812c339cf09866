"""Revoking and reinstating."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Origin, Problem, parse_origin
from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin, policy_write
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
from django_cors_guard.services.revoking.matches import find_matches, lock_rows
from django_cors_guard.services.revoking.receipts import Receipt, write_receipt
from django_cors_guard.services.revoking.selection import Selection


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
            close(lock_grant(grant.pk), actor, reason)
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
    reason = _require_reason(reason)
    places = chosen(environments, find_environment, Environment)
    groups = chosen(api_groups, find_api_group, ApiGroup)
    if api_groups is not None and any(group.any_origin for group in groups):
        names = ", ".join(group.slug for group in groups if group.any_origin)
        raise InvalidRequest(
            _("Open to any origin: %(groups)s. Revoking would do nothing there; switch “any origin” off first.")
            % {"groups": names}
        )
    matches = find_matches(parsed.origin, places, groups)
    if not (matches.exact or matches.covered or reads_may_be_stale()):
        return write_receipt(parsed.origin, matches, groups, PolicyState.read(alias()).revision)
    check_protected(actor, matches.environments(places))
    with policy_write(actor=actor, reason=reason, action=REVOKED, using=alias()) as write:
        # Matched again under the lock: what was trusted in between is closed, too.
        matches = find_matches(parsed.origin, places, groups, lock=True)
        check_protected(actor, matches.environments(places))
        for grant in matches.exact:
            close(lock_grant(grant.pk), actor, reason)
        for place, group, _pattern in matches.covered:
            _leave_revoked(parsed.origin, place, group, actor, reason)
        return write_receipt(parsed.origin, matches, groups, write.revision)


@retry_deadlocks
def revoke_many(
    trusted_origins: Iterable[TrustedOrigin], *, actor: AbstractBaseUser | None = None, reason: str
) -> Receipt:
    """Close these grants in one transaction and one revision, and return the receipt of all of them.

    Those that are revoked already stay as they are, and so do those of groups that are open to any origin, where a
    revocation would do nothing; the receipt names both.
    """
    reason = _require_reason(reason)
    ids = [grant.pk for grant in trusted_origins]
    rows = TrustedOrigin.objects.using(alias()).filter(pk__in=ids).select_related("environment", "api_group")
    selection = Selection.of(rows)
    check_protected(actor, selection.environments())
    if not (selection.closing or reads_may_be_stale()):
        return selection.write_receipt(PolicyState.read(alias()).revision)
    with policy_write(actor=actor, reason=reason, action=REVOKED, using=alias()) as write:
        # Looked at again under the lock: what was reinstated or opened in between counts.
        selection = Selection.of(lock_rows(rows).order_by("pk"))
        check_protected(actor, selection.environments())
        for grant in selection.closing:
            close(grant, actor, reason)
        return selection.write_receipt(write.revision)


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
    return write_receipt(parsed.origin, find_matches(parsed.origin, places, groups), groups, revision)


@retry_deadlocks
def reinstate(
    trusted_origin: TrustedOrigin,
    *,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
    renewed: bool = False,
    expires_at: datetime | None = None,
) -> TrustedOrigin:
    """Undo a revocation, for a reason that is kept; the safety rules that hold now apply.

    The grant ends when it did before, or, if it is ``renewed``, at ``expires_at`` (None: not before it is revoked).
    """
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why this origin may be trusted again."))
    grant = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group").get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.revoked_at is not None:
        ends = expires_at if renewed else grant.expires_at
        require_origin(grant.origin, grant.environment, grant.api_group, ends, renewed=False)
        with policy_write(actor=actor, reason=reason, action=REINSTATED, using=alias()):
            grant = lock_grant(grant.pk)
            grant.expires_at = ends if renewed else grant.expires_at
            grant.revoked_at, grant.revoked_by, grant.revoke_reason = None, None, ""
            grant.save(using=alias())
            TrustedOrigin.objects.using(alias()).filter(pk=grant.pk).update(revoked_by=None, revoke_reason="")
            mark_card(grant, CardStatus.TRUSTED, actor)
    trusted_origin.refresh_from_db()
    return trusted_origin


def list_reinstating_problems(trusted_origin: TrustedOrigin) -> tuple[Problem, ...]:
    """Return the safety rules that now hold and that keep ``reinstate`` from undoing the revocation."""
    grant = trusted_origin
    try:
        require_origin(grant.origin, grant.environment, grant.api_group, grant.expires_at, renewed=False)
    except RefusedOrigin as refused:
        return refused.problems
    return ()


def _require_reason(text: str) -> str:
    reason = tidy(text)
    if not reason.strip():
        raise InvalidRequest(_("Say why: a revocation without a reason helps nobody later."))
    return reason


def close(grant: TrustedOrigin, actor: AbstractBaseUser | None, reason: str) -> None:
    """Mark ``grant``, which is locked, as revoked, unless it is."""
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
