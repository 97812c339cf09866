"""Every page of the desk, in the order of the navigation."""

from __future__ import annotations

from typing import Final

from django_cors_guard.admin.desk import DeskPage

PAGES: Final[tuple[DeskPage, ...]] = ()
