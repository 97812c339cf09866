import pytest

from django_cors_guard.admin.cards import list_origin_obstacles, read_card
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


def test_card_with_obstacles_fills_in_nothing(production: Environment, public: ApiGroup) -> None:
    assert read_card(RejectedOriginFactory.create(origin="null")).as_initial() == {}
    assert read_card(RejectedOriginFactory.create(api_group="gone")).as_initial() == {}
    whole = read_card(RejectedOriginFactory.create())
    assert whole.as_initial() == {
        "environment": production.pk,
        "api_group": public.pk,
        "origin": "https://stranger.example.net",
    }
