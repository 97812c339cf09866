"""What the story says of grants around a moment: the last word before it, and the first one after.

Each change of a grant that decides something leaves an entry with the row before and after it. Between two entries such
a row stays as it is, so the entry after a moment tells how it was then, and so does the one before: where both can be
read they vouch for one another. Bulk writes leave one summary for many rows, which names some of them; where one of
those may have touched a grant, the side that lies beyond it is not trusted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import BooleanField, Case, Max, Min, Q, QuerySet, Value, When

from django_cors_guard.models import PolicyChange, TrustedOrigin
from django_cors_guard.models.trusted_origin import CARRIED_REVOKER, REINSTATED, REVIEWED, REVOKED, pick_revoker
from django_cors_guard.services.history.record import REVERTED
from django_cors_guard.services.history.snapshots import Side, Unreadable, read_side, read_values, with_texts
from django_cors_guard.services.places import alias
from django_cors_guard.services.transfer.grants import chunked
from django_cors_guard.services.trusting import TRUSTED

PREFIX: Final = f"{TrustedOrigin._meta.model_name}:"
#: Bulk changes that are told apart; where there are more, any of them may have touched any grant.
MAX_SWEEPS: Final = 500

_ADDED: Final = "added"
_LOADED: Final = "loaded"
_OPENING: Final = frozenset({TRUSTED, REINSTATED})


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment in the story: entries from number ``pk`` on came after it (None: there is none). ``at`` None: now.

    Those from ``doubtful`` on that come before ``pk`` may have come after it as well: hosts whose clocks differ wrote
    them (None: there is none).
    """

    at: datetime | None = None
    pk: int | None = None
    doubtful: int | None = None

    @classmethod
    def find(cls, at: datetime | None, now: datetime) -> Cut:
        """Return where the story stood at ``at``. Three queries, for a moment that has gone."""
        if at is None:
            return cls()
        # Policy writes commit one after the other, so numbers tell the order, and times agree with them but for clocks
        # that differ. A time that is still to come tells nothing but that its clock was wrong.
        story = PolicyChange.objects.using(alias())
        later = story.filter(at__gt=at, at__lte=now).aggregate(first=Min("pk"))["first"]
        before = (story.filter(at__lte=at).aggregate(last=Max("pk"))["last"] or 0) + 1
        if later is not None and later < before:
            return cls(at, before, later)
        between = story.filter(pk__gte=before) if later is None else story.filter(pk__gte=before, pk__lt=later)
        return cls(at, later, before if between.exists() else None)

    @property
    def first(self) -> int | None:
        """The number of the first entry that may have come after the moment."""
        return self.doubtful if self.doubtful is not None else self.pk

    def is_later(self, pk: int) -> bool:
        """Whether an entry came after the moment, without a doubt."""
        return self.pk is not None and pk >= self.pk

    def is_doubtful(self, pk: int) -> bool:
        """Whether an entry may have come before or after the moment."""
        return self.doubtful is not None and pk >= self.doubtful and not self.is_later(pk)


class Mark(NamedTuple):
    """One entry in short. It ``adds`` a row that was not there, or ``removes`` it."""

    pk: int
    revision: int
    action: str
    label: str
    at: datetime
    adds: bool
    removes: bool


@dataclass(slots=True)
class Trail:
    """The entries of one grant that matter: ``before`` the moment the last one, and ``after`` it the first.

    ``opened`` is the last one before that let the origin in, ``added`` the one that made the row. ``readded`` is the
    number of the first one after that made it anew, ``loaded`` those of fixtures, which tell of nothing before them.
    ``doubtful`` are those of which nobody knows on which side they lie; they are taken for earlier ones.
    """

    before: Mark | None = None
    after: Mark | None = None
    opened: Mark | None = None
    added: Mark | None = None
    reviewed: Mark | None = None
    revoker: str = ""
    readded: int | None = None
    loaded: list[int] = field(default_factory=list)
    doubtful: list[Mark] = field(default_factory=list)

    def take(self, mark: Mark, *, is_later: bool, is_doubtful: bool = False) -> None:
        """Take the next entry, in their order."""
        if is_doubtful:
            # Made anew after it went: what went is listed with that. The first one may itself be what was there.
            if mark.adds and any(other.adds or other.removes for other in self.doubtful):
                self.readded = self.readded or mark.pk
            self.doubtful.append(mark)
        if is_later:
            self.after = self.after or mark
            if mark.adds and self.readded is None:
                self.readded = mark.pk
            return
        self.before = mark
        if mark.adds or mark.action in _OPENING:
            self.opened = mark
        if mark.adds:
            self.added = mark
        if mark.action == REVIEWED:
            self.reviewed = mark

    @property
    def may_have_been_absent(self) -> bool:
        """Whether it was made, or went, at a time in doubt."""
        return any(mark.adds or mark.removes for mark in self.doubtful)

    def list_told(self) -> list[int]:
        """Return the numbers of the entries whose sides tell of the moment."""
        return [mark.pk for mark in (self.before, self.after) if mark is not None]


