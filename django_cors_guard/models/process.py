"""The processes that enforce the policy, as they report themselves."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import connections, models
from django.db.models import functions
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

#: Rows that ``prune`` deletes at once; it is called again and again.
PRUNE_BATCH: Final = 100


class Now(functions.Now):
    """In UTC also on MariaDB and MySQL, whose CURRENT_TIMESTAMP is in the session's zone, summer time and all."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


def moment(seconds: float) -> Combinable:
    """Return the moment that many seconds from now, by the one clock that all processes share: the database's."""
    return Now() + timedelta(seconds=seconds)


class GuardProcess(models.Model):
    """One process: the version that it decides by, and until when at most it goes on with that by itself.

    ``confirmed_at`` is when the database last told it that (``revision``, ``token``) is current; it writes so at most
    every ten seconds, and at once when the version changes. From ``idle_since`` on it has decided nothing, and will
    look before its next decision. At ``lapses_at`` at the latest it trusts no origin any more unless it is confirmed
    again; that moment is by the database's clock, the others are by the process's own. ``flush_seq`` is set in each
    audit flush's transaction, so that a retry knows what got through.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    environment = models.CharField(_("environment"), max_length=50)
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    token = models.CharField(_("token"), max_length=32, blank=True)
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    idle_since = models.DateTimeField(_("idle since"), null=True, blank=True)
    lapses_at = models.DateTimeField(_("lapses at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"))
    flush_seq = models.PositiveBigIntegerField(_("last audit flush"), default=0)

    class Meta:
        verbose_name = _("guard process")
        verbose_name_plural = _("guard processes")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["confirmed_at"], name="cors_guard_process_confirmed")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    @classmethod
    def put(cls, using: str, pk: uuid.UUID, values: Mapping[str, Any], *, birth: Mapping[str, Any]) -> None:
        """Set ``values`` in the row of a process; one that has none gets it, with what stays the same (``birth``)."""
        rows = cls._base_manager.using(using)
        if rows.filter(pk=pk).update(**values):
            return
        # Another thread of the process may write it at the same moment.
        has_target = connections[using].features.supports_update_conflicts_with_target
        rows.bulk_create(
            [cls(id=pk, **{**birth, **values})],
            update_conflicts=True,
            update_fields=list(values),
            unique_fields=["id"] if has_target else None,
        )

    @classmethod
    def prune(cls, using: str, seconds: float) -> int:
        """Delete a batch of the rows that lapsed so many seconds ago, and return how many."""
        dead = cls._base_manager.using(using).filter(lapses_at__lt=moment(-seconds))
        keys = list(dead.order_by("lapses_at").values_list("pk", flat=True)[:PRUNE_BATCH])
        # Asked again with its age: it may have been confirmed a moment ago.
        return dead.filter(pk__in=keys).delete()[0] if keys else 0
