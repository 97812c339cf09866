"""The pages of the desk beside those of single models: one view each, with a title and the permissions it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import PolicyState, TrustedOrigin, writing
from django_cors_guard.models.revision import Source

TEMPLATES: Final = "admin/cors_guard/desk"


@dataclass(frozen=True, slots=True)
class DeskPage:
    """A page at ``trustedorigin/<name>/``, whose URL is called ``admin:cors_guard_<name>``.

    ``permissions`` are codenames of this app; all of them are needed to open it. ``view`` is called with the request
    and the admin site. What the services refuse undoes the whole request and is said in words where the form was.
    """

    name: str
    permissions: tuple[str, ...]
    view: Callable[[HttpRequest, AdminSite], HttpResponse]

    def as_url(self, site: AdminSite) -> URLPattern:
        """Return the pattern under which ``site`` serves it."""
        view = site.admin_view(partial(self.open, site=site))
        return path(f"{self.name}/", view, name=f"cors_guard_{self.name}")

    def open(self, request: HttpRequest, site: AdminSite) -> HttpResponse:
        """Answer a request of somebody who has logged in."""
        if not may(request, *self.permissions):
            raise PermissionDenied
        request.current_app = site.name
        if request.method != "POST":
            return self.view(request, site)
        try:
            with transaction.atomic(using=router.db_for_write(PolicyState)), writing(Source.ADMIN):
                return self.view(request, site)
        except CorsGuardError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.get_full_path())


def may(request: HttpRequest, *permissions: str) -> bool:
    """Whether the user has all of these permissions of the app, given by codename."""
    user: Any = request.user
    return all(user.has_perm(f"cors_guard.{codename}") for codename in permissions)


def show_page(request: HttpRequest, site: AdminSite, template: str, title: Any, **context: Any) -> TemplateResponse:
    """Return a page of the desk; ``template`` is a name in ``desk/`` and extends ``desk/page.html``."""
    frame = {**site.each_context(request), "title": title, "opts": TrustedOrigin._meta}
    return TemplateResponse(request, f"{TEMPLATES}/{template}", {**frame, **context})
