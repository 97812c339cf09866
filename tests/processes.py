"""Rows of processes, as they would have written them."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from django_cors_guard.models import GuardProcess, PolicyState


def report(host: str = "web-1", pid: int = 1, **values: Any) -> GuardProcess:
    """Write the row of a process that is confirmed at the version of the database, unless it is told otherwise."""
    now, (revision, token) = timezone.now(), PolicyState.read("default")
    fresh = {
        "environment": "production",
        "revision": revision,
        "token": token,
        "confirmed_at": now,
        "started_at": now - timedelta(hours=1),
        "lapses_at": now + timedelta(minutes=15),
    }
    return GuardProcess.objects.create(id=uuid.uuid4(), host=host, pid=pid, **{**fresh, **values})
