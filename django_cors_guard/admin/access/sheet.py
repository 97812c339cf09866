"""What the forms of the matrix carry: the cells as they were shown, and the plan as it was reviewed.

Both are signed for the user they were made for. They say what somebody has seen, never what they may do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard.admin.base import actor_of
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import AccessPlan, Change

_SHEET: Final = "django_cors_guard.access.sheet"
_PLAN: Final = "django_cors_guard.access.plan"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row as it was shown: the state of each of its cells, None for one without a control."""

    origin: str
    front_end: str
    states: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of the matrix as it was shown; ``groups`` are slugs."""

    environment: str
    groups: tuple[str, ...]
    rows: tuple[SheetRow, ...]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A plan as it was reviewed: the changes with the state of each cell, and the digest of the rules."""

    environment: str
    rules: str
    changes: tuple[Change, ...]


def was_ticked(state: str) -> bool:
    """Whether a cell in this state was shown as trusted."""
    return state.startswith(f"{Status.ACTIVE.value}:")


def sign_sheet(request: HttpRequest, sheet: Sheet) -> str:
    """Return the sheet as the form carries it."""
    rows = [[row.origin, row.front_end, list(row.states)] for row in sheet.rows]
    return _sign(request, _SHEET, {"environment": sheet.environment, "groups": list(sheet.groups), "rows": rows})


def read_sheet(request: HttpRequest) -> Sheet:
    """Return the sheet that was posted; raises InvalidRequest for one that is not this user's."""
    found = _read(request, _SHEET, "sheet")
    rows = tuple(SheetRow(origin, front_end, tuple(states)) for origin, front_end, states in found["rows"])
    return Sheet(found["environment"], tuple(found["groups"]), rows)


def list_changes(sheet: Sheet, ticked: Iterable[str]) -> list[Change]:
    """Return the cells whose box is not as it was shown; ``ticked`` are the boxes as ``row.column``."""
    return list(_compare(sheet, frozenset(ticked)))


def sign_plan(request: HttpRequest, plan: AccessPlan) -> str:
    """Return what was reviewed as the form carries it; what is so already has been dealt with."""
    changes = [step.as_change() for step in plan.changing]
    rows = [[item.origin, item.api_group, item.trusted, item.seen, item.front_end] for item in changes]
    return _sign(request, _PLAN, {"environment": plan.environment.slug, "rules": plan.rules, "changes": rows})


def read_plan(request: HttpRequest) -> Reviewed:
    """Return what was reviewed; raises InvalidRequest for what is not this user's."""
    found = _read(request, _PLAN, "plan")
    return Reviewed(found["environment"], found["rules"], tuple(Change(*row) for row in found["changes"]))


def _compare(sheet: Sheet, ticked: frozenset[str]) -> Iterator[Change]:
    for number, row in enumerate(sheet.rows):
        for column, (group, state) in enumerate(zip(sheet.groups, row.states, strict=True)):
            wanted = f"{number}.{column}" in ticked
            if state is not None and wanted != was_ticked(state):
                yield Change(row.origin, group, wanted, state, row.front_end)


def _sign(request: HttpRequest, salt: str, value: dict[str, Any]) -> str:
    return signing.dumps(value, salt=f"{salt}:{actor_of(request).pk}", compress=True)


def _read(request: HttpRequest, salt: str, name: str) -> Any:
    try:
        return signing.loads(request.POST.get(name, ""), salt=f"{salt}:{actor_of(request).pk}")
    except signing.BadSignature as error:
        raise InvalidRequest(
            _("This form was made for somebody else, or was damaged on its way. Nothing was changed: look again.")
        ) from error
