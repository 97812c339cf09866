"""The nearest grants of a whole page of refusals."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin, nearby
from django_cors_guard.models.nearby import Refused, find_nearby, name_revokers
from tests.factories import ApiGroupFactory, EnvironmentFactory, TrustedOriginFactory, UserFactory

APP = "https://app.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def trust(origin: str = APP, *, environment: str = "production", group: str = "public", **values: Any) -> TrustedOrigin:
    return TrustedOriginFactory.create(
        origin=origin,
        environment=EnvironmentFactory.create(slug=environment),
        api_group=ApiGroupFactory.create(slug=group),
        **values,
    )


def refused(origin: str, environment: str = "production", group: str = "public") -> Refused:
    return Refused(origin, environment, group)


def find(*questions: Refused, **values: Any) -> list[tuple[str, str] | None]:
    return [
        (near.row.origin, near.nearest.difference) if near is not None else None
        for near in find_nearby(questions, **values)
    ]


def test_each_gets_its_own_answer_in_the_order_of_the_questions() -> None:
    trust()
    trust("https://partner.example.net", environment="staging")
    assert find(
        refused("http://app.example.com"),
        refused("https://partner.example.net"),
        refused("https://stranger.test"),
        refused("null"),
        refused("https://app.exarnple.com"),
    ) == [
        (APP, "scheme"),
        ("https://partner.example.net", "other_environment"),
        None,
        None,
        (APP, "look_alike"),
    ]


def test_same_origin_is_near_in_one_place_and_not_in_another() -> None:
    trust(group="billing")
    assert find(refused(APP), refused(APP, group="billing"), refused(APP, "staging")) == [
        (APP, "other_group"),
        None,
        (APP, "other_environment"),
    ]


def test_no_question_asks_nobody(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert find_nearby([]) == []


def test_page_takes_three_queries_however_many_rows_there_are(django_assert_num_queries: Any) -> None:
    questions = []
    for at in range(60):
        services.revoke(trust(f"https://a{at}.example.com"), reason="x")
        trust(f"https://b{at}.example.net", environment=f"e{at % 5}")
        questions += [refused(f"https://a{at}.example.com"), refused(f"https://c{at}.example.net", f"e{at % 5}")]
    with django_assert_num_queries(3):
        found = find_nearby(questions)
    assert {near.nearest.difference.value for near in found if near is not None} == {"revoked", "subdomain"}
    assert None not in found


def test_latest_grants_of_one_environment_do_not_crowd_out_those_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "MAX_SAMPLE", 3)
    trust()
    for at in range(5):
        trust(f"https://s{at}.example.org", environment="staging")
    assert find(refused("https://shop.example.com"), refused("https://z.example.org", "staging")) == [
        (APP, "subdomain"),
        ("https://s2.example.org", "subdomain"),
    ]


def test_relatives_are_sought_in_their_own_environment_alone() -> None:
    trust("https://api.example.com", environment="staging")
    assert find(refused("https://shop.example.com")) == [None]
    trust("https://api.example.com", expires_at=timezone.now() - timedelta(days=1))
    (near,) = find_nearby([refused("https://shop.example.com")])
    assert near is not None
    assert near.row.environment.slug == "production"


def test_relatives_that_were_revoked_explain_nothing() -> None:
    trust("https://api.example.com", revoked_at=timezone.now())
    assert find(refused("https://shop.example.com")) == [None]


def test_among_names_no_other_environment() -> None:
    trust(environment="staging")
    trust(environment="secret", group="billing")
    assert find(refused(APP), among=[]) == [None]
    (near,) = find_nearby([refused(APP)], among=["staging"])
    assert near is not None
    assert [row.environment.slug for row in near.rows] == ["staging"]


def test_among_of_one_question_opens_no_other(production: Environment) -> None:
    """Each may see the environments named and its own, not that of its neighbour on the page."""
    trust(environment="staging")
    trust("https://x.test", environment="staging")
    assert find(refused(APP), refused("https://y.test", "staging"), among=[]) == [None, None]


def test_rows_are_all_places_where_the_origin_stands_so() -> None:
    expected = [trust(group=group) for group in ("billing", "reports")]
    trust(group="archive", revoked_at=timezone.now())
    trust(environment="staging", group="billing")
    (near,) = find_nearby([refused(APP)])
    assert near is not None
    assert list(near.rows) == expected


def test_names_of_revokers_take_one_query(django_assert_num_queries: Any) -> None:
    ana = UserFactory.create(username="ana", is_superuser=True)
    grants = [trust(f"https://a{at}.example.com") for at in range(4)]
    for grant in grants[:2]:
        services.revoke(grant, actor=ana, reason="x")
    services.revoke(grants[2], reason="x")
    ana.delete()
    services.reinstate(grants[1], reason="y")
    cleo = UserFactory.create(username="cleo", is_superuser=True)
    services.revoke(grants[1], actor=cleo, reason="z")
    cleo.delete()
    rows = list(TrustedOrigin.objects.select_related("environment", "api_group", "revoked_by").order_by("origin"))
    with django_assert_num_queries(1):
        names = name_revokers(rows)
    assert names == {grants[0].pk: "ana", grants[1].pk: "cleo", grants[2].pk: ""}
