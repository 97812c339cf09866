"""What grants are worth, as conditions of the database: exactly the rows that ``TrustedOrigin.status`` names so.

Whether a row is switched off follows from its spelling and from the safety rules of its environment. The rules speak of
the shape of an origin, which a database can see in a canonical one; what is not canonical is switched off whatever the
rules say, and is found by the one parser there is: the database hands over only what it cannot vouch for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.authority import MAX_LABEL_LENGTH
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.core.policy import CLOCK_SLACK
from django_cors_guard.models import Environment, OriginUsage, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status

#: Grants that end within so long are said to expire soon.
SOON: Final = timedelta(days=14)
#: Grants are worth a look that were not used for so long.
UNUSED: Final = timedelta(days=90)

# Regular expressions that SQLite (Python's), PostgreSQL and MariaDB (PCRE) all read alike.
_NAME: Final = "([a-z0-9_-]+[.])*[a-z][a-z0-9_-]*"
_PORT: Final = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
_PLAIN: Final = f"^https?://{_NAME}{_PORT}$"
#: Where the whole host is no longer than one label may be, no label is too long.
_SHORT: Final = len("http://") + MAX_LABEL_LENGTH

_LOOPBACK: Final = (
    "^https?://("
    "([*][.])?([a-z0-9_-]+[.])*localhost"
    "|127[.][0-9]+[.][0-9]+[.][0-9]+"
    r"|\[::1\]"
    r"|\[::ffff:7f[0-9a-f][0-9a-f]:[0-9a-f]+\]"
    ")(:|$)"
)

_WEB: Final = Q(origin__startswith="https://") | Q(origin__startswith="http://")
_SUBDOMAINS: Final = Q(origin__startswith="https://*.") | Q(origin__startswith="http://*.")
_IS_LOOPBACK: Final = (
    # The regular expression is for the few rows that pass these.
    (Q(origin__contains="localhost") | Q(origin__contains="://127.") | Q(origin__contains="://[::"))
    & Q(origin__regex=_LOOPBACK)
)
_INSECURE: Final = Q(origin__startswith="http://") & ~_IS_LOOPBACK

#: What an origin must not be where the switch is off.
_SHAPES: Final[tuple[tuple[str, Q], ...]] = (
    ("allow_custom_schemes", ~_WEB),
    ("allow_subdomain_patterns", _SUBDOMAINS),
    ("allow_loopback", _IS_LOOPBACK),
    ("allow_insecure_http", _INSECURE),
    ("allow_insecure_credentials", _INSECURE & Q(api_group__allow_credentials=True)),
)


def with_status(
    grants: QuerySet[TrustedOrigin],
    status: Status,
    now: datetime | None = None,
    *,
    environments: Iterable[Environment] | None = None,
) -> QuerySet[TrustedOrigin]:
    """Return those of ``grants`` that are worth ``status`` at ``now``. Two more queries, but none for revoked ones.

    Whoever has read all ``environments`` already saves one.
    """
    at = now or timezone.now()
    if status is Status.REVOKED:
        return grants.filter(revoked_at__isnull=False)
    rows = grants.filter(revoked_at=None)
    if status is Status.SWITCHED_OFF:
        return rows.filter(_is_switched_off(rows, environments))
    if status is Status.EXPIRED:
        rows = rows.filter(expires_at__lte=at)
    else:
        rows = rows.filter(Q(expires_at=None) | Q(expires_at__gt=at))
    # Of what is narrowed already, the less has to be looked at.
    return rows.exclude(_is_switched_off(rows, environments))


def expiring_soon(grants: QuerySet[TrustedOrigin], now: datetime | None = None) -> QuerySet[TrustedOrigin]:
    """Return the active ones that run out within ``SOON``."""
    latest = (now or timezone.now()) + SOON
    return with_status(grants.filter(expires_at__lte=latest), Status.ACTIVE, now)


def never_used(grants: QuerySet[TrustedOrigin], now: datetime | None = None) -> QuerySet[TrustedOrigin]:
    """Return the active ones of which no use is on record; in groups that are open to any origin none is recorded."""
    idle = grants.filter(~_is_used(grants.db), api_group__any_origin=False)
    return with_status(idle, Status.ACTIVE, now)


def unused(grants: QuerySet[TrustedOrigin], now: datetime | None = None) -> QuerySet[TrustedOrigin]:
    """Return the active ones that have been there for ``longest_silence`` and were not seen in that time."""
    since = (now or timezone.now()) - longest_silence()
    idle = grants.filter(~_is_used(grants.db, last_seen__gt=since), created_at__lte=since, api_group__any_origin=False)
    return with_status(idle, Status.ACTIVE, now)


def longest_silence() -> timedelta:
    """Return after how long a grant is called unused: no longer than use is kept on record."""
    return min(UNUSED, timedelta(days=conf.current().audit_retention_days))


def _is_used(using: str, **since: datetime) -> Exists:
    """Asks an index once for each row."""
    return Exists(OriginUsage.objects.using(using).filter(trusted_origin=OuterRef("pk"), **since))


def _is_switched_off(rows: QuerySet[TrustedOrigin], environments: Iterable[Environment] | None) -> Q:
    """The condition that one of ``rows`` breaks a rule that now holds. Takes two queries to make, at most."""
    broken = Q(pk__in=_find_misspelt(rows))
    for condition in _list_broken(environments if environments is not None else Environment.objects.using(rows.db)):
        broken |= condition
    return broken


def _list_broken(environments: Iterable[Environment]) -> Iterator[Q]:
    rows = list(environments)
    for switch, shape in _SHAPES:
        strict = [row.pk for row in rows if not getattr(row, switch)]
        if strict:
            yield Q(environment__in=strict) & shape
    for row in rows:
        if row.max_trust_days:
            yield Q(environment=row.pk) & _lives_too_long(row.max_trust_days)


def _lives_too_long(days: int) -> Q:
    latest = timezone.now() + timedelta(days=days, seconds=CLOCK_SLACK)
    return Q(expires_at=None) | Q(expires_at__gt=latest)


def _find_misspelt(rows: QuerySet[TrustedOrigin]) -> list[int]:
    """Return the ids of those that some program wrote past the parser."""
    doubtful = (
        rows.order_by()
        .annotate(size=Length("origin"))
        .exclude(
            Q(origin__regex=_PLAIN, size__lte=_SHORT)
            & ~Q(origin__contains="xn--")
            & ~Q(origin__endswith=":80")
            & ~Q(origin__endswith=":443")
            # A "$" also matches in front of a last line break, here and there.
            & ~Q(origin__contains="\n")
        )
    )
    return [pk for pk, origin in doubtful.values_list("pk", "origin") if not _is_canonical(origin)]


@lru_cache(maxsize=20_000)
def _is_canonical(text: str) -> bool:
    return parse_canonical(text) is not None
