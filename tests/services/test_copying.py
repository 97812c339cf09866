from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.services.access import copying as module
from django_cors_guard.services.access.copying import Copy, Source
from tests.factories import ApiGroupFactory, EnvironmentFactory, FrontEndFactory, TrustedOriginFactory

SHOP, BLOG, LOOSE = "https://shop.example.com", "https://blog.example.com", "https://loose.example.com"


@pytest.fixture
def staging(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    return EnvironmentFactory.create(slug="staging", allow_insecure_http=True)


@pytest.fixture(autouse=True)
def shop(staging: Environment) -> FrontEnd:
    """Every test has two environments, two API groups and a front end with an origin in production."""
    front_end = FrontEndFactory.create()
    TrustedOriginFactory.create(origin=SHOP, front_end=front_end)
    return front_end


@pytest.fixture
def blog(billing: ApiGroup) -> FrontEnd:
    """Another front end, which may call billing."""
    front_end = FrontEndFactory.create(slug="blog")
    TrustedOriginFactory.create(origin=BLOG, front_end=front_end, api_group=billing)
    return front_end


def copy_blog(*origins: str) -> Copy:
    return services.copy_front_end(services.read_matrix("production"), "blog", origins or [SHOP])


def copy_staging(**options: Any) -> tuple[Copy, Source]:
    source = services.read_source("staging", "production")
    matrix = services.read_matrix("production", offered=source.offered)
    return services.copy_environment(matrix, source, **options), source


# --- from a front end -------------------------------------------------------------------------------------------------


def test_copying_a_front_end_ticks_its_groups_for_the_chosen_origins_alone(blog: FrontEnd) -> None:
    TrustedOriginFactory.create(origin=LOOSE)
    assert copy_blog(SHOP) == Copy(frozenset({(SHOP, "billing")}))
    assert copy_blog(SHOP, LOOSE).ticks == {(SHOP, "billing"), (LOOSE, "billing")}


def test_copying_a_front_end_takes_what_is_in_force(blog: FrontEnd, billing: ApiGroup) -> None:
    third, fourth = ApiGroupFactory.create(slug="third"), ApiGroupFactory.create(slug="fourth")
    yesterday = timezone.now() - timedelta(days=1)
    TrustedOriginFactory.create(origin=BLOG, front_end=blog, api_group=third, expires_at=yesterday)
    services.revoke(TrustedOriginFactory.create(origin=BLOG, front_end=blog, api_group=fourth), reason="x")
    TrustedOriginFactory.create(origin="http://b.example.com", front_end=blog, api_group=fourth)
    assert copy_blog().ticks == {(SHOP, "billing")}


def test_copying_leaves_revoked_cells_alone_and_says_so(blog: FrontEnd, billing: ApiGroup) -> None:
    services.revoke(TrustedOriginFactory.create(origin=SHOP, api_group=billing), reason="x")
    assert copy_blog() == Copy(revoked=((SHOP, "billing"),))


def test_copying_leaves_out_what_a_safety_rule_forbids(blog: FrontEnd, production: Environment) -> None:
    Environment.objects.filter(pk=production.pk).update(allow_insecure_http=True)
    TrustedOriginFactory.create(origin="http://plain.example.com")
    assert copy_blog("http://plain.example.com") == Copy(refused=(("http://plain.example.com", "billing"),))


def test_copying_ticks_what_has_expired(blog: FrontEnd, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=SHOP, api_group=billing, expires_at=timezone.now() - timedelta(days=1))
    assert copy_blog().ticks == {(SHOP, "billing")}


def test_copying_ticks_nothing_where_it_would_make_no_difference(blog: FrontEnd, billing: ApiGroup) -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    TrustedOriginFactory.create(origin="https://*.example.com", api_group=billing)
    assert copy_blog() == Copy()
    ApiGroup.objects.filter(slug="billing").update(any_origin=True, allow_credentials=False)
    assert copy_blog() == Copy()


def test_copying_an_unknown_front_end_is_refused() -> None:
    with pytest.raises(UnknownName):
        services.copy_front_end(services.read_matrix("production"), "nobody", [SHOP])


# --- from an environment ----------------------------------------------------------------------------------------------


def test_copying_an_environment_ticks_what_each_front_end_has_there(
    shop: FrontEnd, staging: Environment, billing: ApiGroup
) -> None:
    TrustedOriginFactory.create(
        origin="https://shop.staging.example.com", front_end=shop, environment=staging, api_group=billing
    )
    copied, source = copy_staging()
    assert copied.ticks == {(SHOP, "billing")}
    assert source.offered == {shop.pk: ("https://shop.staging.example.com",)}


def test_copying_an_environment_offers_its_origins_and_ticks_them_if_asked(
    shop: FrontEnd, staging: Environment, billing: ApiGroup, public: ApiGroup
) -> None:
    there, other = "https://shop.staging.example.com", "https://shop2.staging.example.com"
    TrustedOriginFactory.create(origin=there, front_end=shop, environment=staging, api_group=billing)
    TrustedOriginFactory.create(origin=other, front_end=shop, environment=staging, api_group=public)
    copied, source = copy_staging(offered=True)
    assert copied.ticks == {(SHOP, "billing"), (there, "billing"), (other, "public")}
    assert source.refused == ()


def test_copying_an_environment_does_not_offer_what_cannot_be_trusted_here(
    shop: FrontEnd, staging: Environment, billing: ApiGroup
) -> None:
    there = "http://shop.staging.example.com"
    TrustedOriginFactory.create(origin=there, front_end=shop, environment=staging)
    copied, source = copy_staging(offered=True)
    assert copied.ticks == frozenset()
    assert source.offered == {}
    assert [(refused.origin, refused.problems[0].code) for refused in source.refused] == [
        (there, "needs_insecure_http")
    ]


def test_copying_an_environment_takes_what_is_in_force(
    shop: FrontEnd, staging: Environment, billing: ApiGroup, public: ApiGroup
) -> None:
    third = ApiGroupFactory.create(slug="third")
    ended = timezone.now() - timedelta(days=1)
    TrustedOriginFactory.create(
        origin="https://a.example.com", front_end=shop, environment=staging, api_group=billing, expires_at=ended
    )
    grant = TrustedOriginFactory.create(
        origin="https://b.example.com", front_end=shop, environment=staging, api_group=billing
    )
    services.revoke(grant, reason="x")
    TrustedOriginFactory.create(origin="http://localhost:3000", front_end=shop, environment=staging, api_group=third)
    copied, source = copy_staging(offered=True)
    assert copied == Copy()
    assert (source.offered, source.refused) == ({}, ())


def test_copying_an_environment_gives_an_origin_without_front_end_what_the_same_one_has(
    staging: Environment, billing: ApiGroup
) -> None:
    TrustedOriginFactory.create(origin=LOOSE)
    TrustedOriginFactory.create(origin=LOOSE, environment=staging, api_group=billing)
    TrustedOriginFactory.create(origin="https://only.example.com", environment=staging, api_group=billing)
    copied, source = copy_staging(offered=True)
    assert copied.ticks == {(LOOSE, "billing")}
    assert source.offered == {}


def test_origin_that_is_there_under_another_front_end_is_not_offered(
    shop: FrontEnd, staging: Environment, blog: FrontEnd
) -> None:
    TrustedOriginFactory.create(origin=BLOG, front_end=shop, environment=staging)
    _copied, source = copy_staging()
    assert source.offered == {}


def test_source_is_filtered_by_text_as_the_matrix_is(shop: FrontEnd, staging: Environment) -> None:
    TrustedOriginFactory.create(origin="https://a.example.com", front_end=shop, environment=staging)
    TrustedOriginFactory.create(
        origin="https://b.example.com", front_end=FrontEndFactory.create(slug="b"), environment=staging
    )
    assert set(services.read_source("staging", "production", text="shop").offered) == {shop.pk}


def test_source_that_is_too_large_says_so(
    shop: FrontEnd, staging: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_COPIED", 2)
    for n in range(2):
        TrustedOriginFactory.create(origin=f"https://a{n}.example.com", front_end=shop, environment=staging)
    assert not services.read_source("staging", "production").is_cut
    TrustedOriginFactory.create(origin="https://a2.example.com", front_end=shop, environment=staging)
    source = services.read_source("staging", "production")
    assert source.is_cut
    assert len(source.offered[shop.pk]) == 2


@pytest.mark.parametrize("many", [2, 20])
def test_queries_of_copying_do_not_grow(many: int, staging: Environment, billing: ApiGroup) -> None:
    for n in range(many):
        front_end = FrontEndFactory.create(slug=f"f{n}")
        TrustedOriginFactory.create(
            origin=f"https://a{n}.example.com", front_end=front_end, environment=staging, api_group=billing
        )
        TrustedOriginFactory.create(origin=f"https://loose{n}.example.com")
    source = services.read_source("staging", "production")
    matrix = services.read_matrix("production", offered=source.offered)
    with CaptureQueriesContext(connection) as queries:
        services.read_source("staging", "production")
        services.copy_environment(matrix, source)
    assert len(queries) == 5
