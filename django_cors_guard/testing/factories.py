"""Factories of the guard's rows, for factory-boy: ``create()`` writes through the ORM, ``build()`` needs no database.

``pip install "django-cors-guard[testing]"``. What belongs to an environment belongs to the active one by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.crypto import get_random_string

from django_cors_guard import conf
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    GroupMode,
    OriginIssuer,
    OriginUsage,
    ParityDifference,
    RejectedOrigin,
    Rejection,
    RejectionTally,
    TrustedOrigin,
)
from django_cors_guard.models.rejection import card_key
from django_cors_guard.models.tally import tally_key

try:
    import factory
    from factory.django import DjangoModelFactory
except ImportError as error:
    raise ImportError(
        "django_cors_guard.testing.factories needs factory-boy, which is not installed. Run: "
        'pip install "django-cors-guard[testing]"'
    ) from error

__all__ = [
    "ApiGroupFactory",
    "ApiRouteFactory",
    "EnvironmentFactory",
    "FrontEndFactory",
    "GroupModeFactory",
    "OriginIssuerFactory",
    "OriginUsageFactory",
    "ParityDifferenceFactory",
    "RejectedOriginFactory",
    "RejectionFactory",
    "RejectionTallyFactory",
    "TrustedOriginFactory",
]

# What is declared is of type Any, so that a subclass may put a plain value in its place.


def _active_environment() -> str:
    return conf.current().environment


def _new_user() -> Any:
    model = get_user_model()
    return model(**{model.USERNAME_FIELD: f"previews-{get_random_string(12)}"})


class EnvironmentFactory(DjangoModelFactory[Environment]):
    """The active environment, or the one whose ``slug`` is given; one that exists is taken as it is."""

    class Meta:
        model = Environment
        django_get_or_create = ("slug",)

    slug: Any = factory.LazyFunction(_active_environment)
    name: Any = factory.LazyAttribute(lambda row: row.slug.title())


class ApiGroupFactory(DjangoModelFactory[ApiGroup]):
    """An API group without routes; one that exists is taken as it is."""

    class Meta:
        model = ApiGroup
        django_get_or_create = ("slug",)

    slug = "public"
    name: Any = factory.LazyAttribute(lambda row: row.slug.title())


class ApiRouteFactory(DjangoModelFactory[ApiRoute]):
    """A route of every host to ``/api/<group>``."""

    class Meta:
        model = ApiRoute

    api_group: Any = factory.SubFactory(ApiGroupFactory)
    path_prefix: Any = factory.LazyAttribute(lambda row: f"/api/{row.api_group.slug}")


class GroupModeFactory(DjangoModelFactory[GroupMode]):
    """Another mode of one API group in one environment: monitor."""

    class Meta:
        model = GroupMode

    environment: Any = factory.SubFactory(EnvironmentFactory)
    api_group: Any = factory.SubFactory(ApiGroupFactory)
    mode = "monitor"


class FrontEndFactory(DjangoModelFactory[FrontEnd]):
    """A front end; one that exists is taken as it is."""

    class Meta:
        model = FrontEnd
        django_get_or_create = ("slug",)

    slug = "shop"
    name: Any = factory.LazyAttribute(lambda row: row.slug.title())
    owner = "Team Shop"


class TrustedOriginFactory(DjangoModelFactory[TrustedOrigin]):
    """A grant in force, of another origin each time."""

    class Meta:
        model = TrustedOrigin

    environment: Any = factory.SubFactory(EnvironmentFactory)
    api_group: Any = factory.SubFactory(ApiGroupFactory)
    origin: Any = factory.Sequence(lambda n: f"https://app{n}.example.com")


class OriginIssuerFactory(DjangoModelFactory[OriginIssuer]):
    """An issuer of previews, for ``api_groups=[…]``: none by default, and none when it is only built.

    Its ``user`` is a new one of the project's model with nothing but a name; give one where yours needs more.
    """

    class Meta:
        model = OriginIssuer
        skip_postgeneration_save = True

    slug: Any = factory.Sequence(lambda n: f"previews{n}")
    user: Any = factory.LazyFunction(_new_user)
    environment: Any = factory.SubFactory(EnvironmentFactory)
    host_prefix = "deploy-preview-"
    host_suffix = "--shop.example.com"

    @classmethod
    def _create(cls, model_class: type[OriginIssuer], *args: Any, **kwargs: Any) -> OriginIssuer:
        if kwargs["user"].pk is None:
            kwargs["user"].save()
        made: OriginIssuer = super()._create(model_class, *args, **kwargs)  # type: ignore[no-untyped-call]
        return made

    @factory.post_generation  # type: ignore[untyped-decorator]  # factory-boy has no types for declarations
    def api_groups(self: Any, create: bool, extracted: Iterable[ApiGroup] | None, **kwargs: Any) -> None:
        if create and extracted:
            self.api_groups.set(extracted)


class RejectionFactory(DjangoModelFactory[Rejection]):
    """One refusal of an unknown origin, now."""

    class Meta:
        model = Rejection

    environment: Any = factory.LazyFunction(_active_environment)
    api_group = "public"
    mode = "enforce"
    origin = "https://stranger.example.net"
    reason = "unknown_origin"
    kind = "actual"
    method = "GET"
    path: Any = factory.LazyAttribute(lambda row: f"/api/{row.api_group}")
    count = 1
    first_seen: Any = factory.LazyFunction(timezone.now)
    last_seen: Any = factory.SelfAttribute("first_seen")
    client_ip = "203.0.113.0/24"
    user_agent = "Mozilla/5.0"


class RejectedOriginFactory(DjangoModelFactory[RejectedOrigin]):
    """The card of an unknown origin that was refused once."""

    class Meta:
        model = RejectedOrigin

    environment: Any = factory.LazyFunction(_active_environment)
    api_group = "public"
    origin = "https://stranger.example.net"
    key: Any = factory.LazyAttribute(lambda row: card_key(row.environment, row.api_group, row.origin))
    count = 1
    first_seen: Any = factory.LazyFunction(timezone.now)
    last_seen: Any = factory.SelfAttribute("first_seen")
    last_reason = "unknown_origin"


class RejectionTallyFactory(DjangoModelFactory[RejectionTally]):
    """One refusal in the hour that has begun."""

    class Meta:
        model = RejectionTally

    hour: Any = factory.LazyFunction(lambda: timezone.now().replace(minute=0, second=0, microsecond=0))
    environment: Any = factory.LazyFunction(_active_environment)
    api_group = "public"
    reason = "unknown_origin"
    count = 1
    key: Any = factory.LazyAttribute(lambda row: tally_key(row.hour, row.environment, row.api_group, row.reason))


class OriginUsageFactory(DjangoModelFactory[OriginUsage]):
    """One request of a trusted origin, now."""

    class Meta:
        model = OriginUsage

    trusted_origin: Any = factory.SubFactory(TrustedOriginFactory)
    origin: Any = factory.LazyAttribute(lambda row: row.trusted_origin.origin if row.trusted_origin else "")
    method = "GET"
    count = 1
    first_seen: Any = factory.LazyFunction(timezone.now)
    last_seen: Any = factory.SelfAttribute("first_seen")


class ParityDifferenceFactory(DjangoModelFactory[ParityDifference]):
    """One request, now, whose origin the other middleware lets in and the guard does not."""

    class Meta:
        model = ParityDifference

    environment: Any = factory.LazyFunction(_active_environment)
    api_group = "public"
    difference = "guard_refuses"
    origin = "https://theirs.example.com"
    method = "GET"
    host = "testserver"
    path: Any = factory.LazyAttribute(lambda row: f"/api/{row.api_group}")
    theirs: Any = factory.LazyAttribute(lambda row: {"access-control-allow-origin": row.origin})
    ours: Any = factory.LazyFunction(dict)
    count = 1
    first_seen: Any = factory.LazyFunction(timezone.now)
    last_seen: Any = factory.SelfAttribute("first_seen")
