"""The package's own factories, on a fixed day, and users of the desk; they write through the ORM."""

from datetime import UTC, datetime
from typing import Any

import factory
from django.contrib.auth.models import Permission, User
from factory.django import DjangoModelFactory

from django_cors_guard.testing import factories
from django_cors_guard.testing.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    OriginIssuerFactory,
    TrustedOriginFactory,
)

__all__ = [
    "NOW",
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
    "UserFactory",
    "user_with",
]

NOW = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)


class RejectionFactory(factories.RejectionFactory):
    path = "/api/public/hello"
    first_seen = NOW
    last_seen = NOW


class RejectedOriginFactory(factories.RejectedOriginFactory):
    first_seen = NOW
    last_seen = NOW


class RejectionTallyFactory(factories.RejectionTallyFactory):
    hour = NOW


class OriginUsageFactory(factories.OriginUsageFactory):
    first_seen = NOW
    last_seen = NOW


class ParityDifferenceFactory(factories.ParityDifferenceFactory):
    path = "/api/public/hello"
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
