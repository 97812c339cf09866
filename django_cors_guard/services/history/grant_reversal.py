"""What taking a change of a grant back would do: trusting becomes revoking, revoking becomes reinstating.

Grants are never deleted by it, for a deleted row forgets that the origin was ever trusted: save where a revocation had
left a row only to shut one origin out of a pattern, and there was none before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem, parse_canonical
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.services.history.record import Record, field_of, word_field
from django_cors_guard.services.history.reversal import Deed, Reversal, Step, fill, list_all
from django_cors_guard.services.previews import Preview, Wish, preview_wishes
from django_cors_guard.services.revoking.revocation import list_reinstating_problems
from django_cors_guard.services.trusting import check_expiry
from django_cors_guard.wording import word_problem

#: The field that a review moves.
REVIEW: Final = "reviewed_at"


def plan_grant(record: Record, *, lock: bool) -> Reversal:
    """Plan for a grant."""
    if record.after is None:
        return _plan_return(record)
    row: TrustedOrigin | None = record.find_row(lock=lock)
    if row is None:
        return Reversal(record.change, obstacles=(record.say_gone(),))
    if record.before is None:
        return _plan_end(record, row)
    return _plan_change(record, row)


def _plan_change(record: Record, row: TrustedOrigin) -> Reversal:
    plans = {"revoked_at": _plan_revocation, "expires_at": _plan_expiry, REVIEW: _plan_review}
    touched = record.list_differing()
    for name, plan in plans.items():
        if name in touched:
            return plan(record, row)
    text = _("It changed nothing of the policy that could be reverted.")
    return Reversal(record.change, row=row, obstacles=(text,))


def _plan_end(record: Record, row: TrustedOrigin) -> Reversal:
    """There was no row before: the grant is revoked, or what only shut the origin out goes."""
    after = record.after or {}
    # Who looked at it since has not changed what it lets in.
    conflicts = record.list_conflicts(row, [name for name in after if name in TrustedOrigin.policy_fields - {REVIEW}])
    if after.get("revoked_at") is not None:
        note = _("There was no entry before, only a pattern. The patterns decide about the origin again.")
        return Reversal(record.change, deed=Deed.DELETE, row=row, obstacles=tuple(conflicts), notes=(note,))
    return _plan_revoke(record, row, conflicts)


def _plan_revocation(record: Record, row: TrustedOrigin) -> Reversal:
    conflicts = record.list_conflicts(row, ["revoked_at"])
    if (record.after or {})["revoked_at"] is None:
        return _plan_revoke(record, row, conflicts)
    if (record.before or {})["revoked_at"] is not None:
        conflicts.append(_("It only moved the time of a revocation, which stays."))
    return Reversal(
        record.change,
        deed=Deed.REINSTATE,
        row=row,
        obstacles=tuple(conflicts or _list_problems(row)),
        risks=_preview(row).risks,
    )


def _plan_revoke(record: Record, row: TrustedOrigin, conflicts: list[str]) -> Reversal:
    if row.api_group.any_origin:
        text = _("%(group)s is open to any origin: revoking would do nothing. Switch “any origin” off first.")
        conflicts = [*conflicts, text % {"group": row.api_group}]
    return Reversal(record.change, deed=Deed.REVOKE, row=row, obstacles=tuple(conflicts))


def _plan_expiry(record: Record, row: TrustedOrigin) -> Reversal:
    item, then = field_of(TrustedOrigin, "expires_at"), (record.before or {})["expires_at"]
    conflicts = record.list_conflicts(row, [item.name])
    problems = [] if conflicts else [word_problem(problem) for problem in check_expiry(row, then)]
    others = [field_of(TrustedOrigin, name) for name in record.list_differing() if name != item.name]
    return Reversal(
        record.change,
        deed=Deed.CHANGE,
        row=row,
        steps=(Step(item, row.expires_at, then),),
        obstacles=(*conflicts, *problems),
        notes=tuple(_("%(field)s stays as it is.") % {"field": word_field(other)} for other in others),
    )


def _plan_review(record: Record, row: TrustedOrigin) -> Reversal:
    """The mark goes back to the one before it, or goes altogether; the grant itself stays as it is."""
    before = record.before or {}
    by = before.get("reviewed_by")
    is_there = by is not None and get_user_model()._base_manager.filter(pk=by).exists()
    at, who = (field_of(TrustedOrigin, name) for name in (REVIEW, "reviewed_by"))
    return Reversal(
        record.change,
        deed=Deed.CHANGE,
        row=row,
        steps=(
            Step(at, row.reviewed_at, before[REVIEW]),
            Step(who, row.reviewed_by_id, by if is_there else None),
        ),
        obstacles=tuple(record.list_conflicts(row, [REVIEW])),
        notes=(_("The grant itself stays as it is. It may be due for review again."),),
    )


def _plan_return(record: Record) -> Reversal:
    """The row was deleted: it comes back as it was, revoked if it was revoked."""
    row, found = TrustedOrigin(), Reversal(record.change, deed=Deed.ADD)
    try:
        fill(row, record)
        # What it points at has just been read.
        row.clean_fields(exclude=[field.name for field in row._meta.concrete_fields if field.is_relation])
    except InvalidRequest as error:
        return replace(found, obstacles=(error.message,))
    except ValidationError as error:
        return replace(found, obstacles=tuple(error.messages))
    found = replace(found, row=row, steps=list_all(row))
    preview = _preview(row)
    if preview.existing:
        return replace(found, obstacles=(record.say_back(),))
    if parse_canonical(row.origin) is None:
        return replace(found, obstacles=(word_problem(Problem("not_canonical", row.origin)),))
    if row.revoked_at is not None:
        return found
    return replace(found, obstacles=tuple(_list_problems(row)), risks=preview.risks)


def _list_problems(row: TrustedOrigin) -> list[str]:
    """Return what stands against trusting the origin again, by the rules that hold now."""
    return [word_problem(problem) for problem in list_reinstating_problems(row)]


def _preview(row: TrustedOrigin) -> Preview:
    (found,) = preview_wishes([Wish(row.origin, row.environment, row.api_group)])
    return found
