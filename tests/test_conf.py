from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from django.test import override_settings

from django_cors_guard import conf
from django_cors_guard.testing import override_cors_guard

BAD: list[Any] = [
    ("ENVIRONMENT", "no slug!"),
    ("ENVIRONMENT", 7),
    ("ENVIRONMENT", ""),
    ("MAX_MODE", "lenient"),
    ("OPEN_OWN_API", "yes"),
    ("REFRESH_SECONDS", -1),
    ("REFRESH_SECONDS", "1"),
    ("REFRESH_SECONDS", True),
    ("REFRESH_SECONDS", float("nan")),
    ("FULL_RELOAD_SECONDS", 0),
    ("MAX_STALE_SECONDS", None),
    ("CACHE", "nowhere"),
    ("PUSH", "127.0.0.1:6379"),
    ("PUSH", "http://127.0.0.1"),
    ("PUSH", "redis://"),
    ("PUSH", "redis://127.0.0.1:port"),
    ("PUSH", "redis://127.0.0.1:0"),
    ("PUSH", "unix://"),
    ("PUSH", b"redis://127.0.0.1"),
    ("AUDIT_FLUSH_SECONDS", float("inf")),
    ("AUDIT_ROLLUP_SECONDS", 0),
    ("AUDIT_ROWS_PER_HOUR", 0),
    ("AUDIT_MAX_PENDING", 1.5),
    ("AUDIT_RETENTION_DAYS", "90"),
    ("AUDIT_CLIENT_IP", "all"),
    ("CLIENT_IP", "nowhere.at_all"),
    ("CLIENT_IP", "django_cors_guard.conf.SETTING"),
    ("CLIENT_IP", lambda request: ""),
    ("METRICS", True),
    ("METRICS", "statsd"),
    ("METRICS", ["signal"]),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_unusable_value_is_reported_and_the_default_holds(key: str, value: object) -> None:
    with override_cors_guard(**{key: value}):
        assert [bad.key for bad in conf.find_bad_values()] == [key]
        found = getattr(conf.current(), key.lower())
    # An environment that cannot be one is not replaced by another: it has no row, so nothing is trusted.
    assert found == (str(value) if key == "ENVIRONMENT" else getattr(conf.GuardSettings(), key.lower()))


@pytest.mark.parametrize(
    "url",
    ["redis://localhost", "redis://:secret@[::1]:6380/2", "rediss://user:secret@redis.example.com", "unix:///run/r"],
)
def test_urls_of_redis(url: str) -> None:
    with override_cors_guard(PUSH=url):
        assert conf.find_bad_values() == []
        assert conf.current().push == url
        assert "secret" not in repr(conf.current())


def test_every_key_has_a_field_and_a_usable_default() -> None:
    names = {field.name.upper() for field in fields(conf.GuardSettings)} - {"GIVEN", "REPLACED"}
    assert names == set(conf.KEYS)
    defaults = conf.GuardSettings()
    assert [key for key in conf.KEYS if not conf.RULES[key][0](getattr(defaults, key.lower()))] == []


@pytest.mark.parametrize("value", [None, "production", ["ENVIRONMENT"], 7])
def test_setting_that_is_no_mapping_reads_as_empty(value: object) -> None:
    with override_settings(CORS_GUARD=value):
        assert conf.current().environment == "production"


def test_environment_comes_from_the_setting_then_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_GUARD_ENVIRONMENT", "staging")
    with override_settings(CORS_GUARD={}):
        assert conf.current().environment == "staging"
    with override_settings(CORS_GUARD={"ENVIRONMENT": "local"}):
        assert conf.current().environment == "local"


def test_current_is_one_frozen_object_until_the_setting_changes() -> None:
    first = conf.current()
    assert conf.current() is first
    with pytest.raises(FrozenInstanceError):
        first.refresh_seconds = 5  # type: ignore[misc]  # that is the test
    with override_cors_guard(REFRESH_SECONDS=5):
        assert conf.current().refresh_seconds == 5
    assert conf.current().refresh_seconds == 1.0


def test_override_merges() -> None:
    with override_cors_guard(MAX_MODE="monitor"), override_cors_guard(REFRESH_SECONDS=5):
        assert (conf.current().max_mode, conf.current().environment) == ("monitor", "production")


def test_version_is_asked_for_at_every_request_in_tests_unless_a_test_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert conf.refresh_seconds() == 0
    with override_cors_guard(REFRESH_SECONDS=7):
        assert conf.refresh_seconds() == 7
    monkeypatch.setattr(conf, "in_tests", lambda: False)
    assert conf.refresh_seconds() == 1
