"""What each list can be narrowed by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.api import times
from django_cors_guard.api.errors import ErrorItem, show
from django_cors_guard.api.filters import ExactFilter, OneOfFilter, PrefixFilter, Read, ReadFilter, StrictFilterSet
from django_cors_guard.api.numbers import read_number
from django_cors_guard.api.pagination import AFTER
from django_cors_guard.api.times import BadTime, as_stored, parse_time
from django_cors_guard.core.origins import parse_origin, pattern_candidates
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import OriginUsage, PolicyChange, RejectedOrigin, Rejection, TrustedOrigin
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.rejection import KIND_CHOICES, REASON_CHOICES, CardStatus
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.recorder import tidy_text
from django_cors_guard.services import find_api_group, find_environment, find_front_end
from django_cors_guard.services.calls import narrow_to_unused
from django_cors_guard.services.reviewing.due import MAX_DAYS
from django_cors_guard.services.reviewing.listing import STATUSES
from django_cors_guard.services.reviewing.moments import read_as_of

#: How far back the audit log is read where neither ``since`` nor ``until`` says.
DEFAULT_WINDOW: Final = timedelta(days=7)
MAX_METHOD: Final = 64

_YES_OR_NO: Final = [("true", "true"), ("false", "false")]


def _read_rejected_origin(text: str) -> list[str]:
    """Return what is stored for ``text``: as browsers send it, and as somebody else may have sent it."""
    parsed = parse_origin(text).origin
    spellings = [parsed.text, text] if parsed is not None else [text]
    return list(dict.fromkeys(tidy_text(spelling) for spelling in spellings))


def _read_trusted_origin(text: str) -> list[str]:
    parsed = parse_origin(text).origin
    return [parsed.text if parsed is not None else tidy_text(text)]


def _read_one_origin(text: str) -> str:
    return _read_trusted_origin(text)[0]


def _read_plain(text: str) -> list[str]:
    """As it stands, for what operators wrote. What no database takes is looked for in vain."""
    return [_read_plain_prefix(text)]


def _read_plain_prefix(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _read_logged(column: str, find: Callable[[str], Any], own: Iterable[str] = ()) -> Read:
    """Return a reader of a slug that exists, or that only old rows still know: evidence outlives its group."""

    def read(text: str) -> list[str]:
        if text not in own:
            try:
                find(text)
            except UnknownName:
                # What is no printable ASCII is never stored, and not every database takes it.
                if text != tidy_text(text) or not Rejection.objects.filter(**{column: text}).exists():
                    raise
        return [text]

    return read


def _read_method(text: str) -> list[str]:
    return [tidy_text(text)[:MAX_METHOD]]


def _read_moment(text: str) -> datetime:
    return as_stored(parse_time(text))


def _read_as_of(text: str) -> datetime | None:
    try:
        return read_as_of(text)
    except ValueError as error:
        raise BadTime("invalid_time", str(error)) from error


def _read_days(text: str) -> int:
    return read_number(text, least=1, most=MAX_DAYS)


class WindowFilterSet(StrictFilterSet):
    """Filters of what has a time: the window is half-open, so windows that adjoin share nothing."""

    def find_errors(self) -> list[ErrorItem]:
        errors = super().find_errors()
        since, until = (self.form.cleaned_data.get(name) for name in ("since", "until"))
        if since is not None and until is not None and since > until:
            text = _("“since” lies after “until”, so nothing can be in between.")
            errors.append(ErrorItem("since_after_until", text, "since", show(self.data.get("since"))))
        return errors

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        """The window that applies, as the database takes it; None where it is open."""
        return self.form.cleaned_data.get("since"), self.form.cleaned_data.get("until")


class RejectionFilterSet(WindowFilterSet):
    """Filters of the audit log. A rollup belongs to the moment it was last seen.

    Without ``since`` and ``until`` the last seven days are meant; where ``after`` goes on from a checkpoint, all of it:
    an exporter that was down for long must not lose what it missed.
    """

    environment = ExactFilter(read=_read_logged("environment", find_environment))
    api_group = ExactFilter(read=_read_logged("api_group", find_api_group, own=(OWN_GROUP,)))
    origin = ExactFilter(read=_read_rejected_origin)
    origin_prefix = PrefixFilter(field_name="origin", read=tidy_text)
    reason = OneOfFilter(choices=REASON_CHOICES)
    kind = OneOfFilter(choices=KIND_CHOICES)
    mode = OneOfFilter(choices=ModeChoice.choices)
    method = ExactFilter(read=_read_method)
    path_prefix = PrefixFilter(field_name="path", read=tidy_text)
    since = ReadFilter(field_name="last_seen", lookup_expr="gte", read=_read_moment)
    until = ReadFilter(field_name="last_seen", lookup_expr="lt", read=_read_moment)

    class Meta:
        model = Rejection
        fields: Final[list[str]] = []

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        since, until = super().window
        if since is None and until is None and AFTER not in self.data:
            return as_stored(times.now() - DEFAULT_WINDOW), None
        return since, until

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        since, _until = self.window
        return rows if since is None else rows.filter(last_seen__gte=since)


class RejectedOriginFilterSet(WindowFilterSet):
    """Filters of the cards; the window is that of the last sighting."""

    environment = ExactFilter(read=_read_logged("environment", find_environment))
    api_group = ExactFilter(read=_read_logged("api_group", find_api_group))
    origin = ExactFilter(read=_read_rejected_origin)
    origin_prefix = PrefixFilter(field_name="origin", read=tidy_text)
    status = OneOfFilter(choices=CardStatus.choices)
    reason = OneOfFilter(field_name="last_reason", choices=REASON_CHOICES)
    since = ReadFilter(field_name="last_seen", lookup_expr="gte", read=_read_moment)
    until = ReadFilter(field_name="last_seen", lookup_expr="lt", read=_read_moment)

    class Meta:
        model = RejectedOrigin
        fields: Final[list[str]] = []


class PolicyChangeFilterSet(WindowFilterSet):
    """Filters of the policy's history. ``actor`` is the name as it was written down then."""

    revision = ReadFilter(read=read_number)
    source = OneOfFilter(choices=Source.choices)
    action = ExactFilter(read=_read_plain)
    actor = ExactFilter(field_name="actor_label", read=_read_plain)
    target = ExactFilter(read=_read_plain)
    target_prefix = PrefixFilter(field_name="target", read=_read_plain_prefix)
    since = ReadFilter(field_name="at", lookup_expr="gte", read=_read_moment)
    until = ReadFilter(field_name="at", lookup_expr="lt", read=_read_moment)

    class Meta:
        model = PolicyChange
        fields: Final[list[str]] = []


