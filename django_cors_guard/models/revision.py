"""The revision of the policy and the story of how it came about."""

from __future__ import annotations

import secrets
from typing import Any, Final, NamedTuple, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

STATE_ID: Final = 1


class Version(NamedTuple):
    """One committed state of the policy. Compared for inequality: numbers can come again, pairs do not."""

    revision: int
    token: str


def new_token() -> str:
    """Return 128 random bits in hexadecimal."""
    return secrets.token_hex(16)


class Trace(NamedTuple):
    """Where the policy is, as seen from an earlier version: ``is_known`` says that it was ever there."""

    version: Version
    rebuild_revision: int
    is_known: bool


class PolicyState(models.Model):
    """The one row whose lock makes revisions commit in order."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=STATE_ID, editable=False)
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    token = models.CharField(_("token"), max_length=32, default=new_token)
    rebuild_revision = models.PositiveBigIntegerField(_("rebuild revision"), default=0)

    class Meta:
        verbose_name = _("policy state")
        verbose_name_plural = _("policy state")
        default_permissions = ("view",)
        constraints = [models.CheckConstraint(condition=models.Q(id=STATE_ID), name="cors_guard_one_policy_state")]

    def __str__(self) -> str:
        return f"{self.revision}"

    @classmethod
    def ensure(cls, using: str) -> None:
        """Make sure that the row exists."""
        cls._base_manager.using(using).bulk_create([cls(id=STATE_ID)], ignore_conflicts=True)

    @classmethod
    def bump(cls, using: str) -> Version:
        """Take the lock and the next revision; the first statement of every policy write's transaction."""
        token = new_token()
        row = cls._base_manager.using(using).filter(pk=STATE_ID)
        if not row.update(revision=F("revision") + 1, token=token):
            cls.ensure(using)
            row.update(revision=F("revision") + 1, token=token)
        return Version(row.values_list("revision", flat=True).get(), token)

    @classmethod
    def mark_rebuild(cls, using: str, revision: int) -> None:
        """Say that catching up row by row to ``revision`` is not enough."""
        cls._base_manager.using(using).filter(pk=STATE_ID).update(rebuild_revision=revision)

    @classmethod
    def read(cls, using: str) -> Version:
        """Return the committed pair; (0, "") where the row is missing."""
        pair = cls._base_manager.using(using).filter(pk=STATE_ID).values_list("revision", "token").first()
        return Version(*pair) if pair is not None else Version(0, "")

    @classmethod
    def trace(cls, using: str, since: Version) -> Trace:
        """Return the committed version, and what tells whether one can come to it from ``since`` row by row."""
        told = PolicyChange._base_manager.using(using).filter(revision=since.revision, token=since.token)
        rows = cls._base_manager.using(using).filter(pk=STATE_ID).annotate(is_known=models.Exists(told))
        found = rows.values_list("revision", "token", "rebuild_revision", "is_known").first()
        if found is None:
            return Trace(Version(0, ""), 0, is_known=False)
        revision, token, rebuild_revision, is_known = found
        return Trace(Version(revision, token), rebuild_revision, bool(is_known))


class Source(models.TextChoices):
    """Where a change came from."""

    ADMIN = "admin", _("admin")
    API = "api", _("API")
    CLI = "cli", _("command line")
    IMPORT = "import", _("import")
    ORM = "orm", _("code")


class AppendOnlyQuerySet(models.QuerySet["PolicyChange"]):
    """Refuses to rewrite history; only the link to a deleted user may go."""

    def update(self, **kwargs: Any) -> int:
        if set(kwargs) - {"actor", "actor_id"}:
            _refuse_rewriting()
        return super().update(**kwargs)

    def delete(self) -> NoReturn:
        _refuse_rewriting()


def _refuse_rewriting() -> NoReturn:
    raise TypeError("Policy changes are append-only: they can be neither changed nor deleted.")


class PolicyChange(models.Model):
    """One change of the policy: who, when, how, why, and what was before and after. Append-only."""

    revision = models.PositiveBigIntegerField(_("revision"))
    token = models.CharField(_("token"), max_length=32)
    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("actor"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
    )
    actor_label = models.CharField(_("actor's name"), max_length=150, blank=True)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices, default=Source.ORM)
    batch = models.CharField(_("batch"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=30)
    target = models.CharField(_("target"), max_length=512)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("policy change")
        verbose_name_plural = _("policy changes")
        default_permissions = ("view",)
        base_manager_name = "objects"
        indexes = [
            models.Index(fields=["revision"], name="cors_guard_change_revision"),
            models.Index(fields=["target"], name="cors_guard_change_target"),
        ]

    def __str__(self) -> str:
        return f"{self.revision} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            _refuse_rewriting()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        _refuse_rewriting()

    def as_event(self) -> dict[str, Any]:
        """Return the change as the log tells it."""
        fields = {item.name: getattr(self, item.attname) for item in self._meta.concrete_fields}
        return {"event": "policy_changed", **fields}
