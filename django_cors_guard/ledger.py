"""How rollups become rows: exact totals with several writers, bounded rows, and no batch lost to one bad row."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple

from django.db import DataError, IntegrityError, connections, router, transaction
from django.db.models import BigIntegerField, Case, CharField, Count, DateTimeField, F, Field, JSONField, Value, When
from django.db.models.functions import Cast, Now
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.core.networks import network_of
from django_cors_guard.core.origins import pattern_candidates
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.differences import Answers, DifferenceKey, count_budget, row_of
from django_cors_guard.models import (
    GuardProcess,
    OriginUsage,
    ParityDifference,
    RejectedOrigin,
    Rejection,
    RejectionTally,
    TrustedOrigin,
)
from django_cors_guard.models.rejection import MAX_STORED, CardStatus, add_to_trend, card_key
from django_cors_guard.models.tally import tally_key
from django_cors_guard.presence import as_moment, presence
from django_cors_guard.signals import announce, rejection_recorded

logger: Final = logging.getLogger("django_cors_guard.recorder")

MAX_TEXT: Final = MAX_STORED
CHUNK: Final = 100
HOUR: Final = timedelta(hours=1)
#: One client network gets at most this part of the rows of an hour.
NETWORK_SHARE: Final = 10

LOOPBACK_NETWORKS: Final = frozenset({"127.0.0.0/24", "::/48"})

#: Refusals that say something of the origin itself; they take a card back to *new* once its grant has ended.
ORIGIN_REASONS: Final = frozenset(
    {
        Reason.UNKNOWN_ORIGIN,
        Reason.REVOKED,
        Reason.EXPIRED,
        Reason.SWITCHED_OFF,
        Reason.OTHER_ENVIRONMENT,
        Reason.OTHER_GROUP,
    }
)

#: Refusals that no grant could cure: there is no policy to put it into, or no origin to grant anything.
CARDLESS: Final = frozenset({Reason.NO_POLICY, Reason.CROSS_SITE})


class RefusalKey(NamedTuple):
    """What refusals are added up by."""

    environment: str
    group: str
    mode: Mode | str
    origin: str
    reason: Reason
    kind: Kind | str
    method: str
    path: str
    overflow: bool = False

    def as_overflow(self) -> RefusalKey:
        """Return the key under which everything of this group and reason goes that exceeds the bounds."""
        return RefusalKey(self.environment, self.group, self.mode, "", self.reason, "", "", "", overflow=True)

    @property
    def makes_card(self) -> bool:
        """Whether there is an origin to triage; nobody can be trusted on the guard's own paths."""
        return bool(self.group) and self.group != OWN_GROUP and not self.overflow and self.reason not in CARDLESS


class UseKey(NamedTuple):
    """What uses are added up by."""

    environment: str
    group: str
    origin: str
    method: str

    def as_overflow(self) -> UseKey:
        """Return the key that counts what exceeds the bound."""
        return UseKey(self.environment, self.group, "", "")


Key = RefusalKey | UseKey | DifferenceKey


