"""What stands in ``MIDDLEWARE``: the guard's own, and what else sets CORS headers."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

MIDDLEWARE: Final = "django_cors_guard.middleware.CorsGuardMiddleware"
CSRF_MIDDLEWARE: Final = "django_cors_guard.csrf.CsrfViewMiddleware"


def stands_for_csrf() -> bool:
    """Whether the guard's CSRF middleware, or a subclass of it, is in MIDDLEWARE."""
    return any(names_class(path, CSRF_MIDDLEWARE) for path in settings.MIDDLEWARE)


def find_others() -> list[str]:
    """Return what else in MIDDLEWARE goes by the name of CORS."""
    return _find_others(list(settings.MIDDLEWARE))


def find_inner() -> list[str]:
    """Return those of the others that stand behind the guard, so that it gets to see their answers."""
    standing = list(settings.MIDDLEWARE)
    own = next((place for place, path in enumerate(standing) if is_own(path)), len(standing))
    return _find_others(standing[own + 1 :])


def is_own(path: str) -> bool:
    """Whether ``path`` names the guard's middleware or a subclass of it."""
    return names_class(path, MIDDLEWARE)


def names_class(path: str, wanted: str) -> bool:
    """Whether ``path`` names the class at ``wanted`` or a subclass of it."""
    if path == wanted:
        return True
    try:
        return descends_from(import_string(path), wanted)
    except Exception:  # noqa: BLE001 - Django itself reports a middleware that cannot be imported
        return False


def descends_from(item: object, wanted: str) -> bool:
    """Whether ``item`` is the class at ``wanted`` or a subclass of it; it need not be any class."""
    return any(f"{base.__module__}.{base.__qualname__}" == wanted for base in getattr(item, "__mro__", ()))


def _find_others(paths: list[str]) -> list[str]:
    named = [path for path in paths if "cors" in path.rpartition(".")[2].lower()]
    return [path for path in named if not is_own(path)]
