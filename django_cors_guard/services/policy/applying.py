"""Applying a plan: exactly what was seen, in one transaction and one revision, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError
from django.utils.translation import gettext as _

from django_cors_guard.exceptions import CorsGuardError, InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import Environment
from django_cors_guard.services.places import alias, check_protected, retry_deadlocks, tidy
from django_cors_guard.services.policy.planning import make_plan
from django_cors_guard.services.policy.plans import PolicyPlan
from django_cors_guard.services.policy.writing import write_plan
from django_cors_guard.services.transfer.writing import Author, NotAsSeen
from django_cors_guard.wording import word_finding

#: How often a plan is made anew because somebody else has written since, and come out the same.
TRIES: Final = 3
#: Problems that an error names.
MAX_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What was applied. ``revision`` is None where nothing of the policy has changed; ``batch`` binds its changes."""

    batch: str
    revision: int | None
    added: int = 0
    changed: int = 0
    removed: int = 0
    revoked: int = 0
    reinstated: int = 0
    unchanged: int = 0


class PolicyMoved(CorsGuardError):
    """The policy is not any more what the plan was made from. ``plan`` is the one that can be made now."""

    code = "policy_moved"

    def __init__(self, plan: PolicyPlan, expected: int | None = None) -> None:
        if expected is not None and plan.version.revision != expected:
            text = _(
                "Nothing was written: the plan was seen at revision %(expected)d, and the policy is at revision "
                "%(revision)d now. Look at the plan once more."
            ) % {"expected": expected, "revision": plan.version.revision}
        else:
            text = _("Nothing was written: something else has changed in the meantime. Look at the plan once more.")
        super().__init__(text)
        self.plan = plan


class PolicyConflict(CorsGuardError):
    """The document and the policy cannot both be right; ``plan.conflicts`` says where."""

    code = "policy_conflict"

    def __init__(self, plan: PolicyPlan) -> None:
        super().__init__(
            _("Nothing was written: the document and the policy contradict one another. Settle the conflicts first.")
        )
        self.plan = plan


def apply_policy(
    plan: PolicyPlan,
    *,
    actor: AbstractBaseUser | None = None,
    reason: str,
    batch: str = "",
    expect_revision: int | None = None,
) -> PolicyResult:
    """Write what ``plan`` lists, all of it or nothing; one that is empty writes nothing and takes no revision.

    Raises InvalidRequest without a reason and for problems, PolicyConflict for conflicts, and PolicyMoved, with the
    plan of now, if what would be done is not what ``plan`` says, or if the policy is not at ``expect_revision``.
    """
    reason = tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why the policy changes."))
    if expect_revision is not None and plan.version.revision != expect_revision:
        raise PolicyMoved(plan, expect_revision)
    _refuse(plan)
    author = Author(actor, reason, batch or uuid4().hex)
    if plan.is_empty:
        return _report(plan, author.batch, None)
    _check_protected(plan, actor)
    for _try in range(TRIES):
        try:
            return _report(plan, author.batch, _write(plan, author))
        except NotAsSeen:
            fresh = make_plan(plan.document, plan.options, actor)
        if fresh.digest != plan.digest or (expect_revision is not None and fresh.version.revision != expect_revision):
            raise PolicyMoved(fresh, expect_revision)
        plan = fresh
    raise PolicyMoved(plan, expect_revision)


def _check_protected(plan: PolicyPlan, actor: AbstractBaseUser | None) -> None:
    """Once more, for a plan may have been made for somebody else."""
    if actor is None:
        if plan.protected and not plan.options.allow_protected:
            raise ProtectedEnvironment(plan.protected)
        return
    check_protected(actor, Environment.objects.using(alias()).filter(slug__in=plan.protected))


def _refuse(plan: PolicyPlan) -> None:
    if plan.problems:
        told = [word_finding(found) for found in plan.problems[:MAX_TOLD]]
        raise InvalidRequest("\n".join([_("Nothing was written:"), *(f"  {text}" for text in told)]))
    if plan.conflicts:
        raise PolicyConflict(plan)


@retry_deadlocks
def _write(plan: PolicyPlan, author: Author) -> int | None:
    try:
        return write_plan(plan, author)
    except IntegrityError as error:
        # What differs to us may be the same to the database: some take upper and lower case for one.
        raise InvalidRequest(
            _(
                "Nothing was written: the database refuses one of the rows. Is something of the same name, in other "
                "letters, there already?"
            )
        ) from error


def _report(plan: PolicyPlan, batch: str, revision: int | None) -> PolicyResult:
    return PolicyResult(
        batch=batch,
        revision=revision,
        added=len(plan.additions),
        changed=len(plan.changes),
        removed=len(plan.removals),
        revoked=len(plan.revocations),
        reinstated=len(plan.reinstatements),
        unchanged=plan.unchanged,
    )
