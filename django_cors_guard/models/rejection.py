"""What was refused: the evidence, and the triage cards that it adds up to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.decision import Kind, Reason
from django_cors_guard.models.environment import ModeChoice

#: Longest stored piece of what a sender chose.
MAX_STORED: Final = 255

REASON_CHOICES: Final = [(reason.value, reason.value) for reason in Reason if reason.is_refusal]
KIND_CHOICES: Final = [(kind.value, kind.value) for kind in Kind]

#: Days of which a card keeps the counts, today's included.
TREND_DAYS: Final = 7

#: Counts are 64 bits wide in every database.
_MAX_COUNT: Final = 2**63 - 1
_DAY: Final = timedelta(days=1)

if TYPE_CHECKING:
    _JSONField = models.JSONField[Any, Any]
else:
    # Django's class is generic for type checkers only.
    _JSONField = models.JSONField


class TrendField(_JSONField):
    """A JSON field that reads as empty what somebody wrote by hand and Python refuses: a number of 5000 digits, say."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().from_db_value(value, expression, connection)
        except (ValueError, RecursionError):
            return {}

    def deconstruct(self) -> Any:
        # To a migration it is what it is to the database.
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class Rejection(models.Model):
    """N refusals of one kind within one short window. Append-only; it proves only that somebody sent those bytes.

    Environment and group are slugs, for evidence outlives the group. A row whose ``origin`` is blank and whose
    ``overflow`` is set sums up what exceeded the bounds of the audit; without ``overflow`` it was a request that had
    no Origin (``cross_site``), or an empty one.
    """

    environment = models.CharField(_("environment"), max_length=50)
    api_group = models.CharField(_("API group"), max_length=50, blank=True)
    mode = models.CharField(_("mode"), max_length=10, choices=ModeChoice.choices, blank=True)
    origin = models.CharField(_("origin"), max_length=MAX_STORED, blank=True)
    reason = models.CharField(_("reason"), max_length=30, choices=REASON_CHOICES)
    kind = models.CharField(_("kind"), max_length=12, choices=KIND_CHOICES)
    method = models.CharField(_("method"), max_length=64, blank=True)
    path = models.CharField(_("path"), max_length=MAX_STORED, blank=True)
    count = models.PositiveBigIntegerField(_("count"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    client_ip = models.CharField(_("client address"), max_length=50, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=MAX_STORED, blank=True)
    overflow = models.BooleanField(_("overflow"), default=False)
    #: When the row was made, right before it was inserted: what waited out an outage was seen long before that.
    written_at = models.DateTimeField(_("written at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("rejection")
        verbose_name_plural = _("rejections")
        default_permissions = ("view",)
        permissions = [("view_rejection_pii", _("Can view client addresses and user agents of rejections"))]
        # One for each filter of the API, with the id that it pages by: without its own, a filter that few rows or none
        # pass walks the whole window (benchmarks/audit_queries.py). PostgreSQL finds prefixes only by such classes.
        indexes = [
            models.Index(fields=["last_seen"], name="cors_guard_rejection_seen"),
            models.Index(
                fields=["origin", "id"],
                name="cors_guard_rejection_origin",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["path", "id"], name="cors_guard_rejection_path", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
            models.Index(fields=["environment", "api_group", "id"], name="cors_guard_rejection_group"),
            models.Index(fields=["api_group", "id"], name="cors_guard_rejection_api"),
            models.Index(fields=["reason", "id"], name="cors_guard_rejection_reason"),
            models.Index(fields=["kind", "id"], name="cors_guard_rejection_kind"),
            models.Index(fields=["mode", "id"], name="cors_guard_rejection_mode"),
            models.Index(fields=["method", "id"], name="cors_guard_rejection_method"),
        ]

    def __str__(self) -> str:
        return f"{self.origin or '—'} → {self.api_group}: {self.reason} ({self.count})"

    def as_event(self) -> dict[str, Any]:
        """Return the row as the log tells it."""
        fields = {item.name: getattr(self, item.name) for item in self._meta.concrete_fields}
        return {"event": "rejection_recorded", **fields}


class CardStatus(models.TextChoices):
    """What became of a rejected origin."""

    NEW = "new", _("new")
    IGNORED = "ignored", _("ignored")
    TRUSTED = "trusted", _("trusted")


class RejectedOrigin(models.Model):
    """The card of one origin, API group and environment. Its count stays exact with several writers."""

    environment = models.CharField(_("environment"), max_length=50)
    api_group = models.CharField(_("API group"), max_length=50)
    origin = models.CharField(_("origin"), max_length=MAX_STORED)
    key = models.CharField(_("key"), max_length=64, unique=True, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=CardStatus.choices, default=CardStatus.NEW)
    count = models.PositiveBigIntegerField(_("count"), default=0)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    last_reason = models.CharField(_("last reason"), max_length=30, choices=REASON_CHOICES, blank=True)
    #: Counts of the days (of UTC, in ISO 8601) that the trend shows; kept here, for a list must not add up a log.
    recent = TrendField(_("counts of the last days"), default=dict, editable=False)
    status_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("status set by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
    )
    status_at = models.DateTimeField(_("status set at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("rejected origin")
        verbose_name_plural = _("rejected origins")
        default_permissions = ("view", "change")
        indexes = [
            models.Index(fields=["status", "last_seen"], name="cors_guard_card_status"),
            # PostgreSQL finds prefixes only by such a class.
            models.Index(fields=["origin"], name="cors_guard_card_origin", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["last_seen"], name="cors_guard_card_seen"),
            models.Index(fields=["environment", "last_seen"], name="cors_guard_card_environment"),
            models.Index(fields=["api_group", "last_seen"], name="cors_guard_card_group"),
            models.Index(fields=["last_reason", "last_seen"], name="cors_guard_card_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.origin} → {self.api_group}"

    def trend(self, today: date) -> list[tuple[date, int]]:
        """Return how many refusals each of the last seven days up to ``today`` (of UTC) had, oldest first."""
        kept = _read_trend(self.recent)
        days = [today - timedelta(days=back) for back in reversed(range(TREND_DAYS))]
        return [(day, kept.get(day, 0)) for day in days]


def add_to_trend(recent: Any, counts: Mapping[date, int], today: date) -> dict[str, int]:
    """Return ``recent``, as ``RejectedOrigin.recent`` keeps it, with ``counts`` added: the latest seven days of both.

    ``today`` is the day in UTC by a clock that all writers share. Tomorrow may have begun by the clock of one of them;
    a day farther ahead comes from a clock that is wrong, and would push the real days out: what was kept for such a
    day is dropped, for nobody knows when it was, and what comes in for one is counted today.
    """
    latest = today + _DAY
    days = {day: count for day, count in _read_trend(recent).items() if day <= latest}
    for day, count in counts.items():
        real = day if day <= latest else today
        days[real] = days.get(real, 0) + count
    return {day.isoformat(): days[day] for day in sorted(days)[-TREND_DAYS:]}


def _read_trend(recent: Any) -> dict[date, int]:
    """Return what counts by day there are in it; what somebody wrote by hand may be anything."""
    kept = recent if isinstance(recent, Mapping) else {}
    return {day: _count_of(count) for text, count in kept.items() if (day := _day_of(text)) is not None}


def _day_of(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # ISO 8601 knows more spellings of a day; one day must not be kept under two.
    return day if day.isoformat() == text else None


def _count_of(value: Any) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return value if is_count else 0


def card_key(environment: str, api_group: str, origin: str) -> str:
    """Return the key of a card: a digest, so that no collation can merge or split cards."""
    return hashlib.sha256(f"{environment}\0{api_group}\0{origin}".encode("utf-8", "backslashreplace")).hexdigest()
