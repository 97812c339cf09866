"""A clock of the whole project that goes on by an hour at each step."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_cors_guard.models import TrustedOrigin


class Hours:
    """``now`` is what the project takes for the present: behind everything that the tests' database was set up with."""

    def __init__(self) -> None:
        self.now = datetime(2126, 5, 3, 12, 0, tzinfo=UTC)

    def step(self, hours: float = 1) -> datetime:
        """Go on, and return the moment half way to the new one."""
        before = self.now
        self.now += timedelta(hours=hours)
        return before + timedelta(hours=hours) / 2


def wind(monkeypatch: pytest.MonkeyPatch) -> Hours:
    """Make the project live by a clock of its own."""
    hours = Hours()
    monkeypatch.setattr(timezone, "now", lambda: hours.now)
    field: Any = TrustedOrigin._meta.get_field("created_at")
    monkeypatch.setitem(field.__dict__, "_get_default", lambda: hours.now)
    return hours
