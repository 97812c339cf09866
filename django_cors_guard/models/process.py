"""The processes that enforce the policy, as they report themselves."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class GuardProcess(models.Model):
    """One process. ``flush_seq`` is set in each audit flush's transaction, so that a retry knows what got through."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    environment = models.CharField(_("environment"), max_length=50)
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"))
    flush_seq = models.PositiveBigIntegerField(_("last audit flush"), default=0)

    class Meta:
        verbose_name = _("guard process")
        verbose_name_plural = _("guard processes")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["confirmed_at"], name="cors_guard_process_confirmed")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
