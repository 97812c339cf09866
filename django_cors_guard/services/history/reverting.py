"""Taking one change of the policy back: through the services, as a change of its own, and for a reason."""

from __future__ import annotations

from dataclasses import replace

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import Environment, PolicyChange, TrustedOrigin, policy_write
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.services.grants import lock_grant, mark_card
from django_cors_guard.services.history.grant_reversal import REVIEW, plan_grant
from django_cors_guard.services.history.record import REVERTED, Record
from django_cors_guard.services.history.reversal import Deed, Reversal, plan_shared
from django_cors_guard.services.history.snapshots import model_of, with_texts
from django_cors_guard.services.places import (
    alias,
    check_protected,
    check_shared,
    reads_may_be_stale,
    retry_deadlocks,
    tidy,
)
from django_cors_guard.services.reviewing.marking import restore_review
from django_cors_guard.services.revoking.revocation import reinstate, revoke
from django_cors_guard.services.trusting import TRUSTED, amend


def preview_revert(change: PolicyChange | int, *, actor: AbstractBaseUser | None = None) -> Reversal:
    """Return, without writing anything, what ``revert`` would do now, and every obstacle in words.

    ``change`` is given as the object or by its number; raises PolicyChange.DoesNotExist.
    """
    found = _plan(change, lock=False)
    try:
        _check_protection(found, actor)
    except ProtectedEnvironment as error:
        return replace(found, obstacles=(*found.obstacles, error.message))
    return found


@retry_deadlocks
def revert(change: PolicyChange | int, *, actor: AbstractBaseUser | None = None, reason: str) -> PolicyChange:
    """Take one change (or that of this number) back and return the entry of the story that says so.

    What happens to the row is recorded by itself, in the same revision: a grant is revoked or reinstated, a field goes
    back to what it was, a row is added or deleted. ``after`` of the returned entry names the change that was reverted.
    Raises InvalidRequest with every obstacle, among them what others changed since, and ProtectedEnvironment.
    """
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why this change is taken back."))
    if not reads_may_be_stale():
        _require(_plan(change, lock=False), actor)
    with policy_write(actor=actor, reason=reason, using=alias()) as write:
        found = _plan(change, lock=True)
        _require(found, actor)
        _carry_out(found, actor, reason)
        link = {"change": found.change.pk, "revision": found.change.revision, "action": found.change.action}
        write.record(REVERTED, found.change.target, after=link)
        entries = PolicyChange.objects.using(alias()).filter(revision=write.revision, token=write.token)
        return entries.latest("pk")


def _plan(change: PolicyChange | int, *, lock: bool) -> Reversal:
    # Read anew: what a caller holds may have been made presentable, and the story itself never changes.
    number = change if isinstance(change, int) else change.pk
    stored = with_texts(PolicyChange.objects.using(alias())).get(pk=number)
    model = model_of(stored.target)
    try:
        record = Record.of(stored)
        found = plan_grant(record, lock=lock) if model is TrustedOrigin else plan_shared(record, lock=lock)
    except InvalidRequest as error:
        return Reversal(stored, model=model, obstacles=(error.message,))
    return replace(found, model=model, since=record.since, notes=(*found.notes, *_list_warnings(found)))


def _list_warnings(found: Reversal) -> list[str]:
    is_environment = found.deed is Deed.DELETE and isinstance(found.row, Environment)
    if is_environment and found.row.slug == conf.current().environment:
        return [_("This site runs in that environment: without it, no origin is trusted here.")]
    return []


def _require(found: Reversal, actor: AbstractBaseUser | None) -> None:
    _check_protection(found, actor)
    if found.obstacles:
        raise InvalidRequest(" ".join(found.obstacles))


def _check_protection(found: Reversal, actor: AbstractBaseUser | None) -> None:
    row = found.row
    if isinstance(row, TrustedOrigin):
        check_protected(actor, [row.environment])
    elif isinstance(row, Environment):
        # Also where it becomes protected, as in the form.
        protected = any(step.field.name == "protected" and step.then for step in found.steps)
        check_protected(actor, [row, Environment(slug=row.slug, protected=protected)])
    elif row is not None:
        check_shared(actor)


def _carry_out(found: Reversal, actor: AbstractBaseUser | None, reason: str) -> None:
    if found.deed is Deed.DELETE:
        found.row.delete(using=alias())
    elif isinstance(found.row, TrustedOrigin):
        _carry_out_for_grant(found, found.row, actor, reason)
    elif found.deed is Deed.ADD:
        found.row.save(using=alias(), force_insert=True)
    else:
        for step in found.steps:
            setattr(found.row, step.field.attname, step.then)
        found.row.save(using=alias(), update_fields=[step.field.name for step in found.steps])


def _carry_out_for_grant(found: Reversal, grant: TrustedOrigin, actor: AbstractBaseUser | None, reason: str) -> None:
    if found.deed is Deed.ADD:
        _put_back(grant, actor)
        return
    if found.deed is Deed.REVOKE:
        revoke(grant, actor=actor, reason=reason)
    elif found.deed is Deed.REINSTATE:
        reinstate(grant, actor=actor, reason=reason)
    elif found.steps[0].field.name == REVIEW:
        at, by = (step.then for step in found.steps)
        restore_review(grant, at, by)
    else:
        ends = found.steps[0].then
        amend(grant, actor=actor, note=grant.note, front_end=grant.front_end, expires_at=ends)
    _require_done(found, lock_grant(grant.pk))


def _put_back(grant: TrustedOrigin, actor: AbstractBaseUser | None) -> None:
    is_trusted = grant.revoked_at is None
    with policy_write(action=TRUSTED if is_trusted else "", using=alias()):
        grant.save(using=alias(), force_insert=True)
        if is_trusted:
            mark_card(grant, CardStatus.TRUSTED, actor)


def _require_done(found: Reversal, grant: TrustedOrigin) -> None:
    """The services look with plain reads, which in a long transaction of MySQL may be older than the plan."""
    done = {
        Deed.REVOKE: grant.revoked_at is not None,
        Deed.REINSTATE: grant.revoked_at is None,
        Deed.CHANGE: all(step.then == getattr(grant, step.field.attname) for step in found.steps),
    }
    if found.deed is None or not done[found.deed]:
        raise InvalidRequest(_("Somebody else changed it at the same moment. Look again before you revert anything."))
