"""Who revoked the grants that an import meets."""

import pytest

from django_cors_guard.models import ApiGroup, Environment, PolicyChange
from django_cors_guard.services.transfer.grants import label_revokers
from tests.factories import TrustedOriginFactory

pytestmark = pytest.mark.django_db


def test_story_of_a_place_of_the_same_name_in_other_letters_is_not_the_grants_own(
    production: Environment, public: ApiGroup
) -> None:
    """MariaDB takes upper and lower case for one, so that it also finds what was told of an environment before."""
    grant = TrustedOriginFactory.create(api_group=public, environment=production)
    grant.revoked_at = grant.created_at
    grant.save()
    told = {"revision": 1, "token": "x", "at": grant.created_at, "action": "revoked"}
    PolicyChange.objects.create(**told, target=grant.target(), actor_label="ana")
    PolicyChange.objects.create(**told, target=grant.target().replace("production", "Production"), actor_label="bob")
    assert label_revokers([grant]) == {grant.pk: "ana"}
