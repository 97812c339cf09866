"""Session authentication for a project's own REST framework views, with the list of trusted origins behind it.

REST framework's views are exempt from the CSRF middleware; its session authentication runs a check of its own, with
Django's class whatever stands in ``MIDDLEWARE``. This one runs the same check with the guard's.
"""

from __future__ import annotations

from django.utils.module_loading import import_string
from rest_framework import authentication, exceptions
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """REST framework's, which also accepts origins that are trusted for the request's API group and for CSRF.

    Put it in place of REST framework's in ``DEFAULT_AUTHENTICATION_CLASSES``, or in ``authentication_classes`` of a
    view. On this app's own API it changes nothing while that is closed to other origins.
    """

    def enforce_csrf(self, request: Request) -> None:
        """Let the request pass, or raise PermissionDenied with Django's reason."""
        # Looked up late: settings name this class, so REST framework may import it before there are models.
        refusal = import_string("django_cors_guard.csrf.find_refusal")(request)
        if refusal:
            raise exceptions.PermissionDenied(f"CSRF Failed: {refusal}")
