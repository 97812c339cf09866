"""Addresses of the desk's pages; those of pages that a project has left out of its admin are blank."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse


def link_to(page: str, *args: Any, **query: Any) -> str:
    """Return the address of ``admin:cors_guard_<page>`` with ``query``, or blank if the page is not registered."""
    try:
        address = reverse(f"admin:cors_guard_{page}", args=args)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address
