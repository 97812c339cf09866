"""Who a process is, the same to all that it writes."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

from django.conf import settings
from django.utils import timezone

from django_cors_guard import conf


@dataclass(frozen=True, slots=True)
class Identity:
    """One process; ``started_at`` is when it first asked who it is, in seconds since the epoch."""

    id: uuid.UUID
    host: str
    pid: int
    started_at: float

    @classmethod
    def new(cls) -> Identity:
        """Return one that no other process has."""
        return cls(uuid.uuid4(), socket.gethostname()[:255], os.getpid(), time())

    def birth(self) -> dict[str, Any]:
        """Return what a row of it begins with."""
        return {
            "host": self.host,
            "pid": self.pid,
            "environment": conf.current().environment,
            "started_at": as_moment(self.started_at),
        }


def as_moment(seconds: float) -> datetime:
    """Return seconds since the epoch as the database takes it: without USE_TZ, naive and in the project's own zone."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)
