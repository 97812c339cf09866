"""This process, as it tells of itself in ``GuardProcess``: the version that it decides by, whether it is idle, its end.

Only a process that has begun to answer requests tells of itself: commands, shells and the parent of forking servers may
read the policy and decide nothing. What the row says holds in this order:

- Before a look reads the version, the row says that the process is awake. So whoever commits a change which that look
  misses, and reads the rows afterwards, never finds an old version under *idle*, nor no row at all.
- ``idle_since`` is written only after a time in which nothing was decided, and from before that write on each look has
  to say first that the process is awake.
- ``lapses_at`` is later than anything the process may still trust without writing its row again.

A thread writes, where threads run; a request waits for it only when the process is new or wakes, for a second at most.
Where none run the request that looked writes, at most every ten seconds, and the process never counts as idle. If rows
cannot be written, decisions go on as ever, and the row says less than is true until its ``lapses_at``.
"""

from __future__ import annotations

import atexit
import os
from typing import Final

from django.core.signals import request_started

from django_cors_guard.presence.identity import Identity, as_moment
from django_cors_guard.presence.process import UID, Presence
from django_cors_guard.signals import policy_looked, policy_looking

__all__ = ["Identity", "Presence", "as_moment", "connect", "presence"]

presence: Final = Presence()

os.register_at_fork(after_in_child=presence.after_fork)
# Registered before the recorder's, and so run after it: what that writes at the end is signed with this row.
atexit.register(presence.leave)


def connect() -> None:
    """Tell of this process as soon as it answers requests."""
    request_started.connect(presence.begin, dispatch_uid=UID)
    policy_looking.connect(presence.looking, dispatch_uid=UID)
    policy_looked.connect(presence.looked, dispatch_uid=UID)
