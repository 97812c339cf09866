"""Fixtures and rules for the whole suite."""

import pytest

from tests import probes


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose services are absent, with the reason; when CI=true that is a failure."""
    for service in _services_of(item):
        reason = probes.probe(service)
        if reason is None:
            continue
        if probes.is_ci():
            pytest.fail(f"CI=true requires it: {reason}", pytrace=False)
        pytest.skip(reason)


def _services_of(item: pytest.Item) -> list[str]:
    named = [service for marker in item.iter_markers("needs") for service in marker.args]
    return [*named, "chromium"] if item.get_closest_marker("browser") else named