def read_trails(targets: Mapping[str, int | None], cut: Cut) -> dict[str, Trail]:
    """Return the trails of grants by target; those with an id are looked for among fixtures, too. A query or two."""
    found = {target: Trail() for target in targets}
    by_id = {f"{PREFIX}{pk}": target for target, pk in targets.items() if pk is not None}
    empty = Value(value=False, output_field=BooleanField())
    sides = {
        "adds": Case(When(before__isnull=True, then=Value(value=True)), default=empty),
        "removes": Case(When(after__isnull=True, then=Value(value=True)), default=empty),
    }
    columns = ("pk", "revision", "action", "actor_label", "at", "adds", "removes")
    rows = PolicyChange.objects.using(alias()).exclude(action=REVERTED).annotate(**sides).order_by("pk")
    if cut.at is None:
        # Of now the rows tell everything else, and a grant that is renewed at every deployment has a long story.
        rows = rows.filter(Q(action__in=(*_OPENING, REVIEWED, REVOKED)) | Q(before__isnull=True))
    for chunk in chunked([*found, *by_id]):
        told = rows.filter(target__in=chunk).values_list("target", f"after__{CARRIED_REVOKER}", *columns)
        # A collation that ignores case finds more than was asked for.
        for target, carried, *values in told.iterator():
            mark = Mark(*values)
            if mark.action == _LOADED and target in by_id:
                found[by_id[target]].loaded.append(mark.pk)
            elif target in found:
                _take(found[target], mark, carried, cut)
    return found


def _take(trail: Trail, mark: Mark, carried: Any, cut: Cut) -> None:
    is_later = cut.is_later(mark.pk)
    trail.take(mark, is_later=is_later, is_doubtful=cut.is_doubtful(mark.pk))
    if mark.action == REVOKED and not is_later:
        trail.revoker = pick_revoker(mark.label, carried)


class Texts:
    """The sides of some entries, and why they were made. One query, and only what is asked for is parsed."""

    def __init__(self, pks: Iterable[int]) -> None:
        rows = with_texts(PolicyChange.objects.using(alias()))
        self._rows = {row.pk: row for chunk in chunked(set(pks)) for row in rows.filter(pk__in=chunk)}

    def read(self, mark: Mark | None, side: Side) -> dict[str, Any] | None:
        """Return the row as the entry says it was; None where it says nothing that can be read."""
        if mark is None or mark.pk not in self._rows:
            return None
        try:
            return read_values(TrustedOrigin, read_side(self._rows[mark.pk], side))
        except Unreadable:
            return None


def read_reasons(pks: Iterable[int]) -> dict[int, str]:
    """Return why entries were made. One query."""
    rows = PolicyChange.objects.using(alias())
    return {pk: why for chunk in chunked(set(pks)) for pk, why in rows.filter(pk__in=chunk).values_list("pk", "reason")}


class Sweep(NamedTuple):
    """A bulk write of several grants.

    ``names`` are all of them, or None where the story does not name all; ``values`` what each of them got, or None
    where it does not say.
    """

    pk: int
    revision: int
    names: frozenset[str] | None
    label: str = ""
    reason: str = ""
    adds: bool = False
    values: dict[str, Any] | None = None


