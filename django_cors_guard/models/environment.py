"""The environment says how strict the guard is."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.models.write import PolicyModel, RowManager, SlugManager


class ModeChoice(models.TextChoices):
    """What the guard does about a refusal."""

    MONITOR = "monitor", _("monitor: record only")
    ENFORCE = "enforce", _("enforce: the CORS protocol")
    BLOCK = "block", _("block: refused requests get 403 before any view runs")


class Environment(PolicyModel):
    """A deployment stage. A process runs in exactly one."""

    slug = models.SlugField(_("slug"), unique=True, max_length=50)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    mode = models.CharField(
        _("mode"),
        max_length=10,
        choices=ModeChoice.choices,
        default=ModeChoice.ENFORCE,
        help_text=_(
            "Block also stops cross-site form posts, such as the callback of a SAML or OAuth login: "
            "give such paths an API group of their own that enforces."
        ),
    )
    allow_insecure_http = models.BooleanField(
        _("allow insecure http"),
        default=False,
        help_text=_(
            "Dangerous: anybody on the network path of an http page can change it, and so read what it may read. "
            "Loopback addresses are not meant by this."
        ),
    )
    allow_insecure_credentials = models.BooleanField(
        _("allow insecure http with credentials"),
        default=False,
        help_text=_("Dangerous: lets http pages read answers that were given to a user's cookies."),
    )
    allow_loopback = models.BooleanField(
        _("allow loopback"),
        default=False,
        help_text=_("For development: any program on a user's own machine may serve pages from localhost."),
    )
    allow_subdomain_patterns = models.BooleanField(
        _("allow subdomain patterns"),
        default=False,
        help_text=_("Dangerous: whoever takes over one forgotten subdomain of the pattern is trusted, too."),
    )
    allow_custom_schemes = models.BooleanField(
        _("allow custom schemes"),
        default=False,
        help_text=_("For app shells and browser extensions: capacitor://localhost is the same in every app."),
    )
    max_trust_days = models.PositiveIntegerField(
        _("longest trust in days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_("No grant may live longer than that. Blank: unlimited."),
    )
    protected = models.BooleanField(
        _("protected"),
        default=False,
        help_text=_("Changes here need the permission “Can change protected environments”."),
    )

    policy_fields = frozenset(
        {
            "slug",
            "mode",
            "allow_insecure_http",
            "allow_insecure_credentials",
            "allow_loopback",
            "allow_subdomain_patterns",
            "allow_custom_schemes",
            "max_trust_days",
            "protected",
        }
    )

    objects = SlugManager["Environment"]()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("environment")
        verbose_name_plural = _("environments")
        permissions = [("change_protected_environment", _("Can change protected environments"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=ModeChoice.values), name="cors_guard_environment_mode_known"
            ),
            models.CheckConstraint(condition=~models.Q(slug=""), name="cors_guard_environment_slug_given"),
        ]

    def __str__(self) -> str:
        return self.name or self.slug

    def natural_key(self) -> tuple[str]:
        return (self.slug,)

    def identity(self) -> str:
        return self.slug


class GroupMode(PolicyModel):
    """The mode of one API group in one environment, where it differs from the environment's."""

    environment = models.ForeignKey(
        Environment, verbose_name=_("environment"), on_delete=models.CASCADE, related_name="group_modes"
    )
    api_group = models.ForeignKey(
        "cors_guard.ApiGroup", verbose_name=_("API group"), on_delete=models.CASCADE, related_name="modes"
    )
    mode = models.CharField(_("mode"), max_length=10, choices=ModeChoice.choices)

    policy_fields = frozenset({"environment", "api_group", "mode"})
    target_relations = ("environment", "api_group")

    objects = RowManager["GroupMode"]()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("mode of an API group")
        verbose_name_plural = _("modes of API groups")
        constraints = [
            models.UniqueConstraint(fields=["environment", "api_group"], name="cors_guard_one_mode_per_group"),
            models.CheckConstraint(condition=models.Q(mode__in=ModeChoice.values), name="cors_guard_group_mode_known"),
        ]

    def __str__(self) -> str:
        return self.identity()

    def identity(self) -> str:
        return f"{self.environment.slug}/{self.api_group.slug}"
