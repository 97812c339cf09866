"""The matrix as it is shown: each cell a box with its state in words, and a control for whoever may change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from django_cors_guard.admin.access.sheet import Sheet, SheetRow
from django_cors_guard.admin.display import show_origin, shown, word_day, word_moment
from django_cors_guard.models import ApiGroup, FrontEnd, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Cell, Matrix, Row
from django_cors_guard.wording import word_problem

#: Longest reason of a revocation that is repeated in a cell.
_REASON: Final = 200

Ticks = Mapping[tuple[str, str], bool]


@dataclass(frozen=True, slots=True)
class Powers:
    """What a user may do here. ``obstacle`` says in words why nothing, where the environment is protected."""

    add: bool
    change: bool
    obstacle: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything to tick."""
        return (self.add or self.change) and not self.obstacle

    def cover(self, cell: Cell) -> bool:
        """Whether the user may change what the cell says."""
        return self.any and (self.change if cell.grant is not None else self.add)


@dataclass(frozen=True, slots=True)
class Column:
    """An API group."""

    id: str
    name: str
    has_credentials: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A cell. ``short`` stands in it, ``long`` says all of it; ``kind`` names how it looks.

    ``is_careful``: somebody had shut the origin out on purpose, so nothing but a hand on this very box ticks it.
    """

    id: str
    value: str
    column: Column
    is_trusted: bool
    is_ticked: bool
    is_enabled: bool
    is_careful: bool
    kind: str
    short: str
    long: str
    url: str

    @property
    def is_changed(self) -> bool:
        """Whether it is ticked or unticked before anybody has touched it."""
        return self.is_ticked != self.is_trusted


@dataclass(frozen=True, slots=True)
class Line:
    """An origin, or a front end without one (then ``origin`` is blank)."""

    id: str
    origin: Any
    url: str
    boxes: tuple[Box, ...]
    is_offered: bool
    is_canonical: bool


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one front end, or of none."""

    id: str
    front_end: FrontEnd | None
    name: str
    owner: str
    url: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A page of the matrix."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    sheet: Sheet


def lay_out(matrix: Matrix, powers: Powers, ticks: Ticks) -> Table:
    """Return the page; ``ticks`` are boxes that are to be other than their cell is."""
    columns = tuple(_describe_column(number, group) for number, group in enumerate(matrix.api_groups))
    lines = [_lay_row(number, row, columns, powers, ticks) for number, row in enumerate(matrix.rows)]
    return Table(columns, tuple(_group(matrix.rows, lines)), _draw_sheet(matrix, powers))


def has_control(row: Row, cell: Cell, powers: Powers) -> bool:
    """Whether the user can tick or untick a cell."""
    return row.canonical and not cell.api_group.any_origin and powers.cover(cell)


def word_status(cell: Cell) -> tuple[str, str]:
    """Return what a cell says, in a word or two and in a sentence."""
    if cell.api_group.any_origin:
        return _("open to all"), _("The API group is open to any origin: a grant makes no difference.")
    if cell.grant is None:
        return _word_absence(cell)
    words = {
        Status.REVOKED.value: _word_revoked,
        Status.SWITCHED_OFF.value: _word_switched_off,
        Status.EXPIRED.value: _word_expired,
    }
    return words.get(cell.status, _word_active)(cell.grant, cell)


def _describe_column(number: int, group: ApiGroup) -> Column:
    return Column(f"access-g{number}", shown(str(group)), group.allow_credentials, group.any_origin)


def _draw_sheet(matrix: Matrix, powers: Powers) -> Sheet:
    rows = tuple(
        SheetRow(
            row.origin,
            row.front_end.slug if row.front_end is not None else "",
            tuple(cell.state if has_control(row, cell, powers) else None for cell in row.cells),
        )
        if row.cells
        else SheetRow("", "", (None,) * len(matrix.api_groups))
        for row in matrix.rows
    )
    return Sheet(matrix.environment.slug, tuple(group.slug for group in matrix.api_groups), rows)


