"""What becomes of one row: pure judgement about what was read before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from django.utils import timezone

from django_cors_guard.core.files import FileProblem, GrantRow, RowStatus, problem
from django_cors_guard.core.origins import Problem
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services.places import tidy
from django_cors_guard.services.previews import Preview
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.services.transfer.plans import Addition, Change, Difference, Leaving, LeftAlone, Refusal
from django_cors_guard.services.trusting import check_expiry

Verdict: TypeAlias = Addition | Change | Refusal | LeftAlone


@dataclass(frozen=True, slots=True)
class Case:
    """One row, and what trusting it would mean. ``expires_at`` is the row's, as the database takes it.

    ``front_end`` and ``revoked_by`` are those of the grant that is there.
    """

    row: GrantRow
    preview: Preview
    expires_at: datetime | None
    front_end: str
    revoked_by: str
    may_write: bool
    may_change: bool

    @property
    def place(self) -> Place:
        return Place(self.preview.environment, self.preview.api_group, self.preview.origin or self.row.origin)

    @property
    def grant(self) -> TrustedOrigin | None:
        return self.preview.grant

    @property
    def lies_ahead(self) -> bool:
        """Whether the row gives an end that has not come yet."""
        return self.expires_at is not None and self.expires_at > timezone.now()

    def refuse(self, *problems: Problem) -> Refusal:
        return Refusal(self.row.number, self.place, problems)

    def leave(self, why: Leaving) -> LeftAlone:
        pk = self.grant.pk if self.grant is not None else None
        return LeftAlone(self.row.number, self.place, why, pk)


def judge(case: Case) -> Verdict | None:
    """Return what would become of the row; None if it is here already."""
    if not case.preview.origin:
        return case.refuse(*case.preview.problems)
    if case.grant is None:
        return _judge_new(case)
    if case.grant.revoked_at is not None:
        return _judge_revoked(case, case.grant)
    if case.row.status is RowStatus.REVOKED:
        return case.leave(Leaving.REVOKED_THERE)
    return _judge_existing(case, case.grant)


def _judge_new(case: Case) -> Verdict:
    if case.row.status is RowStatus.REVOKED:
        return case.leave(Leaving.REVOKED_NEW)
    if case.row.status is RowStatus.EXPIRED and not case.lies_ahead:
        return case.leave(Leaving.EXPIRED_NEW)
    problems = [*case.preview.problems, *_list_barriers(case)]
    if problems:
        return case.refuse(*problems)
    return Addition(
        number=case.row.number,
        place=case.place,
        given=case.row.origin,
        mended=case.preview.mended,
        front_end=case.row.front_end,
        note=tidy(case.row.note),
        expires_at=case.expires_at,
        risks=case.preview.risks,
    )


def _judge_revoked(case: Case, grant: TrustedOrigin) -> Verdict | None:
    if case.row.status is RowStatus.REVOKED:
        return None
    return LeftAlone(
        number=case.row.number,
        place=case.place,
        why=Leaving.REVOKED_HERE,
        pk=grant.pk,
        by=case.revoked_by,
        at=grant.revoked_at,
        reason=grant.revoke_reason,
    )


def _judge_existing(case: Case, grant: TrustedOrigin) -> Verdict | None:
    differences = _list_differences(case, grant)
    if not differences:
        return _judge_unchanged(case, grant)
    moves_end = any(difference.field == "expires_at" for difference in differences)
    if moves_end and case.row.status is RowStatus.EXPIRED and case.expires_at is not None and not case.lies_ahead:
        return case.leave(Leaving.EXPIRED_THERE)
    problems = [*(check_expiry(grant, case.expires_at) if moves_end else ()), *_list_barriers(case)]
    if not case.may_change:
        problems.append(problem(FileProblem.MAY_NOT_CHANGE))
    if problems:
        return case.refuse(*problems)
    revives = moves_end and case.preview.existing == Status.EXPIRED
    return Change(
        number=case.row.number,
        place=case.place,
        pk=grant.pk,
        differences=differences,
        revives=revives,
        managed_by=grant.managed_by,
        risks=case.preview.risks if revives else (),
    )


def _judge_unchanged(case: Case, grant: TrustedOrigin) -> LeftAlone | None:
    """Say so where the file takes a grant for one that is in force, and it is not."""
    if case.preview.existing == Status.EXPIRED and case.row.status is not RowStatus.EXPIRED and case.expires_at is None:
        return case.leave(Leaving.EXPIRED_HERE)
    if case.preview.existing == Status.SWITCHED_OFF and case.row.status is not RowStatus.SWITCHED_OFF:
        return case.leave(Leaving.SWITCHED_OFF_HERE)
    return None


def _list_barriers(case: Case) -> list[Problem]:
    return [] if case.may_write else [problem(FileProblem.PROTECTED, case.preview.environment)]


def _list_differences(case: Case, grant: TrustedOrigin) -> tuple[Difference, ...]:
    """Return what the row says that is not so; what it leaves blank it does not say."""
    row, found = case.row, []
    if (row.is_endless or case.expires_at is not None) and case.expires_at != grant.expires_at:
        found.append(Difference("expires_at", grant.expires_at, case.expires_at))
    if row.front_end and row.front_end != case.front_end:
        found.append(Difference("front_end", case.front_end, row.front_end))
    note = tidy(row.note)
    if note.strip() and _unwrap(note) != _unwrap(grant.note):
        found.append(Difference("note", grant.note, note))
    return tuple(found)


def _unwrap(note: str) -> str:
    """Return ``note`` with the line ends of one system: forms change them on the way."""
    return note.replace("\r\n", "\n").replace("\r", "\n")
