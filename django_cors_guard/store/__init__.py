"""Rows become one immutable policy a process, and stay fresh: nothing else turns the database into decisions."""

from __future__ import annotations

import os
from typing import Any, Final

from django_cors_guard import conf
from django_cors_guard.store.entries import CACHE_SCHEMA
from django_cors_guard.store.keeper import Store
from django_cors_guard.store.loading import load, load_about
from django_cors_guard.store.state import Freshness

__all__ = [
    "CACHE_SCHEMA",
    "Freshness",
    "Store",
    "acurrent",
    "current",
    "forget_settings",
    "load",
    "load_about",
    "look_again",
    "preload",
    "store",
]

store: Final = Store()
current = store.current
acurrent = store.acurrent
preload = store.preload

os.register_at_fork(after_in_child=store.after_fork)


def look_again(**_: Any) -> None:
    """Receiver of ``policy_written``: the process that writes looks at its next request."""
    store.nudge()


def forget_settings(*, setting: str, **_: Any) -> None:
    """Receiver of ``setting_changed``: another setting may mean another policy."""
    if setting in {conf.SETTING, "CACHES", "DATABASE_ROUTERS"}:
        store.forget()
