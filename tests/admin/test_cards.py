import pytest

from django_cors_guard.admin.rejections.cards import list_origin_obstacles, read_card
from django_cors_guard.models import ApiGroup, Environment
from tests.factories import RejectedOriginFactory


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://localhost:3000", "https://xn--mnchen-3ya.example", "capacitor://localhost"],
)
def test_exact_origin_as_browsers_send_it_has_no_obstacles(origin: str) -> None:
    assert list_origin_obstacles(origin) == []


@pytest.mark.parametrize(
    "origin",
    ["", "null", "https://app.example.com/", "https://app.example.com:443", "https://*.example.com", "\\xe2\\x80\\xae"],
)
def test_anything_else_has(origin: str) -> None:
    assert list_origin_obstacles(origin)


def test_card_is_read_with_all_that_stands_against_it(production: Environment, public: ApiGroup) -> None:
    assert len(read_card(RejectedOriginFactory.create(origin="null", api_group="gone")).obstacles) == 2
    whole = read_card(RejectedOriginFactory.create())
    assert (whole.environment, whole.api_group, whole.obstacles) == (production, public, ())
