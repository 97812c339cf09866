from django.test import Client

from django_cors_guard.models import FrontEnd, TrustedOrigin
from tests.admin.pages import post, revision, url
from tests.factories import FrontEndFactory, TrustedOriginFactory


def test_front_end_is_written_without_a_revision(operator: Client) -> None:
    before = revision()
    data = {"name": "Shop", "slug": "shop", "owner": "Team Shop", "contact": "", "review_by": ""}
    post(operator, url("frontend_add"), data)
    row = FrontEnd.objects.get()
    post(operator, url("frontend_change", row.pk), {**data, "owner": "Team Cart", "external": "on"})
    row.refresh_from_db()
    assert (row.owner, row.external) == ("Team Cart", True)
    assert revision() == before


def test_deleting_a_front_end_leaves_its_grants(operator: Client) -> None:
    front_end = FrontEndFactory.create()
    TrustedOriginFactory.create(front_end=front_end)
    post(operator, url("frontend_delete", front_end.pk), {"post": "yes"})
    assert TrustedOrigin.objects.get().front_end is None
