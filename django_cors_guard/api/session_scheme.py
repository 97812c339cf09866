"""What drf-spectacular is told of ``SessionAuthentication``: it looks at REST framework's own class alone."""

from __future__ import annotations

from drf_spectacular.authentication import SessionScheme


class GuardSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]  # it registers itself
    """The session's cookie, as with REST framework's class."""

    target_class = "django_cors_guard.api.authentication.SessionAuthentication"
    priority = 0
