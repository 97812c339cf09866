"""Every page of the desk, in the order of the navigation."""

from __future__ import annotations

from typing import Final

from django_cors_guard.admin.access import page as access
from django_cors_guard.admin.check import page as check
from django_cors_guard.admin.desk import DeskPage
from django_cors_guard.admin.grants import receipt
from django_cors_guard.admin.overview import page as overview
from django_cors_guard.admin.review import page as review
from django_cors_guard.admin.transfer import pages as transfer

PAGES: Final[tuple[DeskPage, ...]] = (
    overview.PAGE,
    access.PAGE,
    review.PAGE,
    check.PAGE,
    receipt.PAGE,
    transfer.IMPORT,
    transfer.EXPORT,
)
