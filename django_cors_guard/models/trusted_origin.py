"""The grant: this origin may call this API group in this environment, until it is revoked or expires."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_cors_guard.core.origins import OriginRules, Problem, check_rules, parse_canonical, parse_origin
from django_cors_guard.core.policy import CLOCK_SLACK
from django_cors_guard.core.problems import show
from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin, RevokedOrigin
from django_cors_guard.models.api_group import ApiGroup
from django_cors_guard.models.environment import Environment
from django_cors_guard.models.front_end import FrontEnd
from django_cors_guard.models.revision import PolicyChange
from django_cors_guard.models.write import PolicyManager, PolicyModel, PolicyQuerySet, PolicyWrite, label_of
from django_cors_guard.validators import as_validation_errors

#: Longest canonical text there can be: scheme, "://", "*.", host of 253, port.
MAX_ORIGIN: Final = 300

#: Actions that may take a revocation back.
REINSTATED: Final = "reinstated"
REVOKED: Final = "revoked"
#: Somebody looked at the grant and left it as it is; and that was taken back.
REVIEWED: Final = "reviewed"
UNREVIEWED: Final = "unreviewed"
#: What the story's ``after`` of a revocation has beside the row's fields where it was carried over from elsewhere: the
#: name of who revoked it there. The entry's actor is who carried it.
CARRIED_REVOKER: Final = "revoked_by_label"


class Status(models.TextChoices):
    """What a grant is worth now."""

    ACTIVE = "active", pgettext_lazy("trusted origin", "active")  # Django has a word for users
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")
    SWITCHED_OFF = "switched_off", _("switched off")


class TrustedOriginQuerySet(PolicyQuerySet["TrustedOrigin"]):
    """Grants by what they are worth; ``switched_off`` needs the safety rules and is not a database filter."""

    def update(self, **kwargs: Any) -> int:
        if kwargs.get("revoked_at", self) is None and self.revoked().exists():
            _refuse_reinstating()
        return super().update(**kwargs)

    def bulk_update(self, objs: Iterable[TrustedOrigin], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        rows, names = list(objs), list(fields)
        open_again = [row.pk for row in rows if row.revoked_at is None] if "revoked_at" in names else []
        if open_again and self.model._base_manager.filter(pk__in=open_again, revoked_at__isnull=False).exists():
            _refuse_reinstating()
        return super().bulk_update(rows, names, *args, **kwargs)

    def active(self, now: datetime | None = None) -> Self:
        """Neither revoked nor expired."""
        at = now or timezone.now()
        return self.filter(revoked_at=None).filter(models.Q(expires_at=None) | models.Q(expires_at__gt=at))

    def expired(self, now: datetime | None = None) -> Self:
        return self.filter(revoked_at=None, expires_at__lte=now or timezone.now())

    def revoked(self) -> Self:
        return self.filter(revoked_at__isnull=False)


def _refuse_reinstating() -> NoReturn:
    raise InvalidRequest(str(_("Only services.reinstate undoes a revocation: one grant at a time, for a reason.")))


class TrustedOriginManager(PolicyManager["TrustedOrigin"].from_queryset(TrustedOriginQuerySet)):  # type: ignore[misc]  # built at run time
    """Manager with the natural key."""

    def get_by_natural_key(self, environment: str, api_group: str, origin: str) -> TrustedOrigin:
        found: TrustedOrigin = self.get(environment__slug=environment, api_group__slug=api_group, origin=origin)
        return found


class TrustedOrigin(PolicyModel):
    """One grant. Environment, group and origin are fixed once created; ``PolicyChange`` keeps the story."""

    environment = models.ForeignKey(
        Environment, verbose_name=_("environment"), on_delete=models.PROTECT, related_name="trusted_origins"
    )
    api_group = models.ForeignKey(
        ApiGroup, verbose_name=_("API group"), on_delete=models.PROTECT, related_name="trusted_origins"
    )
    origin = models.CharField(_("origin"), max_length=MAX_ORIGIN)
    front_end = models.ForeignKey(
        FrontEnd,
        verbose_name=_("front end"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="trusted_origins",
    )
    note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True, help_text=_("Blank: until revoked."))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("revoked by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
    )
    revoke_reason = models.TextField(_("why it was revoked"), blank=True, editable=False)
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True, editable=False)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("reviewed by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
    )
    managed_by = models.CharField(_("managed by"), max_length=100, blank=True, editable=False)
    revision = models.PositiveBigIntegerField(_("revision"), default=0, editable=False)

    #: A review decides about no request; it stands in the story as what does.
    policy_fields = frozenset({"environment", "api_group", "origin", "expires_at", "revoked_at", "reviewed_at"})
    fixed_fields = frozenset({"environment", "api_group", "origin"})
    target_relations = ("environment", "api_group")
    stamped = True

    objects = TrustedOriginManager()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("trusted origin")
        verbose_name_plural = _("trusted origins")
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "api_group", "origin"],
                name="cors_guard_one_grant_per_origin",
                violation_error_message=_("This origin has a grant for this API group in this environment already."),
            ),
            models.CheckConstraint(condition=~models.Q(origin=""), name="cors_guard_origin_given"),
        ]
        indexes = [
            models.Index(fields=["revision"], name="cors_guard_origin_revision"),
            models.Index(fields=["origin"], name="cors_guard_origin_origin"),
            models.Index(fields=["expires_at"], name="cors_guard_origin_expiry"),
            models.Index(fields=["revoked_at"], name="cors_guard_origin_revoked"),
        ]

    def __str__(self) -> str:
        # Some program may have written marks into it that turn the text around it.
        return show(self.origin)

    def natural_key(self) -> tuple[str, str, str]:
        return (self.environment.slug, self.api_group.slug, self.origin)

    natural_key.dependencies = ["cors_guard.environment", "cors_guard.apigroup"]  # type: ignore[attr-defined]  # Django's hook

    def identity(self) -> str:
        return f"{self.environment.slug}/{self.api_group.slug}/{self.origin}"

    def status(self, now: datetime | None = None) -> Status:
        """Return what the grant is worth at ``now``."""
        if self.revoked_at is not None:
            return Status.REVOKED
        if self.find_faults(now):
            return Status.SWITCHED_OFF
        if self.expires_at is not None and self.expires_at <= (now or timezone.now()):
            return Status.EXPIRED
        return Status.ACTIVE

    def revoked_by_label(self) -> str:
        """Who revoked it: the user, or whom the story names where there is none (any more); blank if nobody knows."""
        if self.revoked_at is None or self.revoked_by is not None:
            return label_of(self.revoked_by)
        story = PolicyChange.objects.using(self._state.db).filter(target=self.target()[:512], action=REVOKED)
        told = story.order_by("-revision", "-pk").values_list("actor_label", f"after__{CARRIED_REVOKER}").first()
        return pick_revoker(*told) if told is not None else ""

    def find_faults(self, now: datetime | None = None) -> tuple[Problem, ...]:
        """Return the safety rules that hold and that the row breaks at ``now``."""
        parsed = parse_canonical(self.origin)
        if parsed is None:
            return (Problem("not_canonical", show(self.origin)),)
        faults = check_rules(parsed, rules_for(self.environment, self.api_group))
        if self._lives_too_long(now or timezone.now()):
            faults = (*faults, Problem("trusted_too_long", self.origin, "max_trust_days"))
        return faults

    def _lives_too_long(self, now: datetime) -> bool:
        """As the compiler judges it, so that the pages show what requests get."""
        days = self.environment.max_trust_days
        if not days:
            return False
        latest = now + timedelta(days=days, seconds=CLOCK_SLACK)
        return self.expires_at is None or self.expires_at > latest

    def clean(self) -> None:
        super().clean()
        parsed = parse_origin(self.origin)
        problems = list(parsed.problems)
        if parsed.origin is not None:
            self.origin = parsed.origin.text
            if self.environment_id and self.api_group_id:
                problems += check_rules(parsed.origin, rules_for(self.environment, self.api_group))
        if problems:
            raise ValidationError({"origin": as_validation_errors(problems)})

    def check_rewrite(self, before: Self, write: PolicyWrite) -> None:
        if before.revoked_at is not None and self.revoked_at is None and write.action != REINSTATED:
            raise RevokedOrigin(
                before.origin, by=before.revoked_by_label(), at=before.revoked_at, reason=before.revoke_reason
            )
        moved = [name for name in ("environment_id", "api_group_id", "origin") if _differs(self, before, name)]
        if moved:
            raise InvalidRequest(
                str(
                    _("The environment, API group and origin of a grant are fixed. Revoke it, and trust the other one.")
                )
            )
        self._keep_review(before)

    def _keep_review(self, before: Self) -> None:
        """Reviews are the services' to write: an instance that is older than one must not undo it."""
        self.reviewed_at, self.reviewed_by_id = before.reviewed_at, before.reviewed_by_id

    def _changes_policy(self, before: Self, update_fields: Iterable[str] | None) -> bool:
        self._keep_review(before)
        return super()._changes_policy(before, update_fields)

    def _other_fields(self, update_fields: Iterable[str] | None) -> list[str]:
        return [name for name in super()._other_fields(update_fields) if name != "reviewed_by"]

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            parsed = parse_origin(self.origin)
            if parsed.origin is None:
                raise RefusedOrigin(self.origin[:MAX_ORIGIN], parsed.problems)
            self.origin = parsed.origin.text
        super().save(*args, **kwargs)


def pick_revoker(actor_label: str, carried: Any) -> str:
    """Return who revoked, by what an entry of the story says: its actor, unless that one has only carried it over."""
    return carried if isinstance(carried, str) else actor_label


def _differs(one: models.Model, other: models.Model, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def rules_for(environment: Environment, api_group: ApiGroup) -> OriginRules:
    """Return the safety rules that a grant for ``api_group`` in ``environment`` has to keep."""
    return OriginRules(
        allow_insecure_http=environment.allow_insecure_http,
        allow_insecure_credentials=environment.allow_insecure_credentials,
        allow_loopback=environment.allow_loopback,
        allow_subdomain_patterns=environment.allow_subdomain_patterns,
        allow_custom_schemes=environment.allow_custom_schemes,
        credentials=api_group.allow_credentials,
    )
