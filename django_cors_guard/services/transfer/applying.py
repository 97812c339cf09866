"""Applying a plan: exactly what was seen, in one transaction and one revision, or nothing.

Planning takes no lock. The lock is held for the writes alone, and they go in bulk, so that a revocation in an
emergency waits for a moment at most, however long the file is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError
from django.utils.translation import gettext as _

from django_cors_guard.exceptions import CorsGuardError, InvalidRequest
from django_cors_guard.services.places import retry_deadlocks, tidy
from django_cors_guard.services.transfer.planning import plan_import
from django_cors_guard.services.transfer.plans import ImportPlan
from django_cors_guard.services.transfer.writing import Author, NotAsSeen, write_plan

#: How often a plan is made anew because somebody else has written since, and come out the same.
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did. ``revision`` is None where nothing of the policy has changed; ``batch`` binds its changes."""

    batch: str
    revision: int | None
    trusted: int
    changed: int
    unchanged: int
    left_alone: int
    refused: int


class PlanMoved(CorsGuardError):
    """The policy is not any more what the plan was made from. ``plan`` is the one that can be made now."""

    code = "plan_moved"

    def __init__(self, plan: ImportPlan) -> None:
        super().__init__(
            _("Nothing was imported: something else has changed in the meantime. Look at the plan once more.")
        )
        self.plan = plan


def apply_import(
    plan: ImportPlan,
    *,
    actor: AbstractBaseUser | None = None,
    reason: str,
    batch: str = "",
    leave_out_refused: bool = False,
) -> ImportResult:
    """Write what ``plan`` lists, all of it or nothing; one that is empty writes nothing and takes no revision.

    Raises InvalidRequest without a reason, and for rows that are refused unless ``leave_out_refused``; PlanMoved,
    with the plan of now, if what would be done is not what ``plan`` says; ProtectedEnvironment.
    """
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why these origins may be trusted."))
    if plan.refusals and not leave_out_refused:
        raise InvalidRequest(
            _("Nothing was imported: some of the lines are refused. Put them right, or leave them out.")
        )
    author = Author(actor, reason, batch or uuid4().hex)
    for _try in range(TRIES):
        try:
            return _report(plan, author.batch, _write(plan, author))
        except NotAsSeen:
            fresh = plan_import(plan.rows, actor=actor, may_change=plan.may_change)
        if fresh.digest != plan.digest:
            raise PlanMoved(fresh)
        plan = fresh
    raise PlanMoved(plan)


@retry_deadlocks
def _write(plan: ImportPlan, author: Author) -> int | None:
    try:
        return write_plan(plan, author)
    except IntegrityError as error:
        # A row that somebody wrote past this package may be another one to us, and the same to the database.
        raise InvalidRequest(
            _("Nothing was imported: the database refuses one of the lines. Is the same origin there already?")
        ) from error


def _report(plan: ImportPlan, batch: str, revision: int | None) -> ImportResult:
    return ImportResult(
        batch=batch,
        revision=revision,
        trusted=len(plan.additions),
        changed=len(plan.changes),
        unchanged=plan.unchanged + len(plan.repeats),
        left_alone=len(plan.left_alone),
        refused=len(plan.refusals),
    )