class Entry(NamedTuple):
    """One rollup that is due. Times are in seconds since the epoch."""

    key: Key
    times: int
    first: float
    last: float
    network: str = ""
    client: str = ""
    user_agent: str = ""
    answers: Answers | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Entries that are written in one transaction, or none of them."""

    entries: tuple[Entry, ...]


def cut(entries: Sequence[Entry]) -> list[Batch]:
    """Return ``entries`` in batches small enough that their locks are short."""
    return [Batch(tuple(entries[start : start + CHUNK])) for start in range(0, len(entries), CHUNK)]


class Writer:
    """Writes batches for one process."""

    def __init__(self) -> None:
        self._identity = presence.claim()
        self._seq = 0
        self._tried: tuple[Batch, int] | None = None
        self._rows: list[Rejection] = []
        self._network_rows: dict[str, int] = {}
        self._hour_began = 0.0

    def write(self, batch: Batch) -> list[Batch]:
        """Write ``batch`` once, whatever became of earlier tries, and return what has to be written in its place.

        That is nothing, or, where the database refused it for its data, its halves; a bad entry by itself comes back
        as a bare count. Raises if the database is away.
        """
        using = router.db_for_write(Rejection)
        if self._tried is not None and self._tried[0] is batch and self._got_through(self._tried[1], using):
            self._tried = None
            _announce(self._rows, using)
            return []
        self._seq += 1
        self._tried = (batch, self._seq)
        try:
            self._write_chunk(batch.entries, using)
        except (DataError, IntegrityError, ValueError) as error:
            # Refused for its data. Anything else is the database's state, and waits until that is over.
            self._tried = None
            return _split(batch, error)
        self._tried = None
        return []

    def _got_through(self, seq: int, using: str) -> bool:
        """Whether the try numbered ``seq`` was committed although its reply was lost."""
        return GuardProcess.objects.using(using).filter(pk=self._identity.id, flush_seq__gte=seq).exists()

    def _write_chunk(self, entries: Sequence[Entry], using: str) -> None:
        refusals = _refine([entry for entry in entries if isinstance(entry.key, RefusalKey)], using)
        uses = [entry for entry in entries if isinstance(entry.key, UseKey)]
        cards = _add_up_cards(refusals)
        tallies = _add_up_tallies(refusals)
        _ensure_cards(cards, using)
        _ensure_tallies(tallies, using)
        self._rows = rows = [_rejection(entry) for entry in refusals]
        with transaction.atomic(using=using):
            Rejection.objects.using(using).bulk_create(rows)
            _count_cards(cards, using)
            OriginUsage.objects.using(using).bulk_create(_usages(uses, using))
            ParityDifference.objects.using(using).bulk_create(_differences(entries))
            # Last, for every process counts on the same few: their locks are held for the shortest time.
            _count_tallies(tallies, using)
            self._sign(using)
            # Only after the commit, and in the transaction of a request only after that one's.
            transaction.on_commit(partial(_announce, rows, using), using=using, robust=True)

    def _sign(self, using: str) -> None:
        who = self._identity
        GuardProcess.put(using, who.id, {"flush_seq": self._seq}, birth=who.birth())
        presence.remember(who, using)

    def keep_budget(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Return what may be written as it is, and as overflow what exceeds the rows of an hour.

        Every bound is counted over the rows of every process. Raises if the database is away; then nothing has been
        decided.
        """
        differences = [entry for entry in entries if isinstance(entry.key, DifferenceKey)]
        kept, surplus = self._keep_refusals([entry for entry in entries if not isinstance(entry.key, DifferenceKey)])
        more, exceeding = _keep_differences(differences)
        return [*kept, *more], [*surplus, *exceeding]

    def _keep_refusals(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Both bounds, of all and of one network; what is no refusal has none here."""
        if not any(_takes_budget(entry) for entry in entries):
            return list(entries), []
        rows_per_hour = conf.current().audit_rows_per_hour
        written = self._count_last_hour()
        left = rows_per_hour - sum(written.values())
        networks = self._network_rows if conf.current().audit_client_ip == "none" else written
        share = max(rows_per_hour // NETWORK_SHARE, 1)
        kept: list[Entry] = []
        surplus: list[Entry] = []
        for entry in entries:
            if not _takes_budget(entry):
                kept.append(entry)
            elif left <= 0 or (has_share(entry.network) and networks.get(entry.network, 0) >= share):
                surplus.append(as_overflow(entry))
            else:
                left -= 1
                networks[entry.network] = networks.get(entry.network, 0) + 1
                kept.append(entry)
        return kept, merge(surplus)

    def _count_last_hour(self) -> dict[str, int]:
        """Return how many rows the last hour has, by the network of their client as far as it was stored."""
        if monotonic() - self._hour_began > HOUR.total_seconds():
            self._network_rows, self._hour_began = {}, monotonic()
        recent = Rejection.objects.using(router.db_for_write(Rejection))
        recent = recent.filter(last_seen__gt=timezone.now() - HOUR, overflow=False)
        written: dict[str, int] = {}
        for client, rows in recent.values_list("client_ip").annotate(rows=Count("pk")).order_by():
            network = network_of(client) or client
            written[network] = written.get(network, 0) + rows
        return written


def has_share(network: str) -> bool:
    """Whether ``network`` tells clients apart; behind a proxy that is not told to the guard, it is all of them."""
    return bool(network) and network not in LOOPBACK_NETWORKS


def _takes_budget(entry: Entry) -> bool:
    return isinstance(entry.key, RefusalKey) and not entry.key.overflow


def _keep_differences(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Differences have a budget of their own, so that neither they nor refusals crowd the other out."""
    plain = [entry for entry in entries if isinstance(entry.key, DifferenceKey) and not entry.key.overflow]
    left = max(count_budget(), 0) if plain else 0
    overflow = [entry for entry in entries if isinstance(entry.key, DifferenceKey) and entry.key.overflow]
    return [*plain[:left], *overflow], merge(as_overflow(entry) for entry in plain[left:])


def _announce(rows: Iterable[Rejection], using: str) -> None:
    for row in rows:
        announce(rejection_recorded, Rejection, row.as_event, rejection=row, using=using)


def _split(batch: Batch, error: Exception) -> list[Batch]:
    """Find the bad entry by halves instead of losing its neighbours."""
    entries = batch.entries
    if len(entries) > 1:
        middle = len(entries) // 2
        return [Batch(entries[:middle]), Batch(entries[middle:])]
    if not entries or entries[0] == as_overflow(entries[0]):
        logger.error("Even a bare count could not be stored (%s); it is lost.", error)
        return []
    logger.warning("An entry of the audit log could not be stored (%s); it is counted as overflow.", error)
    return [Batch((as_overflow(entries[0]),))]


def as_overflow(entry: Entry) -> Entry:
    """Return ``entry`` as a count alone, without anything its sender chose."""
    key = entry.key
    return Entry(key.as_overflow(), entry.times, entry.first, entry.last)


def merge(entries: Iterable[Entry]) -> list[Entry]:
    """Add up the entries that share a key."""
    merged: dict[Key, Entry] = {}
    for entry in entries:
        other = merged.get(entry.key, entry._replace(times=0))
        merged[entry.key] = entry._replace(
            times=entry.times + other.times, first=min(entry.first, other.first), last=max(entry.last, other.last)
        )
    return list(merged.values())


def _refine(entries: list[Entry], using: str) -> list[Entry]:
    """Say *other group* or *other environment* where that is why: the request path could not know it without I/O."""
    unknown = {e.key.origin for e in entries if isinstance(e.key, RefusalKey) and e.key.reason == Reason.UNKNOWN_ORIGIN}
    unknown.discard("")
    if not unknown:
        return entries
    places = _find_active_places(unknown, using)
    return [_refined(entry, places) for entry in entries]


#: (environment, group) pairs by origin.
_Places = dict[str, set[tuple[str, str]]]


def _find_active_places(origins: Iterable[str], using: str) -> _Places:
    places: _Places = {}
    grants = TrustedOrigin.objects.using(using).active().filter(origin__in=list(origins))
    for origin, environment, group in grants.values_list("origin", "environment__slug", "api_group__slug"):
        places.setdefault(origin, set()).add((environment, group))
    return places


def _refined(entry: Entry, places: _Places) -> Entry:
    key = entry.key
    if not isinstance(key, RefusalKey) or key.reason != Reason.UNKNOWN_ORIGIN or key.origin not in places:
        return entry
    found = places[key.origin]
    if (key.environment, key.group) in found:
        return entry  # trusted since: when it was refused, nobody had
    here = key.environment in {environment for environment, _ in found}
    return entry._replace(key=key._replace(reason=Reason.OTHER_GROUP if here else Reason.OTHER_ENVIRONMENT))


def _rejection(entry: Entry) -> Rejection:
    key = entry.key
    assert isinstance(key, RefusalKey)  # noqa: S101 - narrows the type; the caller has sorted them
    return Rejection(
        environment=key.environment,
        api_group=key.group,
        mode=str(key.mode),
        origin=key.origin,
        reason=str(key.reason),
        kind=str(key.kind),
        method=key.method,
        path=key.path,
        count=entry.times,
        first_seen=as_moment(entry.first),
        last_seen=as_moment(entry.last),
        client_ip=entry.client,
        user_agent=entry.user_agent,
        overflow=key.overflow,
    )


class _Card(NamedTuple):
    environment: str
    api_group: str
    origin: str
    times: int
    first: float
    last: float
    reason: Reason
    days: Mapping[date, int]


def _day_of(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, tz=UTC).date()


def _date_of(moment: datetime) -> date:
    """The day of what the database returned; without USE_TZ it may be off by one."""
    return moment.astimezone(UTC).date() if timezone.is_aware(moment) else moment.date()


def _add_up_cards(entries: Iterable[Entry]) -> dict[str, _Card]:
    cards: dict[str, _Card] = {}
    for entry in entries:
        key = entry.key
        if not isinstance(key, RefusalKey) or not key.makes_card:
            continue
        digest = card_key(key.environment, key.group, key.origin)
        days = {_day_of(entry.last): entry.times}
        card = _Card(key.environment, key.group, key.origin, entry.times, entry.first, entry.last, key.reason, days)
        other = cards.get(digest)
        if other is not None:
            latest = card if card.last >= other.last else other
            days = {day: card.days.get(day, 0) + other.days.get(day, 0) for day in {*card.days, *other.days}}
            card = latest._replace(times=card.times + other.times, first=min(card.first, other.first), days=days)
        cards[digest] = card
    return dict(sorted(cards.items()))


def _ensure_cards(cards: dict[str, _Card], using: str) -> None:
    """Insert the missing cards with count 0, so that counting is an update alone, which adds up under any writer."""
    known = set(RejectedOrigin.objects.using(using).filter(key__in=cards).values_list("key", flat=True))
    missing = [
        RejectedOrigin(
            environment=card.environment,
            api_group=card.api_group,
            origin=card.origin,
            key=digest,
            first_seen=as_moment(card.first),
            last_seen=as_moment(card.last),
        )
        for digest, card in cards.items()
        if digest not in known
    ]
    RejectedOrigin.objects.using(using).bulk_create(missing, ignore_conflicts=True)


def _count_cards(cards: dict[str, _Card], using: str) -> None:
    if not cards:
        return
    rows = RejectedOrigin.objects.using(using).filter(key__in=cards)
    # In key order, so that two flushes wait for each other instead of locking each other out.
    held = rows.order_by("key").select_for_update()
    locked = [_Held(*values) for values in held.values_list("key", "recent", "last_seen", Now())]
    again = _find_ended(cards, using)
    latest = {row.key: cards[row.key] for row in locked if not row.is_later_than(cards[row.key])}
    # MariaDB assigns from left to right and reads what it has just assigned: the status comes last.
    rows.update(
        count=F("count") + _case(cards, "times", BigIntegerField(), Value(0)),
        recent=_json_case({row.key: row.add_days(cards[row.key]) for row in locked}, using),
        last_seen=_case(latest, "last", DateTimeField(), F("last_seen")),
        last_reason=_case(latest, "reason", CharField(), F("last_reason")),
        **(_reopening(again) if again else {}),
    )


class _Held(NamedTuple):
    """A card's row, locked, and what time it is by the database: the one clock that all writers share."""

    key: str
    recent: Any
    last_seen: datetime
    now: datetime

    def add_days(self, card: _Card) -> dict[str, int]:
        return add_to_trend(self.recent, card.days, _date_of(self.now))

    def is_later_than(self, card: _Card) -> bool:
        """Whether somebody has written of a later refusal already; one that lies ahead of us is none."""
        is_ahead = _date_of(self.last_seen) > _date_of(self.now) + timedelta(days=1)
        return not is_ahead and self.last_seen > as_moment(card.last)


def _reopening(keys: list[str]) -> dict[str, Any]:
    """Take trusted cards among ``keys`` back to new; nobody did that, so nobody's name stays on them."""
    ended = When(key__in=keys, status=CardStatus.TRUSTED, then=Value(None))
    status = When(key__in=keys, status=CardStatus.TRUSTED, then=Value(CardStatus.NEW.value))
    return {
        "status_by": Case(ended, default=F("status_by"), output_field=RejectedOrigin._meta.get_field("status_by")),
        "status_at": Case(ended, default=F("status_at"), output_field=DateTimeField()),
        "status": Case(status, default=F("status"), output_field=CharField()),
    }


def _find_ended(cards: dict[str, _Card], using: str) -> list[str]:
    """The cards whose origin was refused for itself and has no grant now: repeats may be older than a grant."""
    refused = {digest: card for digest, card in cards.items() if card.reason in ORIGIN_REASONS}
    places = _find_active_places({card.origin for card in refused.values()}, using) if refused else {}
    return [
        digest
        for digest, card in refused.items()
        if (card.environment, card.api_group) not in places.get(card.origin, set())
    ]


def _case(cards: dict[str, _Card], name: str, output: Field[Any, Any], default: F | Value) -> Case:
    def value(card: _Card) -> int | str | datetime:
        found = getattr(card, name)
        return as_moment(found) if name == "last" else str(found) if name == "reason" else found

    whens = [When(key=digest, then=Value(value(card), output_field=output)) for digest, card in cards.items()]
    return Case(*whens, default=default, output_field=output)


def _json_case(values: Mapping[str, Any], using: str) -> Case | Cast | F:
    output = JSONField()
    if not values:
        return F("recent")
    case = Case(
        *(When(key=digest, then=Value(value, output_field=output)) for digest, value in values.items()),
        default=F("recent"),
        output_field=output,
    )
    needs_cast = connections[using].features.requires_casted_case_in_updates
    return Cast(case, output_field=output) if needs_cast else case


class _Tally(NamedTuple):
    hour: datetime
    environment: str
    api_group: str
    reason: str
    times: int


def _add_up_tallies(entries: Iterable[Entry]) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    for entry in entries:
        key = entry.key
        if not isinstance(key, RefusalKey):
            continue
        hour = datetime.fromtimestamp(entry.last, tz=UTC).replace(minute=0, second=0, microsecond=0)
        digest = tally_key(hour, key.environment, key.group, str(key.reason))
        other = tallies.get(digest)
        times = entry.times + (other.times if other is not None else 0)
        tallies[digest] = _Tally(hour, key.environment, key.group, str(key.reason), times)
    return dict(sorted(tallies.items()))


def _ensure_tallies(tallies: dict[str, _Tally], using: str) -> None:
    """As with cards: insert the missing ones with count 0, so that counting is an update alone."""
    known = set(RejectionTally.objects.using(using).filter(key__in=tallies).values_list("key", flat=True))
    missing = [
        RejectionTally(
            key=digest,
            hour=as_moment(tally.hour.timestamp()),
            environment=tally.environment,
            api_group=tally.api_group,
            reason=tally.reason,
        )
        for digest, tally in tallies.items()
        if digest not in known
    ]
    RejectionTally.objects.using(using).bulk_create(missing, ignore_conflicts=True)


def _count_tallies(tallies: dict[str, _Tally], using: str) -> None:
    if not tallies:
        return
    rows = RejectionTally.objects.using(using).filter(key__in=tallies)
    list(rows.order_by("key").select_for_update().values_list("pk", flat=True))
    whens = [When(key=digest, then=Value(tally.times)) for digest, tally in tallies.items()]
    rows.update(count=F("count") + Case(*whens, output_field=BigIntegerField()))


def _differences(entries: Iterable[Entry]) -> list[ParityDifference]:
    return [
        row_of(entry.key, entry.answers, times=entry.times, first=as_moment(entry.first), last=as_moment(entry.last))
        for entry in entries
        if isinstance(entry.key, DifferenceKey)
    ]


def _usages(entries: list[Entry], using: str) -> list[OriginUsage]:
    keys = [entry.key for entry in entries if isinstance(entry.key, UseKey)]
    grants = _find_grants(keys, using) if keys else {}
    return [
        OriginUsage(
            trusted_origin_id=grants.get(key),
            origin=key.origin,
            method=key.method[:64],
            count=entry.times,
            first_seen=as_moment(entry.first),
            last_seen=as_moment(entry.last),
        )
        for entry, key in zip(entries, keys, strict=True)
    ]


def _find_grants(keys: list[UseKey], using: str) -> dict[UseKey, int]:
    """Return the ids of the grants that let ``keys`` in: the exact row, else the most specific pattern."""
    wanted = {key: [key.origin, *pattern_candidates(key.origin)] for key in keys if key.origin}
    texts = {text for candidates in wanted.values() for text in candidates}
    rows = TrustedOrigin.objects.using(using).filter(origin__in=texts)
    ids = {
        (environment, group, origin): pk
        for pk, environment, group, origin in rows.values_list("pk", "environment__slug", "api_group__slug", "origin")
    }
    found: dict[UseKey, int] = {}
    for key, candidates in wanted.items():
        for text in candidates:
            pk = ids.get((key.environment, key.group, text))
            if pk is not None:
                found[key] = pk
                break
    return found