class Removal(NamedTuple):
    """A bulk deletion: the grants that it names, and how many it does not."""

    pk: int
    revision: int
    names: tuple[str, ...]
    unnamed: int


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Every bulk change of grants, and how many were deleted in bulk after the moment without a name.

    There may be others than ``all`` among the entries from number ``beyond`` on.
    """

    all: tuple[Sweep, ...] = ()
    unnamed: int = 0
    beyond: int | None = None

    @classmethod
    def read(cls, cut: Cut) -> Sweeps:
        """Read them: the summaries alone; of now only of what was made, and not more than are kept."""
        kept: list[Sweep] = []
        unnamed, beyond = 0, None
        for change in list_summaries(0, **({"action": _ADDED} if cut.at is None else {})):
            found = read_summary(change)
            if isinstance(found, Removal):
                unnamed += found.unnamed if cut.is_later(found.pk) or cut.is_doubtful(found.pk) else 0
            elif len(kept) < MAX_SWEEPS:
                kept.append(found)
            elif beyond is None:
                beyond = found.pk
                if cut.at is None:
                    break
        return cls(tuple(kept), unnamed, beyond)

    def list_touching(self, target: str, stamp: int | None, first: int, last: int | None) -> list[Sweep]:
        """Return those numbered ``first`` or more, and less than ``last``, that may have changed a grant.

        ``stamp`` is the revision that the row carries, which each write renews: a later one has not touched it.
        """
        others = [Sweep(max(first, self.beyond), 0, None)] if self.beyond is not None else []
        return [
            sweep
            for sweep in (*self.all, *others)
            if sweep.pk >= first
            and (last is None or sweep.pk < last)
            and (target in sweep.names if sweep.names is not None else stamp is None or stamp >= sweep.revision)
        ]

    def find_addition(self, target: str, stamp: int | None) -> Sweep | None:
        """Return the bulk write that made a grant, if the story says so."""
        return next(self._find_additions(target, stamp), None)

    def list_additions(self, target: str, stamp: int | None) -> list[int]:
        """Return the numbers of the bulk writes that made a grant of this name."""
        return [sweep.pk for sweep in self._find_additions(target, stamp)]

    def _find_additions(self, target: str, stamp: int | None) -> Iterator[Sweep]:
        for sweep in self.all:
            if sweep.adds and ((sweep.names is not None and target in sweep.names) or stamp == sweep.revision):
                yield sweep


def list_summaries(first: int, **chosen: str) -> Iterator[PolicyChange]:
    """Yield the summaries of bulk writes from number ``first`` on, in constant memory."""
    rows: QuerySet[PolicyChange] = with_texts(PolicyChange.objects.using(alias())).filter(**chosen)
    last = first - 1
    while block := list(rows.filter(target=TrustedOrigin.bulk_target(), pk__gt=last).order_by("pk")[:100]):
        last = block[-1].pk
        yield from block


def read_summary(change: PolicyChange) -> Sweep | Removal:
    """Return what a summary says; one that cannot be read may have touched any grant."""
    try:
        before, after = read_side(change, "before"), read_side(change, "after")
    except Unreadable:
        return Sweep(change.pk, change.revision, None)
    before, after = (side if isinstance(side, dict) else {} for side in (before, after))
    count = after.get("count")
    names = [name for name in _as_list(before.get("targets") or after.get("targets")) if isinstance(name, str)]
    total = count if isinstance(count, int) else len(names)
    if "targets" in before and "values" not in after:
        return Removal(change.pk, change.revision, tuple(names), max(total - len(names), 0))
    is_whole = bool(names) and total <= len(names)
    return Sweep(
        change.pk,
        change.revision,
        frozenset(names) if is_whole or not total else None,
        change.actor_label,
        change.reason,
        adds=change.action == _ADDED,
        values=_read_values(after.get("values")),
    )


def _read_values(values: Any) -> dict[str, Any] | None:
    try:
        return read_values(TrustedOrigin, values)
    except Unreadable:
        return None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def find_removed(targets: Collection[str]) -> dict[str, list[int]]:
    """Return by which bulk deletions grants went. Reads the summaries once, and only if there is anything to ask."""
    found: dict[str, list[int]] = {}
    if not targets:
        return found
    for change in list_summaries(0):
        summary = read_summary(change)
        if isinstance(summary, Removal):
            for name in set(summary.names) & set(targets):
                found.setdefault(name, []).append(summary.pk)
    return found


def list_deletions(cut: Cut, first: int) -> Iterator[tuple[PolicyChange, tuple[str, ...]]]:
    """Yield what may have deleted grants after the moment, from number ``first`` on, with the names of those."""
    if cut.first is None:
        return
    rows = with_texts(PolicyChange.objects.using(alias())).exclude(action=REVERTED)
    one = Q(target__startswith=PREFIX, after__isnull=True, before__isnull=False)
    many = Q(target=TrustedOrigin.bulk_target(), before__isnull=False)
    last = max(cut.first, first) - 1
    while block := list(rows.filter(one | many, pk__gt=last).order_by("pk")[:100]):
        for change in block:
            if change.target != TrustedOrigin.bulk_target():
                yield change, (change.target,)
            elif isinstance(summary := read_summary(change), Removal):
                yield change, summary.names
        last = block[-1].pk
