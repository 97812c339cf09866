"""People at work in the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import UserFactory, user_with


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


ALL_BUT_PROTECTED = tuple(
    f"{verb}_{model}"
    for model in ("environment", "groupmode", "apigroup", "apiroute", "trustedorigin", "frontend")
    for verb in ("add", "change", "delete", "view")
)


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
