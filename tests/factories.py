"""Factories of the package's rows; they write through the ORM, as any project may."""

from datetime import UTC, datetime
from typing import Any

import factory
from django.contrib.auth.models import Permission, User
from factory.django import DjangoModelFactory

from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    GroupMode,
    OriginUsage,
    RejectedOrigin,
    Rejection,
    RejectionTally,
    TrustedOrigin,
)
from django_cors_guard.models.rejection import card_key
from django_cors_guard.models.tally import tally_key

NOW = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)


class EnvironmentFactory(DjangoModelFactory[Environment]):
    class Meta:
        model = Environment
        django_get_or_create = ("slug",)

    slug = "production"
    name = factory.LazyAttribute(lambda row: row.slug.title())


class ApiGroupFactory(DjangoModelFactory[ApiGroup]):
    class Meta:
        model = ApiGroup
        django_get_or_create = ("slug",)

    slug = "public"
    name = factory.LazyAttribute(lambda row: row.slug.title())


class ApiRouteFactory(DjangoModelFactory[ApiRoute]):
    class Meta:
        model = ApiRoute

    api_group = factory.SubFactory(ApiGroupFactory)
    path_prefix = factory.LazyAttribute(lambda row: f"/api/{row.api_group.slug}")


class GroupModeFactory(DjangoModelFactory[GroupMode]):
    class Meta:
        model = GroupMode

    environment = factory.SubFactory(EnvironmentFactory)
    api_group = factory.SubFactory(ApiGroupFactory)
    mode = "monitor"


class FrontEndFactory(DjangoModelFactory[FrontEnd]):
    class Meta:
        model = FrontEnd
        django_get_or_create = ("slug",)

    slug = "shop"
    name = factory.LazyAttribute(lambda row: row.slug.title())
    owner = "Team Shop"


class TrustedOriginFactory(DjangoModelFactory[TrustedOrigin]):
    class Meta:
        model = TrustedOrigin

    environment = factory.SubFactory(EnvironmentFactory)
    api_group = factory.SubFactory(ApiGroupFactory)
    origin = factory.Sequence(lambda n: f"https://app{n}.example.com")


class RejectionFactory(DjangoModelFactory[Rejection]):
    class Meta:
        model = Rejection

    environment = "production"
    api_group = "public"
    mode = "enforce"
    origin = "https://stranger.example.net"
    reason = "unknown_origin"
    kind = "actual"
    method = "GET"
    path = "/api/public/hello"
    count = 1
    first_seen = NOW
    last_seen = NOW
    client_ip = "203.0.113.0/24"
    user_agent = "Mozilla/5.0"


class RejectedOriginFactory(DjangoModelFactory[RejectedOrigin]):
    class Meta:
        model = RejectedOrigin

    environment = "production"
    api_group = "public"
    origin = "https://stranger.example.net"
    key = factory.LazyAttribute(lambda row: card_key(row.environment, row.api_group, row.origin))
    count = 1
    first_seen = NOW
    last_seen = NOW
    last_reason = "unknown_origin"


class RejectionTallyFactory(DjangoModelFactory[RejectionTally]):
    class Meta:
        model = RejectionTally

    hour = NOW
    environment = "production"
    api_group = "public"
    reason = "unknown_origin"
    count = 1
    key = factory.LazyAttribute(lambda row: tally_key(row.hour, row.environment, row.api_group, row.reason))


class OriginUsageFactory(DjangoModelFactory[OriginUsage]):
    class Meta:
        model = OriginUsage

    trusted_origin = factory.SubFactory(TrustedOriginFactory)
    origin = factory.LazyAttribute(lambda row: row.trusted_origin.origin if row.trusted_origin else "")
    method = "GET"
    count = 1
    first_seen = NOW
    last_seen = NOW


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True


def user_with(*permissions: str, **fields: Any) -> User:
    """Return a staff user with these permissions of the app, by codename."""
    user = UserFactory.create(**fields)
    found = list(Permission.objects.filter(content_type__app_label="cors_guard", codename__in=permissions))
    missing = set(permissions) - {permission.codename for permission in found}
    assert not missing, f"no such permissions: {missing}"
    user.user_permissions.set(found)
    return User.objects.get(pk=user.pk)
