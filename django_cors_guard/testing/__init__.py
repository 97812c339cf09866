"""Helpers for the test suites of projects that use the guard. None of them needs a row in the database.

- ``trusted``: trust origins for a block, a test or a test class, without touching the database.
- ``override_policy``: the same for a whole policy file.
- ``pending_rejections``, ``flush_rejections``, ``forget_rejections``: what was refused, read, written or dropped.
- ``override_cors_guard``: run with other keys of ``CORS_GUARD``.

Beside them, and imported by their own names, stand ``plugin`` (the pytest fixture) and ``factories`` (factory-boy).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django_cors_guard.testing.document import override_policy
    from django_cors_guard.testing.overrides import override_cors_guard
    from django_cors_guard.testing.rejections import (
        PendingRejection,
        flush_rejections,
        forget_rejections,
        pending_rejections,
    )
    from django_cors_guard.testing.trust import trusted

_HOMES: Final = {
    "PendingRejection": "rejections",
    "flush_rejections": "rejections",
    "forget_rejections": "rejections",
    "override_cors_guard": "overrides",
    "override_policy": "document",
    "pending_rejections": "rejections",
    "trusted": "trust",
}


def __getattr__(name: str) -> Any:
    """Import the helper when it is asked for: pytest imports ``plugin`` in projects that never set Django up."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "PendingRejection",
    "flush_rejections",
    "forget_rejections",
    "override_cors_guard",
    "override_policy",
    "pending_rejections",
    "trusted",
]