class UsageFilterSet(WindowFilterSet):
    """Filters of the grants whose use is told; the window is that of the use.

    ``origin`` finds the grants that let it in, patterns too. ``unused`` are those that still stand and that nobody used
    in the window, however young they are.
    """

    environment = ReadFilter(read=find_environment)
    api_group = ReadFilter(read=find_api_group)
    origin = ReadFilter(read=_read_one_origin, method="narrow_to_origin")
    front_end = ReadFilter(read=find_front_end)
    unused = OneOfFilter(choices=_YES_OR_NO, method="narrow_to_unused")
    since = ReadFilter(read=_read_moment, method="leave")
    until = ReadFilter(read=_read_moment, method="leave")

    class Meta:
        model = TrustedOrigin
        fields: Final[list[str]] = []

    def narrow_to_origin(self, rows: QuerySet[Any], name: str, origin: str) -> QuerySet[Any]:
        """Leave the grants that are for ``origin``, or for a pattern that covers it."""
        return rows.filter(origin__in=[origin, *pattern_candidates(origin)])

    def narrow_to_unused(self, rows: QuerySet[Any], name: str, unused: str) -> QuerySet[Any]:
        """Leave the grants that were, or were not, used in the window."""
        usage = self.narrow_usage(OriginUsage.objects.using(rows.db))
        if unused == "false":
            return rows.filter(Exists(usage.filter(trusted_origin=OuterRef("pk"))))
        return narrow_to_unused(rows, usage)

    def leave(self, rows: QuerySet[Any], name: str, moment: datetime) -> QuerySet[Any]:
        """Leave the grants as they are: the window is that of their use."""
        return rows

    def narrow_usage(self, usage: QuerySet[OriginUsage]) -> QuerySet[OriginUsage]:
        """Return the part of ``usage`` that lies in the window and, for one concrete origin, is its own."""
        since, until = self.window
        origin = self.form.cleaned_data.get("origin")
        if since is not None:
            usage = usage.filter(last_seen__gte=since)
        if until is not None:
            usage = usage.filter(last_seen__lt=until)
        if origin is not None and "*" not in origin:
            usage = usage.filter(origin=origin)
        return usage


class TrustedOriginFilterSet(StrictFilterSet):
    """Filters of the grants."""

    environment = ReadFilter(read=find_environment)
    api_group = ReadFilter(read=find_api_group)
    origin = ExactFilter(read=_read_trusted_origin)
    front_end = ReadFilter(read=find_front_end)
    status = OneOfFilter(choices=Status.choices, method="narrow_to_status")

    class Meta:
        model = TrustedOrigin
        fields: Final[list[str]] = []

    def narrow_to_status(self, rows: QuerySet[Any], name: str, status: str) -> QuerySet[Any]:
        """Narrow as far as the database can tell; ``find_keep`` sorts out the rest."""
        if status == Status.REVOKED:
            return rows.filter(revoked_at__isnull=False)
        rows = rows.filter(revoked_at=None)
        if status == Status.EXPIRED:
            return rows.filter(expires_at__lte=timezone.now())
        return rows


class ReviewFilterSet(StrictFilterSet):
    """Filters of the access review. The list is no query of one table, so that they are only read here."""

    as_of = ReadFilter(read=_read_as_of, method="leave")
    environment = ReadFilter(read=find_environment, method="leave")
    api_group = ReadFilter(read=find_api_group, method="leave")
    front_end = ReadFilter(read=find_front_end, method="leave")
    status = OneOfFilter(choices=[(code, code) for code in STATUSES], method="leave")
    due = OneOfFilter(choices=_YES_OR_NO, method="leave")
    older_than = ReadFilter(read=_read_days, method="leave")

    class Meta:
        model = TrustedOrigin
        fields: Final[list[str]] = []

    def leave(self, rows: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        """Leave the rows as they are."""
        return rows


def find_keep(status: str | None) -> Callable[[TrustedOrigin], bool] | None:
    """Return the test of a grant's status that the database cannot make, for it takes the safety rules; or None."""
    if status is None or status == Status.REVOKED:
        return None
    now = timezone.now()
    return lambda grant: grant.status(now) == status
