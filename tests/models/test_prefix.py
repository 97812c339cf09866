import pytest
from django.db import connection

from django_cors_guard.models import RejectedOrigin
from django_cors_guard.models.prefix import starting_with
from tests.factories import RejectedOriginFactory

pytestmark = pytest.mark.django_db

STORED = (
    "https://App.example.com",
    "https://app.example.com",
    "https://app%",
    "https://app_",
    "https://apq",
    "\\x41",
    "h",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("https://app", {"https://app.example.com", "https://app%", "https://app_"}, id="beginning"),
        pytest.param("https://App", {"https://App.example.com"}, id="upper case"),
        pytest.param("https://app%", {"https://app%"}, id="percent sign"),
        pytest.param("https://app_", {"https://app_"}, id="underscore"),
        pytest.param("app", set(), id="not at the beginning"),
        pytest.param("https://app.example.com.evil", set(), id="longer than what is stored"),
        pytest.param("\\x", {"\\x41"}, id="backslash"),
        pytest.param("h", set(STORED) - {"\\x41"}, id="one letter"),
        pytest.param("", set(STORED), id="nothing"),
    ],
)
def test_starting_with_tells_letters_apart_on_every_database(text: str, found: set[str]) -> None:
    for origin in STORED:
        RejectedOriginFactory.create(origin=origin)
    rows = starting_with(RejectedOrigin.objects.all(), "origin", text)
    assert set(rows.values_list("origin", flat=True)) == found


def test_starting_with_is_answered_by_the_index() -> None:
    if connection.vendor == "postgresql":
        pytest.skip("on a table of no rows PostgreSQL reads the table")
    plan = starting_with(RejectedOrigin.objects.all(), "origin", "https://app").explain()
    assert "cors_guard_card_origin" in plan
