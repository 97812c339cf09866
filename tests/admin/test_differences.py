import pytest
from django.test import Client

from django_cors_guard.models import ApiGroup, Environment
from tests.admin.pages import text, url
from tests.factories import ParityDifferenceFactory

LIST, CHANGE = "paritydifference_changelist", "paritydifference_change"
THEIRS = "https://theirs.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def test_list_says_what_differs_and_where_it_is_judged_again(operator: Client) -> None:
    ParityDifferenceFactory.create(count=7)
    words = text(operator.get(url(LIST)))
    assert THEIRS in words
    assert "public in production" in words
    assert "the other one lets the page in, and the guard would refuse it" in words
    assert "GET /api/public/hello" in words
    assert "manage.py cors_guard parity" in words


def test_page_shows_both_answers(operator: Client) -> None:
    row = ParityDifferenceFactory.create(
        kind="preflight",
        requested_method="PUT",
        requested_headers="x-a",
        theirs={"access-control-allow-origin": "<b>*"},
    )
    page = operator.get(url(CHANGE, row.pk))
    words = text(page)
    assert b"access-control-allow-origin: &lt;b&gt;*" in page.content
    assert b"<b>*" not in page.content
    assert "no CORS header" in words
    assert "PUT x-a" in words


@pytest.mark.parametrize("answer", [None, [], "x", 7])
def test_page_takes_any_answer_that_somebody_wrote_by_hand(operator: Client, answer: object) -> None:
    row = ParityDifferenceFactory.create(theirs=answer if answer is not None else {})
    assert "no CORS header" in text(operator.get(url(CHANGE, row.pk)))


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"environment": "staging"}, id="environment"),
        pytest.param({"api_group": "billing"}, id="group"),
        pytest.param({"difference": "method"}, id="difference"),
        pytest.param({"q": "https://wanted.example"}, id="origin"),
    ],
)
def test_list_filters_and_finds(operator: Client, query: dict[str, str]) -> None:
    ParityDifferenceFactory.create()
    wanted = ParityDifferenceFactory.create(
        origin="https://wanted.example", environment="staging", api_group="billing", difference="method"
    )
    assert list(operator.get(url(LIST), query).context["cl"].result_list) == [wanted]


def test_overflow_says_what_it_is(operator: Client) -> None:
    row = ParityDifferenceFactory.create(origin="", kind="", method="", path="", host="")
    for address in (url(LIST), url(CHANGE, row.pk)):
        assert "what exceeded the bounds of the log" in text(operator.get(address))
