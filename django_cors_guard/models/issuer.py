"""An account that opens previews: it may trust origins of one literal shape, for a while, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.lifetimes import MAX_LIFETIME
from django_cors_guard.core.shapes import HostShape, ShapeCode, check_shape
from django_cors_guard.models.api_group import ApiGroup
from django_cors_guard.models.environment import Environment
from django_cors_guard.models.front_end import FrontEnd
from django_cors_guard.models.write import PolicyModel, SlugManager
from django_cors_guard.wording import word_shape

#: What ``TrustedOrigin.managed_by`` of an issuer's grants begins with; the issuer's slug follows.
ISSUER_PREFIX: Final = "issuer:"


class OriginIssuer(PolicyModel):
    """What one account may trust and revoke without any permission: ``https://`` + prefix + one word + suffix.

    It decides about no request. It takes revisions all the same, for the story: whoever writes an issuer hands the
    right to trust to somebody else. ``max_ttl`` is the longest life of its grants, ``max_active`` how many may be in
    force at a time. Its grants carry ``managed_by`` = ``issuer:<slug>``.
    """

    slug = models.SlugField(_("slug"), unique=True, max_length=50)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        help_text=_("The account that CI signs in with. It needs no permission, and should have none."),
    )
    environment = models.ForeignKey(
        Environment, verbose_name=_("environment"), on_delete=models.CASCADE, related_name="issuers"
    )
    api_groups = models.ManyToManyField(ApiGroup, verbose_name=_("API groups"), related_name="issuers")
    front_end = models.ForeignKey(
        FrontEnd,
        verbose_name=_("front end"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="issuers",
        help_text=_("What its grants are filed under."),
    )
    host_prefix = models.CharField(
        _("host prefix"), max_length=200, blank=True, help_text=_("What hosts begin with, literally: deploy-preview-")
    )
    host_suffix = models.CharField(
        _("host suffix"), max_length=200, help_text=_("What hosts end with, literally: --mysite.netlify.app")
    )
    max_ttl = models.DurationField(
        _("longest lifetime"),
        default=timedelta(days=14),
        validators=[MinValueValidator(timedelta(minutes=1))],
        help_text=_("Every grant of it ends by itself, this long after it was last asked for at the latest."),
    )
    max_active = models.PositiveIntegerField(_("most grants in force"), default=50, validators=[MinValueValidator(1)])

    policy_fields = frozenset({"slug", "user", "environment", "host_prefix", "host_suffix", "max_ttl", "max_active"})

    objects = SlugManager["OriginIssuer"]()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("origin issuer")
        verbose_name_plural = _("origin issuers")
        constraints = [
            models.CheckConstraint(condition=~models.Q(slug=""), name="cors_guard_issuer_slug_given"),
            models.CheckConstraint(condition=~models.Q(host_suffix=""), name="cors_guard_issuer_suffix_given"),
        ]

    def __str__(self) -> str:
        return self.slug

    def natural_key(self) -> tuple[str]:
        return (self.slug,)

    def identity(self) -> str:
        return self.slug

    def snapshot(self) -> dict[str, Any]:
        """Return the row's own fields, and for the record the API groups, which are rows of another table."""
        return {**super().snapshot(), "api_groups": self.list_group_slugs()}

    def list_group_slugs(self) -> list[str]:
        """Return the slugs of its API groups, in order; none before it is stored."""
        through = type(self).api_groups.through._base_manager.using(self._state.db)
        rows = through.filter(originissuer=self.pk).order_by("apigroup__slug")
        return list(rows.values_list("apigroup__slug", flat=True))

    def clean(self) -> None:
        super().clean()
        # What is pasted with capitals or spaces around it means the same host.
        self.host_prefix, self.host_suffix = (text.strip(" ").lower() for text in (self.host_prefix, self.host_suffix))
        errors: dict[str, list[ValidationError]] = {}
        for problem in check_shape(self.shape):
            # The prefix may be what is odd; all else is about where the host ends.
            is_prefix = problem.code == ShapeCode.CHARACTERS and problem.value != self.host_suffix
            name = "host_prefix" if is_prefix else "host_suffix"
            errors.setdefault(name, []).append(ValidationError(word_shape(problem), code=problem.code))
        span: timedelta | None = self.max_ttl
        # A form leaves out what could not be read.
        if span is not None and span > self.longest_life:
            errors["max_ttl"] = [ValidationError(self._word_limit(), code="ttl_too_long")]
        if errors:
            raise ValidationError(errors)

    @property
    def shape(self) -> HostShape:
        """The hosts that it may have trusted."""
        return HostShape(self.host_prefix, self.host_suffix)

    @property
    def longest_life(self) -> timedelta:
        """How long any grant in its environment may live."""
        key: int | None = self.environment_id
        days = self.environment.max_trust_days if key is not None else None
        return min(timedelta(days=days), MAX_LIFETIME) if days else MAX_LIFETIME

    def _word_limit(self) -> str:
        return str(_("In this environment no grant may live longer than %(days)d days.")) % {
            "days": self.longest_life.days
        }

    @property
    def manager_name(self) -> str:
        """What ``managed_by`` of its grants says."""
        return f"{ISSUER_PREFIX}{self.slug}"
