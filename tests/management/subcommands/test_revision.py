"""`cors_guard bump`."""

import pytest

from django_cors_guard.models import PolicyChange, PolicyState
from tests.management.cli import cors_guard


@pytest.mark.django_db
def test_bump_takes_a_revision_that_asks_for_a_rebuild_and_keeps_the_reason() -> None:
    before = PolicyState.objects.get()

    run = cors_guard("bump", "--reason", "raw SQL")

    state = PolicyState.objects.get()
    assert run.code == 0, run.err
    assert state.revision == state.rebuild_revision == before.revision + 1
    assert state.token != before.token
    change = PolicyChange.objects.get(revision=state.revision)
    assert (change.action, change.source, change.reason, change.token) == ("bumped", "cli", "raw SQL", state.token)
    assert f"Revision {state.revision}." in run.out
