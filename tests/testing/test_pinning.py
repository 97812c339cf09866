import asyncio
import threading
from typing import Any

import pytest

from django_cors_guard.core.policy import Policy
from django_cors_guard.models import Environment, PolicyState
from django_cors_guard.store import Store, store
from django_cors_guard.testing.draft import compile_blocks

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy() -> Policy:
    return compile_blocks([])


@pytest.fixture
def loaded(production: Environment) -> Store:
    """A store that has read its policy."""
    store = Store()
    assert store.current() is not None
    return store


def test_pinned_policy_is_served_sync_and_async_without_a_question(
    loaded: Store, policy: Policy, django_assert_num_queries: Any
) -> None:
    loaded.pin(policy)
    with django_assert_num_queries(0):
        assert loaded.current() is policy
        assert asyncio.run(loaded.acurrent()) is policy


@pytest.mark.parametrize("shake", [Store.forget, Store.nudge, Store.after_fork, Store._renew], ids=lambda f: f.__name__)
def test_pinned_policy_survives_what_makes_the_store_look_again(
    loaded: Store, policy: Policy, shake: Any, django_assert_num_queries: Any
) -> None:
    loaded.pin(policy)
    with django_assert_num_queries(0):
        shake(loaded)
        assert loaded.current() is policy
        assert asyncio.run(loaded._arenew()) is policy


def test_unpin_goes_on_with_what_was_there(loaded: Store, policy: Policy) -> None:
    before = loaded._state
    loaded.pin(policy)
    loaded.pin(compile_blocks([]))
    loaded.unpin()
    loaded.unpin()
    assert loaded._state is before


def test_unpin_after_the_settings_have_changed_begins_anew(loaded: Store, policy: Policy) -> None:
    loaded.pin(policy)
    loaded.forget()
    loaded.unpin()
    assert loaded.at_hand() is None
    found = loaded.current()
    assert found is not None
    assert found is not policy


def test_unpin_after_a_nudge_looks_at_the_next_request(loaded: Store, policy: Policy) -> None:
    loaded.pin(policy)
    loaded.nudge()
    loaded.unpin()
    assert (loaded._state.due_wall, loaded._state.due_mono) == (0.0, 0.0)


def test_pin_outlives_an_attempt_that_was_under_way(
    production: Environment, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live server's thread may be asking the database at the moment a test pins its policy."""
    store, asked, answer, read = Store(), threading.Event(), threading.Event(), PolicyState.read(using="default")

    def wait(using: str) -> Any:
        asked.set()
        answer.wait(10)
        return read

    monkeypatch.setattr(PolicyState, "read", wait)
    monkeypatch.setattr("django_cors_guard.store.looks.load", lambda *args, **kwargs: compile_blocks([]))
    thread = threading.Thread(target=store.current)
    thread.start()
    assert asked.wait(10)
    store.pin(policy)
    answer.set()
    thread.join(10)
    assert store.current() is policy


def test_pinned_policy_is_told_to_be_fresh(loaded: Store, policy: Policy) -> None:
    loaded.pin(policy)
    fresh = loaded.freshness()
    assert fresh.known
    assert fresh.age_seconds is not None
    assert 0 <= fresh.age_seconds < 60


def test_pin_is_the_stores_own(policy: Policy) -> None:
    mine = Store()
    mine.pin(policy)
    assert mine.is_pinned
    assert not store.is_pinned
