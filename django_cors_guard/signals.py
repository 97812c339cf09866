"""Signals of the guard: for projects, and between its own modules.

``policy_written`` is sent with ``sender`` the model class or None, ``using`` (database alias) and ``committed``: False
right after a write inside its transaction, True once that has been committed.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

policy_written: Final = Signal()
