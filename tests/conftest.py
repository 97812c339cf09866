"""Fixtures and rules for the whole suite."""

from collections.abc import Iterator

import pytest
from django.utils import translation

from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.recorder import Recorder, recorder
from django_cors_guard.store import store
from tests import probes
from tests.clocks import Clock
from tests.factories import ApiGroupFactory, ApiRouteFactory, EnvironmentFactory
from tests.sending import Send, sender

#: Who asks for one of these works on the database that ``DATABASE_URL`` names.
DATABASE_FIXTURES = frozenset({"db", "transactional_db"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what ``tests/matrix.py`` asks for in the rows that differ in nothing but their database."""
    parser.addoption("--database-only", action="store_true", help="run only the tests that work on DATABASE_URL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what says the same on each database, where that is asked for."""
    if not config.getoption("--database-only"):
        return
    kept = [item for item in items if _uses_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _uses_database(item)])
    items[:] = kept


def _uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or not DATABASE_FIXTURES.isdisjoint(
        getattr(item, "fixturenames", ())
    )


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


@pytest.fixture(autouse=True)
def _forgetful_recorder() -> Iterator[None]:
    """What one test has had refused must not wait in memory for the next."""
    recorder.after_fork()
    store.forget()
    yield
    recorder.after_fork()
    store.forget()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """The language that a request of one test has chosen must not be the next test's."""
    yield
    translation.deactivate()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The recorder's sense of time."""
    hand = Clock()
    monkeypatch.setattr("django_cors_guard.recorder.monotonic", lambda: hand.mono)
    return hand


@pytest.fixture(name="recorder")
def fresh_recorder() -> Recorder:
    """One beside the process's own."""
    return Recorder()


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sends one request through the whole handler."""
    return sender(is_async=request.param == "async")


@pytest.fixture
def production(db: None) -> Environment:
    """The active environment."""
    return EnvironmentFactory.create()


@pytest.fixture
def public(db: None) -> ApiGroup:
    """An API group without credentials, on /api/public."""
    group = ApiGroupFactory.create()
    ApiRouteFactory.create(api_group=group)
    return group


@pytest.fixture
def billing(db: None) -> ApiGroup:
    """An API group with credentials, on /api/billing."""
    group = ApiGroupFactory.create(slug="billing", allow_credentials=True)
    ApiRouteFactory.create(api_group=group)
    return group