def _lay_row(number: int, row: Row, columns: Iterable[Column], powers: Powers, ticks: Ticks) -> Line:
    return Line(
        id=f"access-r{number}",
        origin=show_origin(row.origin) if row.origin else "",
        url=f"{reverse('admin:cors_guard_trustedorigin_changelist')}?{urlencode({'q': row.origin})}",
        boxes=tuple(
            _fill_box(f"{number}.{column.id.removeprefix('access-g')}", column, row, cell, powers, ticks)
            for column, cell in zip(columns, row.cells, strict=False)
        ),
        is_offered=row.offered,
        is_canonical=row.canonical,
    )


def _fill_box(value: str, column: Column, row: Row, cell: Cell, powers: Powers, ticks: Ticks) -> Box:
    short, long = word_status(cell)
    enabled = has_control(row, cell, powers)
    wanted = ticks.get((row.origin, cell.api_group.slug), cell.is_active) if enabled else cell.is_active
    owner = cell.grant.front_end if cell.grant is not None else None
    if owner is not None and owner != row.front_end:
        long = _("%(text)s It is a grant of %(front_end)s.") % {"text": long, "front_end": shown(str(owner))}
    return Box(
        id=f"access-c{value.replace('.', '-')}",
        value=value,
        column=column,
        is_trusted=cell.is_active,
        is_ticked=wanted,
        is_enabled=enabled,
        is_careful=cell.status == Status.REVOKED,
        kind="expiring" if cell.expiring else cell.status.replace("_", "-"),
        short=short,
        long=long,
        url=reverse("admin:cors_guard_trustedorigin_change", args=[cell.grant.pk]) if cell.grant is not None else "",
    )


def _word_absence(cell: Cell) -> tuple[str, str]:
    if cell.pattern:
        words = _("Let in by %(pattern)s, without a grant of its own.")
        return _("by pattern"), words % {"pattern": shown(cell.pattern)}
    return "", _("Not trusted.")


def _word_active(grant: TrustedOrigin, cell: Cell) -> tuple[str, str]:
    if grant.expires_at is None:
        return "", _("Trusted.")
    day = word_day(grant.expires_at) if cell.expiring else _word_date(grant.expires_at)
    return _("until %(day)s") % {"day": day}, _("Trusted until %(at)s.") % {"at": word_moment(grant.expires_at)}


def _word_expired(grant: TrustedOrigin, cell: Cell) -> tuple[str, str]:
    at = word_moment(grant.expires_at) if grant.expires_at is not None else ""
    return _("expired"), _("Expired on %(at)s.") % {"at": at}


def _word_revoked(grant: TrustedOrigin, cell: Cell) -> tuple[str, str]:
    return _("revoked"), word_revocation(grant, cell.revoked_by)


def _word_switched_off(grant: TrustedOrigin, cell: Cell) -> tuple[str, str]:
    faults = " ".join(word_problem(fault._replace(value=shown(fault.value))) for fault in grant.find_faults())
    return _("switched off"), _("Switched off: %(why)s") % {"why": faults}


def word_revocation(grant: TrustedOrigin, by: str) -> str:
    """Return who revoked a grant, when and why."""
    return _("Revoked by %(by)s on %(at)s: %(reason)s") % {
        "by": shown(by) or _("an unknown user"),
        "at": word_moment(grant.revoked_at) if grant.revoked_at is not None else "",
        "reason": shown(grant.revoke_reason, _REASON) or _("no reason given"),
    }


def _word_date(at: Any) -> str:
    return date_format(timezone.localdate(at) if timezone.is_aware(at) else at.date(), "DATE_FORMAT")


def _group(rows: Iterable[Row], lines: Iterable[Line]) -> Iterator[Block]:
    """Gather the lines of each front end, which follow one another."""
    gathered: list[tuple[FrontEnd | None, list[Line]]] = []
    for row, line in zip(rows, lines, strict=True):
        if not gathered or gathered[-1][0] != row.front_end:
            gathered.append((row.front_end, []))
        gathered[-1][1].append(line)
    for number, (front_end, own) in enumerate(gathered):
        yield Block(
            id=f"access-f{number}",
            front_end=front_end,
            name=shown(str(front_end)) if front_end is not None else _("Origins without a front end"),
            owner=shown(front_end.owner) if front_end is not None else "",
            url=reverse("admin:cors_guard_frontend_change", args=[front_end.pk]) if front_end is not None else "",
            lines=tuple(line for line in own if line.boxes),
        )
