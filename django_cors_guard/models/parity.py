"""Where another CORS middleware and the guard would have answered differently, while both run."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.decision import Kind
from django_cors_guard.models.rejection import MAX_STORED


class ParityDifference(models.Model):
    """N requests of one kind within one short window that the two would have answered differently. Append-only.

    It keeps the facts of the request, so that it can be judged again by the policy of today. ``api_group`` is a slug,
    blank where the path belongs to none. ``theirs`` and ``ours`` map the CORS header names of the two answers to their
    values. A row whose ``origin`` is blank sums up what exceeded the bounds.
    """

    environment = models.CharField(_("environment"), max_length=50)
    api_group = models.CharField(_("API group"), max_length=50, blank=True)
    difference = models.CharField(_("difference"), max_length=30)
    kind = models.CharField(_("kind"), max_length=20, default=Kind.ACTUAL)
    origin = models.CharField(_("origin"), max_length=MAX_STORED, blank=True)
    method = models.CharField(_("method"), max_length=64, blank=True)
    host = models.CharField(_("host"), max_length=MAX_STORED, blank=True)
    path = models.CharField(_("path"), max_length=MAX_STORED, blank=True)
    requested_method = models.CharField(_("requested method"), max_length=64, blank=True)
    requested_headers = models.CharField(_("requested headers"), max_length=MAX_STORED, blank=True)
    theirs = models.JSONField(_("theirs"), default=dict)
    ours = models.JSONField(_("ours"), default=dict)
    count = models.PositiveBigIntegerField(_("count"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("parity difference")
        verbose_name_plural = _("parity differences")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["last_seen"], name="cors_guard_parity_seen")]

    def __str__(self) -> str:
        return f"{self.difference} {self.origin} {self.path} ({self.count})"
