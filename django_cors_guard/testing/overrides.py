"""Other keys of ``CORS_GUARD`` for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings

from django_cors_guard import conf


@contextmanager
def override_cors_guard(**keys: Any) -> Iterator[None]:
    """Run the block with these keys of ``CORS_GUARD`` on top of the project's own."""
    merged = {**getattr(settings, conf.SETTING, {}), **keys}
    with override_settings(**{conf.SETTING: merged}):
        yield
