"""People at work in the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, TrustedOrigin
from django_cors_guard.models.rejection import CardStatus
from tests.admin.gates import ACTIVE, GONE
from tests.factories import (
    NOW,
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    ParityDifferenceFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)
from tests.issuing import make_issuer


@pytest.fixture
def ana(db: None) -> User:
    """A superuser."""
    return UserFactory.create(username="ana", is_superuser=True)


@pytest.fixture
def operator(ana: User) -> Client:
    """The browser of somebody who may do everything."""
    return login(ana)


@pytest.fixture
def apprentice(db: None) -> Client:
    """The browser of somebody who may do all but touch protected environments."""
    return login(user_with(*ALL_BUT_PROTECTED, username="apprentice"))


@pytest.fixture
def one_of_everything(production: Environment, public: ApiGroup) -> None:
    """One row of everything, in production; of trusted origins a revoked one, too, and of cards an ignored one."""
    grant = TrustedOriginFactory.create(origin=ACTIVE, front_end=FrontEndFactory.create())
    services.revoke(TrustedOriginFactory.create(origin=GONE), reason="x")
    GroupModeFactory.create()
    RejectionFactory.create()
    ParityDifferenceFactory.create()
    RejectedOriginFactory.create()
    RejectedOriginFactory.create(origin="https://ignored.example.net", status=CardStatus.IGNORED)
    OriginUsage.objects.create(
        trusted_origin=grant, origin=grant.origin, method="GET", count=1, first_seen=NOW, last_seen=NOW
    )
    # What can be deleted, for nothing belongs to it; and an origin that is trusted elsewhere alone.
    spare, group = EnvironmentFactory.create(slug="spare"), ApiGroupFactory.create(slug="spare")
    TrustedOriginFactory.create(origin="https://other.example.com", environment=production, api_group=group).delete()
    TrustedOriginFactory.create(origin="https://other.example.com", environment=spare, api_group=public)
    TrustedOrigin.objects.filter(environment=spare).update(environment=production)
    FrontEndFactory.create(slug="spare")
    make_issuer(environment=production, api_groups=[public])


ALL_BUT_PROTECTED = tuple(
    f"{verb}_{model}"
    for model in ("environment", "groupmode", "apigroup", "apiroute", "trustedorigin", "frontend")
    for verb in ("add", "change", "delete", "view")
)


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
