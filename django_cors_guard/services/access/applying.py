"""Changing access: what ``plan_access`` has planned, written as one revision, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from django_cors_guard.exceptions import CorsGuardError, InvalidRequest, RefusedOrigin
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.models.rejection import CardStatus, card_key
from django_cors_guard.services.access.cells import read_grants, state_of
from django_cors_guard.services.access.planning import digest_rules
from django_cors_guard.services.access.plans import AccessPlan, Kind, Step
from django_cors_guard.services.grants import mark_cards
from django_cors_guard.services.places import alias, check_protected, reads_may_be_stale, retry_deadlocks, tidy
from django_cors_guard.services.revoking.revocation import reinstate, revoke_many
from django_cors_guard.services.trusting import TRUSTED, amend

#: Kinds of changes to a grant that is there.
_STANDING: Final = (Kind.REVOKE, Kind.REINSTATE, Kind.RENEW)


class AccessMoved(CorsGuardError):
    """A cell or a rule is no longer as it was planned: somebody has changed it in between. Nothing was written."""

    code = "access_moved"

    def __init__(self) -> None:
        super().__init__(_("Some of this has changed in the meantime, so nothing was saved. Look at it again."))


@dataclass(frozen=True, slots=True)
class AccessReceipt:
    """What was written: the grants of each kind, all in one ``revision`` and of one ``batch`` (blank: nothing)."""

    revision: int
    batch: str = ""
    trusted: tuple[TrustedOrigin, ...] = ()
    revoked: tuple[TrustedOrigin, ...] = ()
    reinstated: tuple[TrustedOrigin, ...] = ()
    renewed: tuple[TrustedOrigin, ...] = ()


@retry_deadlocks
def apply_access(
    plan: AccessPlan,
    *,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
    expires_at: datetime | None = None,
) -> AccessReceipt:
    """Do all that ``plan`` says in one transaction and one revision, or nothing.

    ``expires_at`` (None: until revoked) is the end of grants that are new or renewed, and of those reinstated ones that
    would be expired. Raises AccessMoved if a cell, or a rule, is no longer as it was planned, InvalidRequest if a
    reason is missing, RefusedOrigin for what the plan says is wrong, and ProtectedEnvironment.
    """
    reason = tidy(reason)
    check_protected(actor, [plan.environment])
    if plan.needs_reason and not reason.strip():
        raise InvalidRequest(_("Say why: among these are revocations, or origins that were revoked before."))
    problems = (*plan.problems, *plan.find_end_problems(expires_at))
    if problems:
        raise RefusedOrigin(", ".join(step.origin for step in plan.changing)[:255], problems)
    if not plan.changing:
        return AccessReceipt(PolicyState.read(alias()).revision)
    batch = uuid4().hex
    with policy_write(actor=actor, reason=reason, batch=batch, using=alias()) as write:
        grants = _lock(plan)
        found = {kind: [_grant_of(step, grants) for step in plan.of_kind(kind)] for kind in _STANDING}
        if plan.revocations:
            revoke_many(found[Kind.REVOKE], actor=actor, reason=reason)
        for step, grant in zip(plan.reinstatements, found[Kind.REINSTATE], strict=True):
            reinstate(grant, actor=actor, reason=reason, renewed=step.needs_end, expires_at=expires_at)
        for grant in found[Kind.RENEW]:
            amend(grant, actor=actor, note=grant.note, front_end=grant.front_end, expires_at=expires_at)
        trusted = _trust(plan, actor, expires_at)
    return AccessReceipt(
        revision=write.revision,
        batch=batch,
        trusted=tuple(trusted),
        revoked=tuple(found[Kind.REVOKE]),
        reinstated=tuple(found[Kind.REINSTATE]),
        renewed=tuple(found[Kind.RENEW]),
    )


def _lock(plan: AccessPlan) -> dict[tuple[str, int], TrustedOrigin]:
    """Return the grants as they stand, locked; raises AccessMoved if they, or the rules, are not as planned."""
    environment = _as_it_stands(Environment.objects.filter(pk=plan.environment.pk)).first()
    slugs = {step.api_group.slug for step in plan.changing}
    groups = list(_as_it_stands(ApiGroup.objects.filter(slug__in=slugs)))
    if environment is None or digest_rules(environment, groups) != plan.rules:
        raise AccessMoved
    grants = read_grants(environment, groups, {step.origin for step in plan.changing}, lock=True)
    for step in plan.changing:
        if state_of(grants.get((step.origin, step.api_group.pk))) != step.state:
            raise AccessMoved
    _lock_cards(plan)
    return grants


def _lock_cards(plan: AccessPlan) -> None:
    """In the order in which the audit log locks them, so that neither stands in the other's way later."""
    keys = [card_key(plan.environment.slug, step.api_group.slug, step.origin) for step in plan.changing]
    cards = RejectedOrigin.objects.using(alias()).filter(key__in=keys).order_by("key")
    list(cards.select_for_update().values_list("pk", flat=True))


def _as_it_stands(rows: QuerySet[Any]) -> QuerySet[Any]:
    """As of now, also where a snapshot is older than that."""
    rows = rows.using(alias()).order_by("pk")
    return rows.select_for_update() if reads_may_be_stale() else rows


def _trust(plan: AccessPlan, actor: AbstractBaseUser | None, expires_at: datetime | None) -> list[TrustedOrigin]:
    """Write the new grants. The plan knows of no problem, and rests on the rules that hold, which are locked."""
    made = [
        TrustedOrigin(
            environment=plan.environment,
            api_group=step.api_group,
            origin=step.origin,
            front_end=step.front_end,
            expires_at=expires_at,
            created_by_id=actor.pk if actor is not None else None,
        )
        for step in plan.additions
    ]
    with policy_write(action=TRUSTED, using=alias()):
        for grant in made:
            grant.save(using=alias(), force_insert=True)
    mark_cards(made, CardStatus.TRUSTED, actor)
    return made


def _grant_of(step: Step, grants: dict[tuple[str, int], TrustedOrigin]) -> TrustedOrigin:
    return grants[step.origin, step.api_group.pk]
