"""Django's own tests of its CSRF protection, with the guard's middleware in the place of Django's."""

import json
import subprocess
import sys
from typing import Any

import django
import pytest

from tests import probes
from tests.django_suite.fetch import find_version
from tests.servers import ROOT

#: Django 5.2 has 147; fewer would mean that a label no longer finds its cases.
LEAST = 140


@pytest.fixture(scope="module")
def outcomes() -> Any:
    found, wanted = find_version(), django.get_version()
    if found != wanted:
        reason = f"Django {wanted}'s own tests are not there (make venv fetches them; found: {found or 'none'})"
        if probes.is_ci():
            pytest.fail(f"CI=true requires it: {reason}", pytrace=False)
        pytest.skip(reason)
    command = [sys.executable, "-m", "tests.django_suite.run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("call", ["call_directly", "call_in_thread", "call_on_loop"])
def test_every_case_of_django_holds(outcomes: Any, call: str) -> None:
    outcome = outcomes[call]

    assert outcome["failed"] == [], outcome["output"]
    assert outcome["skipped"] == []
    assert outcome["ran"] >= LEAST
    # The list was really asked, about every origin that Django refuses.
    assert outcome["asked"] >= 20
    assert outcome["verdicts"] == ["not_trusted"]
