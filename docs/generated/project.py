"""The Django project that the pages describe: the app alone, with nothing changed, and no database."""

from collections.abc import Callable
from typing import Final

import django
from django.conf import settings
from django.utils import translation

API_ROOT: Final = "cors-guard/"


def set_up() -> None:
    """Configure Django, unless that has been done (by the tests)."""
    if not settings.configured:
        settings.configure(
            SECRET_KEY="for the pages only",  # noqa: S106 - nothing is signed with it
            USE_TZ=True,
            INSTALLED_APPS=[
                "django.contrib.admin",
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.sessions",
                "django.contrib.messages",
                "rest_framework",
                "django_filters",
                "drf_spectacular",
                "django_cors_guard",
            ],
        )
        django.setup()


def in_english(describe: Callable[[], str]) -> str:
    """Return what ``describe`` says in the language of the pages."""
    with translation.override(None):
        return describe()
