"""Every grant as of a date, block by block, in constant memory and with a constant number of queries a block.

First those of front ends that are past their day of review, then the others, the oldest first; as of a moment that has
gone, at last those that were deleted since. Each says where it stands, so that a reader can go on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.core.problems import show
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from django_cors_guard.models.trusted_origin import REINSTATED, REVIEWED, Status
from django_cors_guard.services.places import alias
from django_cors_guard.services.reviewing.due import OLDER_THAN, Dates, Due
from django_cors_guard.services.reviewing.grants import UNKNOWN, GrantReview, Unsure
from django_cors_guard.services.reviewing.rules import Rules
from django_cors_guard.services.reviewing.states import Evidence, State, name_target, state_now
from django_cors_guard.services.reviewing.trails import (
    PREFIX,
    Cut,
    Sweeps,
    Trail,
    list_deletions,
    read_reasons,
    read_trails,
)
from django_cors_guard.services.reviewing.use import UseBefore, kept_since

#: Grants that are read, and in memory, at a time.
BLOCK: Final = 1000
#: Grants that are looked at for one page where not each of them belongs on it; then the page comes as it is.
MAX_EXAMINED: Final = 5000

STANDING: Final = (Status.ACTIVE.value, Status.SWITCHED_OFF.value)
#: What a list can be narrowed to.
STATUSES: Final = (*Status.values, UNKNOWN)


class Limit(StrEnum):
    """What a list as a whole cannot tell."""

    FRONT_ENDS_TODAY = "front_ends_today"
    USE_KEPT_SINCE = "use_kept_since"
    STORY_BEGINS = "story_begins"
    UNNAMED_DELETIONS = "unnamed_deletions"
    CLOCKS_DISAGREE = "clocks_disagree"


class Caveat(NamedTuple):
    """One of them; ``detail`` says since when, or how many."""

    code: Limit
    detail: str = ""


class Place(NamedTuple):
    """Where a list goes on: behind that row of that part."""

    part: int = 0
    key: int = 0
    step: int = -1

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Return what ``write`` wrote, or None."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 18 for part in parts):  # noqa: PLR2004
            return None
        part, key, index = map(int, parts)
        return cls(part, key, index - 1) if part < len(_PARTS) else None

    def write(self) -> str:
        """Return it as text."""
        return f"{self.part}.{self.key}.{self.step + 1}"


_PARTS: Final = ("overdue", "others", "gone")
_GONE: Final = 2


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the list. ``following`` is where the next one goes on; blank: that was all."""

    grants: tuple[GrantReview, ...]
    following: str


