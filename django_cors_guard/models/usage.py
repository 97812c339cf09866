"""What trusted origins did: it shows use and proves none, for anyone with curl can add to it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.models.rejection import MAX_STORED
from django_cors_guard.models.trusted_origin import TrustedOrigin


class OriginUsage(models.Model):
    """N requests of one trusted origin with one method within one short window. Append-only.

    ``trusted_origin`` is empty where the grant had gone when the row was written, and in overflow rows (blank origin).
    """

    trusted_origin = models.ForeignKey(
        TrustedOrigin,
        verbose_name=_("trusted origin"),
        null=True,
        on_delete=models.CASCADE,
        related_name="usage",
        # A flush holds cards; with the grant's row locked as well it would stand in the operator's way.
        db_constraint=False,
    )
    origin = models.CharField(_("origin"), max_length=MAX_STORED, blank=True)
    method = models.CharField(_("method"), max_length=64, blank=True)
    count = models.PositiveBigIntegerField(_("count"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("usage of a trusted origin")
        verbose_name_plural = _("usage of trusted origins")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["trusted_origin", "last_seen"], name="cors_guard_usage_origin"),
            models.Index(fields=["last_seen"], name="cors_guard_usage_seen"),
        ]

    def __str__(self) -> str:
        return f"{self.origin} {self.method} ({self.count})"
