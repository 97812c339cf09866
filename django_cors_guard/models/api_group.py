"""The API group says what a trusted caller may do; its routes say where."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.decision import Isolation, ResourcePolicy
from django_cors_guard.core.policy import MAX_AGE_LIMIT, GroupRow, check_group
from django_cors_guard.models.write import PolicyModel, RowManager, SlugManager
from django_cors_guard.validators import (
    MAX_PATH_PREFIX,
    as_validation_errors,
    canonical_host,
    canonical_path_prefix,
    validate_exposed_headers,
    validate_host,
    validate_max_age,
    validate_methods,
    validate_path_prefix,
    validate_request_headers,
)


def default_methods() -> list[str]:
    """Methods that a browser sends across origins without asking: listing them opens nothing new."""
    return ["GET", "HEAD", "POST"]


def default_headers() -> list[str]:
    """What a JSON API with tokens needs."""
    return ["authorization", "content-type"]


class IsolationChoice(models.TextChoices):
    """What becomes of cross-site requests that carry no Origin."""

    OFF = Isolation.OFF.value, _("off: they run as any other")
    MONITOR = Isolation.MONITOR.value, _("monitor: record only")
    ENFORCE = Isolation.ENFORCE.value, _("enforce: they get 403 before any view runs")


class ResourcePolicyChoice(models.TextChoices):
    """Which pages may load a response without asking, as an image or a script for example."""

    UNSET = "", _("not sent: what a view says stays")
    SAME_ORIGIN = ResourcePolicy.SAME_ORIGIN.value, _("same-origin: this site's own pages")
    SAME_SITE = ResourcePolicy.SAME_SITE.value, _("same-site: pages of the same registrable domain")
    CROSS_ORIGIN = ResourcePolicy.CROSS_ORIGIN.value, _("cross-origin: every page")


class ApiGroup(PolicyModel):
    """A set of paths that share one CORS policy."""

    slug = models.SlugField(_("slug"), unique=True, max_length=50)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True)
    any_origin = models.BooleanField(
        _("any origin"),
        default=False,
        help_text=_("Every web page in the world may read these paths. For public data only; never with credentials."),
    )
    allow_credentials = models.BooleanField(
        _("allow credentials"),
        default=False,
        help_text=_("Trusted pages call as the signed-in user, with cookies, and read what that user may read."),
    )
    trusted_for_csrf = models.BooleanField(
        _("trusted for CSRF"),
        default=False,
        help_text=_(
            "Trusted pages may also send what changes something with a user's cookies, as if they stood in "
            "CSRF_TRUSTED_ORIGINS. Needs “allow credentials”, and this app's CSRF middleware in MIDDLEWARE."
        ),
    )
    allow_methods = models.JSONField(
        _("methods"),
        default=default_methods,
        blank=True,
        validators=[validate_methods],
        help_text=_("What trusted pages may use. GET, HEAD and POST pass the preflight whether listed or not."),
    )
    allow_headers = models.JSONField(
        _("request headers"), default=default_headers, blank=True, validators=[validate_request_headers]
    )
    expose_headers = models.JSONField(
        _("exposed response headers"), default=list, blank=True, validators=[validate_exposed_headers]
    )
    max_age = models.PositiveIntegerField(
        _("preflight lifetime in seconds"),
        default=600,
        validators=[validate_max_age],
        help_text=_("How long browsers may act on a preflight's answer: also after an origin was revoked."),
    )

    isolate = models.CharField(
        _("isolation"),
        max_length=10,
        choices=IsolationChoice.choices,
        default=IsolationChoice.OFF,
        help_text=_(
            "For what pages of other sites load without Origin, which CORS never sees: images, scripts, media. Links "
            "and frames pass. Monitor first, and look at what is recorded as cross_site."
        ),
    )
    timing_allow_origin = models.BooleanField(
        _("allow timing"),
        default=False,
        help_text=_("Trusted pages may read how long their requests took in detail (Timing-Allow-Origin)."),
    )
    cross_origin_resource_policy = models.CharField(
        _("resource policy"),
        max_length=12,
        choices=ResourcePolicyChoice.choices,
        blank=True,
        default=ResourcePolicyChoice.UNSET,
        help_text=_(
            "Sent as Cross-Origin-Resource-Policy: which pages may load these paths as images, scripts and the like."
        ),
    )

    policy_fields = frozenset(
        {
            "slug",
            "any_origin",
            "allow_credentials",
            "trusted_for_csrf",
            "allow_methods",
            "allow_headers",
            "expose_headers",
            "max_age",
            "isolate",
            "timing_allow_origin",
            "cross_origin_resource_policy",
        }
    )

    objects = SlugManager["ApiGroup"]()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("API group")
        verbose_name_plural = _("API groups")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(any_origin=True, allow_credentials=True),
                name="cors_guard_no_credentials_for_any_origin",
                violation_error_message=_(
                    "“Any origin” together with credentials would let every web page in the world read what your "
                    "users may read. Switch one of them off."
                ),
            ),
            models.CheckConstraint(
                condition=~models.Q(trusted_for_csrf=True, allow_credentials=False),
                name="cors_guard_csrf_needs_credentials",
                violation_error_message=_(
                    "“Trusted for CSRF” without “allow credentials” would mean nothing: without cookies there is "
                    "nothing to forge. Switch credentials on, or this off."
                ),
            ),
            models.CheckConstraint(condition=models.Q(max_age__lte=MAX_AGE_LIMIT), name="cors_guard_max_age_a_day"),
            models.CheckConstraint(condition=~models.Q(slug=""), name="cors_guard_api_group_slug_given"),
        ]

    def __str__(self) -> str:
        return self.name or self.slug

    def natural_key(self) -> tuple[str]:
        return (self.slug,)

    def identity(self) -> str:
        return self.slug

    def as_row(self, mode: str | None = None) -> GroupRow:
        """Return the group as the compiler reads it."""
        return GroupRow(
            slug=self.slug,
            any_origin=self.any_origin,
            allow_credentials=self.allow_credentials,
            allow_methods=as_tokens(self.allow_methods),
            allow_headers=as_tokens(self.allow_headers),
            expose_headers=as_tokens(self.expose_headers),
            max_age=self.max_age,
            mode=mode,
            trusted_for_csrf=self.trusted_for_csrf,
            isolate=self.isolate,
            timing_allow_origin=self.timing_allow_origin,
            cross_origin_resource_policy=self.cross_origin_resource_policy,
            number=self.pk,
        )

    def clean(self) -> None:
        super().clean()
        self.allow_methods = tidy_methods(self.allow_methods)
        self.allow_headers = tidy_headers(self.allow_headers)
        self.expose_headers = tidy_tokens(self.expose_headers)
        field_level = {
            *{"max_age_out_of_range", "not_a_list", "not_a_token", "forbidden_method", "forbidden_header"},
            # Said by the fields' choices.
            *{"unknown_isolation", "unknown_resource_policy"},
        }
        # The constraints, which full_clean checks too, have the same words for these.
        said_elsewhere = field_level | {"any_origin_with_credentials", "csrf_without_credentials"}
        problems = [problem for problem in check_group(self.as_row()) if problem.code not in said_elsewhere]
        if problems:
            raise ValidationError(as_validation_errors(problems))


def as_tokens(value: Any) -> tuple[str, ...]:
    """Return a stored list as a tuple; what is none comes through as it is, for the compiler to refuse."""
    return tuple(value) if isinstance(value, list) else value


def tidy_tokens(value: Any) -> Any:
    """Strip the tokens of a list and drop empty ones and repeats; anything else comes back as it is."""
    if not isinstance(value, list | tuple):
        return value
    return list(dict.fromkeys(item.strip() if isinstance(item, str) else item for item in value if item != ""))


def tidy_methods(value: Any) -> Any:
    """As ``tidy_tokens``, with the methods that everybody knows in upper case."""
    known = {"get", "head", "post", "put", "patch", "delete", "options"}
    tidied = tidy_tokens(value)
    if not isinstance(tidied, list):
        return tidied
    upper = [item.upper() if isinstance(item, str) and item.lower() in known else item for item in tidied]
    return list(dict.fromkeys(upper))


def tidy_headers(value: Any) -> Any:
    """As ``tidy_tokens``, in lower case."""
    tidied = tidy_tokens(value)
    if not isinstance(tidied, list):
        return tidied
    return list(dict.fromkeys(item.lower() if isinstance(item, str) else item for item in tidied))


class ApiRoute(PolicyModel):
    """One path prefix, on one host or on all, that belongs to an API group."""

    api_group = models.ForeignKey(
        ApiGroup, verbose_name=_("API group"), on_delete=models.CASCADE, related_name="routes"
    )
    host = models.CharField(
        _("host"), max_length=253, blank=True, validators=[validate_host], help_text=_("Blank: every host.")
    )
    path_prefix = models.CharField(
        _("path prefix"),
        max_length=MAX_PATH_PREFIX,
        validators=[validate_path_prefix],
        help_text=_("Whole segments: /api covers /api and /api/x, not /apix. The longest prefix wins."),
    )

    policy_fields = frozenset({"api_group", "host", "path_prefix"})
    target_relations = ("api_group",)

    objects = RowManager["ApiRoute"]()

    class Meta(PolicyModel.Meta):
        abstract = False
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        constraints = [
            models.UniqueConstraint(
                fields=["host", "path_prefix"],
                name="cors_guard_one_group_per_route",
                violation_error_message=_("A route with this host and path prefix exists already."),
            ),
            models.CheckConstraint(
                condition=models.Q(path_prefix__startswith="/"), name="cors_guard_route_starts_with_slash"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host}{self.path_prefix}"

    def identity(self) -> str:
        return f"{self.api_group.slug}/{self.host}{self.path_prefix}"

    def clean_fields(self, exclude: Any = None) -> None:
        self._tidy()
        super().clean_fields(exclude=exclude)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._tidy()
        super().save(*args, **kwargs)

    def _tidy(self) -> None:
        self.host = canonical_host(self.host)
        self.path_prefix = canonical_path_prefix(self.path_prefix.strip()) if self.path_prefix.strip() else ""
