"""Push over Redis: word of a committed change, so that other processes look at the database at once.

A hint and nothing more. Processes look every REFRESH_SECONDS whether Redis is there or not, what a message says is not
read, and the most that one can bring about is a look a little earlier. Set by ``CORS_GUARD["PUSH"]``; off by default.
"""

from __future__ import annotations

from django_cors_guard.push import listener, publisher
from django_cors_guard.signals import policy_looked, policy_written


def connect() -> None:
    """Publish what this process commits; listen from its first look on."""
    policy_written.connect(publisher.publisher.heed_write, dispatch_uid="cors_guard.push")
    policy_looked.connect(listener.listener.heed_look, dispatch_uid="cors_guard.push")
