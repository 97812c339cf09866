"""Kept sums of what was refused, so that a chart need not add up millions of rows."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.models.rejection import REASON_CHOICES


class RejectionTally(models.Model):
    """How many refusals one hour, environment, API group and reason had, those in overflow rows included.

    ``hour`` is when the hour began. Its count stays exact with several writers, in the same way as that of a card. It
    adds up what ``Rejection`` tells in full and goes when that goes.
    """

    key = models.CharField(_("key"), max_length=64, unique=True, editable=False)
    hour = models.DateTimeField(_("hour"))
    environment = models.CharField(_("environment"), max_length=50)
    api_group = models.CharField(_("API group"), max_length=50, blank=True)
    reason = models.CharField(_("reason"), max_length=30, choices=REASON_CHOICES)
    count = models.PositiveBigIntegerField(_("count"), default=0)

    class Meta:
        verbose_name = _("tally of rejections")
        verbose_name_plural = _("tallies of rejections")
        default_permissions = ()
        indexes = [models.Index(fields=["hour"], name="cors_guard_tally_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.environment}/{self.api_group} {self.reason}: {self.count}"


def tally_key(hour: datetime, environment: str, api_group: str, reason: str) -> str:
    """Return the key of a tally: a digest, so that no collation can merge or split tallies."""
    text = f"{hour.isoformat()}\0{environment}\0{api_group}\0{reason}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
