import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings

from django_cors_guard.api.throttling import DEFAULT_RATE, GuardThrottle
from tests.api.conftest import Api, MakeApi, codes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr(GuardThrottle, "timer", staticmethod(lambda: now[0]))
    return now


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_rejection")


def rate(value: Any) -> Any:
    return override_settings(REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": value})


@pytest.fixture
def two_a_minute() -> Iterator[None]:
    with rate({"cors_guard": "2/min"}):
        yield


@pytest.mark.usefixtures("two_a_minute")
def test_throttle_beyond_the_rate_is_429_until_the_window_ends(reader: Api, clock: list[float]) -> None:
    assert [reader.get("rejections/").status_code for _ in range(2)] == [200, 200]
    response = reader.get("rejections/")
    assert response.status_code == 429
    assert response.json()["code"] == "throttled"
    assert codes(response) == []
    # The windows are a minute long; 40 seconds of this one had gone.
    assert response.headers["Retry-After"] == "20"
    clock[0] += 19
    assert reader.get("rejections/").status_code == 429
    clock[0] += 1
    assert reader.get("rejections/").status_code == 200


@pytest.mark.usefixtures("two_a_minute")
def test_throttle_of_one_user_leaves_others_alone(reader: Api, api: MakeApi, clock: list[float]) -> None:
    assert [reader.get("rejections/").status_code for _ in range(3)] == [200, 200, 429]
    assert api("view_rejection").get("rejections/").status_code == 200


@pytest.mark.usefixtures("two_a_minute")
def test_throttle_counts_no_request_that_was_denied(api: MakeApi, clock: list[float]) -> None:
    nobody = api()
    assert {nobody.get("rejections/").status_code for _ in range(5)} == {403}


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param({}, id="scope not named"),
        pytest.param({"anon": "1/day", "user": "1/day"}, id="other scopes"),
        pytest.param(None, id="no rates at all"),
        pytest.param({"cors_guard": None}, id="switched off"),
    ],
)
def test_throttle_of_a_project_that_set_no_rate_lets_work_go_on(rates: Any, reader: Api) -> None:
    with rate(rates):
        assert {reader.get("rejections/").status_code for _ in range(5)} == {200}


def test_throttle_of_a_project_that_set_nonsense_falls_back_and_says_so(
    reader: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with rate({"cors_guard": "often"}), caplog.at_level(logging.WARNING, "django_cors_guard.api"):
        assert reader.get("rejections/").status_code == 200
    assert DEFAULT_RATE in caplog.text


def test_throttle_with_a_cache_that_is_away_lets_work_go_on(
    reader: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the cache is away")

    monkeypatch.setattr(caches["default"], "add", fail)
    assert reader.get("rejections/").status_code == 200
    assert "nobody is throttled" in caplog.text


@pytest.mark.usefixtures("two_a_minute")
def test_throttle_with_a_cache_that_keeps_nothing_lets_work_go_on(reader: Api) -> None:
    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}):
        assert {reader.get("rejections/").status_code for _ in range(5)} == {200}