@dataclass(frozen=True, slots=True)
class GrantList:
    """A list of grants, read when it is walked. ``as_of`` is None for one of now."""

    as_of: datetime | None
    now: datetime
    due: Due
    environments: tuple[Environment, ...] = ()
    api_groups: tuple[ApiGroup, ...] = ()
    front_ends: tuple[FrontEnd, ...] = ()
    statuses: tuple[str, ...] = ()
    due_only: bool = False
    counts: bool = True
    block: int = BLOCK
    _cut: Cut = field(default_factory=Cut)

    @property
    def moment(self) -> datetime:
        """As of when it is, aware."""
        return _aware_of(self.as_of or self.now)

    def __iter__(self) -> Iterator[GrantReview]:
        for block in self.walk():
            yield from block

    def walk(self) -> Iterator[list[GrantReview]]:
        """Yield the grants block by block; blocks may be empty where a filter left nothing of them."""
        for found, _last in self.walk_from(Place()):
            yield found

    def page(self, size: int, after: str = "") -> Page:
        """Return the next ``size`` grants behind ``after``; raises InvalidRequest for what is no place in a list."""
        begin = Place.read(after) if after else Place()
        if begin is None:
            raise InvalidRequest(_("That is no place in this list: begin again."))
        found: list[GrantReview] = []
        examined = 0
        block = min(BLOCK, max(2 * size, 200) if self._sorts_out_here else size + 1)
        for some, last in replace(self, block=block).walk_from(begin):
            found += some
            examined += block
            if len(found) > size:
                return Page(tuple(found[:size]), found[size - 1].position)
            if examined >= MAX_EXAMINED:
                return Page(tuple(found), last.write())
        return Page(tuple(found), "")

    def list_caveats(self) -> list[Caveat]:
        """Return what the list as a whole cannot tell. A few queries, for a moment that has gone."""
        found = [Caveat(Limit.USE_KEPT_SINCE, _word(_use_known_since()))]
        if self.as_of is None:
            return found
        found.insert(0, Caveat(Limit.FRONT_ENDS_TODAY))
        first = PolicyChange.objects.using(alias()).aggregate(at=Min("at"))["at"]
        if first is None or first > self.as_of:
            found.append(Caveat(Limit.STORY_BEGINS, _word(first or self.now)))
        unnamed = Sweeps.read(self._cut).unnamed
        if unnamed:
            found.append(Caveat(Limit.UNNAMED_DELETIONS, str(unnamed)))
        if self._cut.doubtful is not None:
            found.append(Caveat(Limit.CLOCKS_DISAGREE))
        return found

    @property
    def _sorts_out_here(self) -> bool:
        """Whether the database leaves some to be sorted out here."""
        return bool(self.statuses) or self.as_of is not None

    def walk_from(self, begin: Place) -> Iterator[tuple[list[GrantReview], Place]]:
        """Yield blocks of what lies behind ``begin``, each with the place behind which the next one begins."""
        reader = _Reader.open(self)
        for part, is_overdue in enumerate((True, False)):
            if begin.part > part:
                continue
            last = begin.key if begin.part == part else 0
            rows = self._select(is_overdue=is_overdue)
            while block := list(rows.filter(pk__gt=last)[: self.block]):
                last = block[-1].pk
                yield self._sort_out(reader.describe(block, part)), Place(part, last)
                if len(block) < self.block:
                    break
        if self.as_of is not None:
            yield from self._walk_gone(reader, begin if begin.part == _GONE else Place(_GONE))

    def _select(self, *, is_overdue: bool) -> QuerySet[TrustedOrigin]:
        rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias())
        rows = rows.select_related("environment", "api_group", "front_end").order_by("pk")
        overdue = Q(front_end__review_by__lt=self.due.today)
        rows = rows.filter(overdue) if is_overdue else rows.exclude(overdue)
        if self.environments:
            rows = rows.filter(environment__in=self.environments)
        if self.api_groups:
            rows = rows.filter(api_group__in=self.api_groups)
        return self._select_now(rows) if self.as_of is None else rows

    def _select_now(self, rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
        """What the database can tell of the rows as they are."""
        if self.front_ends:
            rows = rows.filter(front_end__in=self.front_ends)
        if self.due_only:
            rows = self.due.narrow(rows)
        if self.statuses and Status.REVOKED.value not in self.statuses:
            rows = rows.filter(revoked_at=None)
        return rows

    def _walk_gone(self, reader: _Reader, begin: Place) -> Iterator[tuple[list[GrantReview], Place]]:
        """Those that were there then, and were deleted since."""
        left = self._list_gone(begin)
        while block := list(islice(left, self.block)):
            yield self._sort_out(reader.describe_gone(block)), block[-1][1]

    def _list_gone(self, begin: Place) -> Iterator[tuple[str, Place]]:
        for change, names in list_deletions(self._cut, begin.key):
            for index, target in enumerate(names):
                if (change.pk, index) > (begin.key, begin.step):
                    yield target, Place(_GONE, change.pk, index)

    def _sort_out(self, found: Iterable[GrantReview]) -> list[GrantReview]:
        return [grant for grant in found if self._is_wanted(grant)]

    def _is_wanted(self, grant: GrantReview) -> bool:
        return (
            (not self.environments or grant.environment in {row.slug for row in self.environments})
            and (not self.api_groups or grant.api_group in {row.slug for row in self.api_groups})
            and (
                not self.front_ends
                or Unsure.FRONT_END in grant.unsure
                or grant.front_end in {row.slug for row in self.front_ends}
            )
            and (not self.statuses or grant.status in self.statuses)
            and (not self.due_only or bool(grant.due))
        )


def list_grants(
    as_of: datetime | None = None,
    *,
    environments: Iterable[Environment] = (),
    api_groups: Iterable[ApiGroup] = (),
    front_ends: Iterable[FrontEnd] = (),
    statuses: Iterable[str] = (),
    due_only: bool = False,
    older_than: int = OLDER_THAN,
    counts: bool = True,
) -> GrantList:
    """Return every grant as of a moment (None: now), to be walked; filters that name nothing leave all in.

    Without ``counts`` the uses are not added up, which spares reading their rows. Raises InvalidRequest for a moment
    that is still to come.
    """
    now = timezone.now()
    if as_of is not None:
        if settings.USE_TZ and timezone.is_naive(as_of):
            raise InvalidRequest(_("Give the moment with its time zone."))
        as_of = timezone.make_naive(as_of) if not settings.USE_TZ and timezone.is_aware(as_of) else as_of
        if as_of > now:
            raise InvalidRequest(_("That moment is still to come: nobody knows what will be trusted then."))
    return GrantList(
        as_of=as_of,
        now=now,
        due=Due(as_of or now, older_than),
        environments=tuple(environments),
        api_groups=tuple(api_groups),
        front_ends=tuple(front_ends),
        statuses=tuple(statuses),
        due_only=due_only,
        counts=counts,
        _cut=Cut.find(as_of, now),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One grant that was there: its names, its state, its trail, its row if that is still there, and its place."""

    environment: str
    api_group: str
    origin: str
    state: State
    trail: Trail
    row: TrustedOrigin | None
    place: Place


@dataclass(frozen=True, slots=True)
class _Reader:
    """Describes blocks of grants as of one moment."""

    of: GrantList
    rules: Rules
    sweeps: Sweeps

    @classmethod
    def open(cls, of: GrantList) -> _Reader:
        """Read what all blocks need."""
        return cls(of, Rules.read(of._cut), Sweeps.read(of._cut))  # noqa: SLF001 - the list's own

    @property
    def cut(self) -> Cut:
        """The moment in the story."""
        return self.of._cut  # noqa: SLF001 - as above

    def describe(self, rows: Sequence[TrustedOrigin], part: int) -> list[GrantReview]:
        """Describe rows that are there now."""
        named = {row.target()[:512]: row for row in rows}
        trails = read_trails({target: row.pk for target, row in named.items()}, self.cut)
        evidence = Evidence.collect(trails, self.cut, self.sweeps) if self.of.as_of is not None else None
        cases = []
        for target, row in named.items():
            state = evidence.find_state(target, row) if evidence is not None else state_now(row)
            if state is not None and self._was_renamed(row):
                state = state.doubted()
            if state is not None:
                place = Place(part, row.pk)
                names = (row.environment.slug, row.api_group.slug, row.origin)
                # What was made anew since is another row, with an id and uses of its own.
                there = None if trails[target].readded or trails[target].may_have_been_absent else row
                cases.append(_Case(*names, state, trails[target], there, place))
        return self._finish(cases)

    def _was_renamed(self, row: TrustedOrigin) -> bool:
        """Whether its environment or group had another slug, under which the story tells what was done to it."""
        then = (self.rules.environments.get(row.environment_id), self.rules.groups.get(row.api_group_id))
        slugs = (row.environment.slug, row.api_group.slug)
        return any(place is not None and place.slug != slug for place, slug in zip(then, slugs, strict=True))

    def describe_gone(self, named: Sequence[tuple[str, Place]]) -> list[GrantReview]:
        """Describe grants that were deleted since; those that are there again were told with their rows."""
        first = dict(reversed(named))
        there = self._find_there(first)
        trails = read_trails(dict.fromkeys(target for target in first if target not in there), self.cut)
        # One that was made anew after the moment, before it was deleted, is another grant.
        trails = {
            target: trail
            for target, trail in trails.items()
            if trail.readded is None or trail.readded > first[target].key
        }
        evidence = Evidence.collect(trails, self.cut, self.sweeps)
        cases = []
        for target, trail in trails.items():
            state = evidence.find_state(target, None, first[target].key)
            parts = target.removeprefix(PREFIX).split("/", 2)
            if state is not None and len(parts) == 3:  # noqa: PLR2004 - environment, API group, origin
                cases.append(_Case(parts[0], parts[1], parts[2], state, trail, None, first[target]))
        return sorted(self._finish(cases), key=lambda grant: Place.read(grant.position) or Place())

    def _find_there(self, targets: Iterable[str]) -> set[str]:
        origins = {target.removeprefix(PREFIX).split("/", 2)[-1] for target in targets}
        rows = TrustedOrigin.objects.using(alias()).filter(origin__in=origins)
        return {name_target(*found) for found in rows.values_list("environment__slug", "api_group__slug", "origin")}

    def _finish(self, cases: Sequence[_Case]) -> list[GrantReview]:
        owners = self._find_front_ends(cases)
        users = _find_users(cases)
        uses = UseBefore.read([case.row.pk for case in cases if case.row], self.of.due.now, counts=self.of.counts)
        reasons = read_reasons(case.trail.opened.pk for case in cases if case.trail.opened is not None)
        return [self._finish_one(case, owners, users, uses, reasons) for case in cases]

    def _find_front_ends(self, cases: Iterable[_Case]) -> dict[int, FrontEnd]:
        keys = {key for case in cases if (key := case.state.values.get("front_end")) is not None}
        known = {case.row.front_end.pk: case.row.front_end for case in cases if case.row and case.row.front_end}
        missing = keys - set(known)
        if missing:
            known |= {row.pk: row for row in FrontEnd.objects.using(alias()).filter(pk__in=missing)}
        return known

    def _finish_one(
        self,
        case: _Case,
        owners: Mapping[int, FrontEnd],
        users: Mapping[Any, str],
        uses: UseBefore,
        reasons: Mapping[int, str],
    ) -> GrantReview:
        values, trail, unsure = case.state.values, case.trail, list(case.state.unsure)
        status = self._judge(case, unsure)
        owner = owners.get(values.get("front_end") or 0)
        if values.get("front_end") is not None and owner is None:
            unsure.append(Unsure.FRONT_END)
        if owner is not None and self.of.as_of is not None:
            unsure.append(Unsure.FRONT_END_DETAILS)
        opened, reason, trusted_by = self._say_opening(case, users, reasons, unsure)
        reviewed_at = values.get("reviewed_at")
        is_changed = reviewed_at is not None and self._is_changed(case)
        created = values.get("created_at")
        last, count = self._say_use(case, uses, unsure)
        dates = Dates(created, reviewed_at, owner.review_by if owner else None, values["managed_by"], is_changed)
        parsed = parse_canonical(case.origin)
        is_reinstated = opened is not None and opened.action == REINSTATED
        return GrantReview(
            id=case.row.pk if case.row is not None else None,
            environment=case.environment,
            api_group=case.api_group,
            origin=case.origin,
            unicode=parsed.unicode if parsed is not None else show(case.origin),
            status=status,
            front_end=owner.slug if owner else "",
            front_end_name=owner.name if owner else "",
            owner=owner.owner if owner else "",
            contact=owner.contact if owner else "",
            external=owner.external if owner else None,
            review_by=owner.review_by if owner else None,
            note=values["note"],
            reason=reason,
            trusted_at=_aware(created),
            trusted_by=trusted_by,
            reinstated_at=_aware(opened.at) if is_reinstated and opened is not None else None,
            reinstated_by=opened.label if is_reinstated and opened is not None else "",
            age_days=max((self.of.due.now - created).days, 0) if created is not None else None,
            expires_at=_aware(values.get("expires_at")),
            revoked_at=_aware(values.get("revoked_at")),
            revoked_by=_label(users, values.get("revoked_by"), trail.revoker) if values.get("revoked_at") else "",
            revoke_reason=values.get("revoke_reason") or "",
            last_used=_aware(last),
            uses=count,
            reviewed_at=_aware(reviewed_at),
            reviewed_by=_say_reviewer(trail, users, values) if reviewed_at is not None else "",
            is_changed=is_changed,
            due=self.of.due.judge(dates) if self._stands(status, values) else (),
            managed_by=values["managed_by"],
            unsure=tuple(dict.fromkeys(unsure)),
            position=case.place.write(),
        )

    def _stands(self, status: str, values: Mapping[str, Any]) -> bool:
        """Whether there is anything to review. What is switched off may come back; what has run out does not."""
        ends = values.get("expires_at")
        return status in STANDING and (ends is None or ends > self.of.due.now)

    def _judge(self, case: _Case, unsure: list[Unsure]) -> str:
        """Return what the grant was worth, by the rules of that moment."""
        values = case.state.values
        if not case.state.is_known or Unsure.EXISTENCE in unsure:
            return UNKNOWN
        environment = self.rules.environments_by_slug.get(case.environment)
        group = self.rules.groups_by_slug.get(case.api_group)
        if case.row is not None:
            environment = self.rules.environments.get(case.row.environment_id, environment)
            group = self.rules.groups.get(case.row.api_group_id, group)
        if values.get("revoked_at") is not None:
            return Status.REVOKED.value
        if environment is None or group is None or not self.rules.is_sure:
            unsure.append(Unsure.RULES)
            return UNKNOWN
        grant = TrustedOrigin(environment=environment, api_group=group, origin=case.origin)
        grant.expires_at = values.get("expires_at")
        return grant.status(self.of.due.now).value

    def _say_opening(
        self, case: _Case, users: Mapping[Any, str], reasons: Mapping[int, str], unsure: list[Unsure]
    ) -> tuple[Any, str, str]:
        """Return the entry that opened the grant last, why, and who trusted it at first."""
        opened, added = case.trail.opened, case.trail.added
        by = _label(users, case.state.values.get("created_by"), added.label if added is not None else "")
        if opened is not None and self.cut.is_doubtful(opened.pk):
            unsure.append(Unsure.REASON)
            return None, "", by
        if opened is not None:
            return opened, reasons.get(opened.pk, ""), by
        stamp = case.row.revision if case.row is not None else None
        target = name_target(case.environment, case.api_group, case.origin)
        sweep = self.sweeps.find_addition(target, stamp)
        if sweep is None:
            unsure.append(Unsure.REASON)
            return None, "", by
        return None, sweep.reason, by or sweep.label

    def _is_changed(self, case: _Case) -> bool:
        """Whether it was written since its review. Each write of the policy stamps the row."""
        mark = case.trail.reviewed
        if self.of.as_of is None and case.row is not None:
            return mark is None or mark.revision != case.row.revision
        return case.trail.before is None or case.trail.before.action != REVIEWED

    def _say_use(self, case: _Case, uses: UseBefore, unsure: list[Unsure]) -> tuple[datetime | None, int | None]:
        row = case.row
        group = self.rules.groups.get(row.api_group_id) if row is not None else None
        is_open = group is not None and group.any_origin
        if row is None or is_open or self.of.due.now <= kept_since():
            unsure.append(Unsure.USE)
            return None, None
        return uses.last.get(row.pk), uses.count.get(row.pk, 0) if self.of.counts else None


def _find_users(cases: Iterable[_Case]) -> dict[Any, str]:
    names = ("created_by", "revoked_by", "reviewed_by")
    keys = {key for case in cases for name in names if (key := case.state.values.get(name)) is not None}
    if not keys:
        return {}
    model = get_user_model()
    return {user.pk: user.get_username() for user in model._base_manager.filter(pk__in=keys)}


def _label(users: Mapping[Any, str], key: Any, told: str) -> str:
    """Return the name of a user; of one that has gone, what the story called him."""
    return users.get(key) or told


def _say_reviewer(trail: Trail, users: Mapping[Any, str], values: Mapping[str, Any]) -> str:
    return _label(users, values.get("reviewed_by"), trail.reviewed.label if trail.reviewed is not None else "")


def _aware(moment: datetime | None) -> datetime | None:
    return _aware_of(moment) if moment is not None else None


def _aware_of(moment: datetime) -> datetime:
    """Without USE_TZ the database has moments in the project's zone."""
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_default_timezone())


def _word(moment: datetime) -> str:
    return f"{_aware_of(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _use_known_since() -> datetime:
    """Return since when use is known: as long as it is kept, but no longer than there has been anything to use."""
    began = PolicyChange.objects.using(alias()).order_by("pk").values_list("at", flat=True).first()
    return max(kept_since(), began) if began is not None else kept_since()
