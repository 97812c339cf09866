"""Trusted origins: trust, look after, and (in ``revocation``) revoke and reinstate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import PolicyRowAdmin, actor_of
from django_cors_guard.admin.display import name_of, show_origin, shown, shown_text, status_badge
from django_cors_guard.admin.grants.listing import GrantListing
from django_cors_guard.admin.grants.page import describe_grant
from django_cors_guard.admin.grants.revocation import RevocationPages
from django_cors_guard.admin.pages import PAGES
from django_cors_guard.admin.trusting.pages import TrustingPages
from django_cors_guard.models import OriginUsage, TrustedOrigin


class TrustedOriginAdmin(TrustingPages, RevocationPages, GrantListing, PolicyRowAdmin[TrustedOrigin]):
    """Who may call what, where. Environment, API group and origin are fixed once a grant is there."""

    class Media:
        css = {"all": ["cors_guard/trusted_origins.css"]}

    def get_urls(self) -> list[URLPattern]:
        return [*(page.as_url(self.admin_site) for page in PAGES), *super().get_urls()]

    @admin.display(description=_("origin"))
    def origin_whole(self, grant: TrustedOrigin) -> SafeString | str:
        return show_origin(grant.origin, limit=255)

    @admin.display(description=_("status"))
    def status_shown(self, grant: TrustedOrigin) -> str:
        return status_badge(grant)

    @admin.display(description=_("revoked by"))
    def revoked_by_shown(self, grant: TrustedOrigin) -> str:
        return shown(grant.revoked_by_label()) or "—"

    @admin.display(description=_("why it was revoked"))
    def revoke_reason_shown(self, grant: TrustedOrigin) -> str:
        return shown_text(grant.revoke_reason) or "—"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrustedOrigin]:
        return super().get_queryset(request).select_related("environment", "api_group", "front_end")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        grant = kwargs.get("obj")
        if grant is not None:
            context |= describe_grant(request, grant)
        return super().render_change_form(request, context, *args, **kwargs)

    def check_protection(self, request: HttpRequest, rows: Iterable[TrustedOrigin]) -> None:
        services.check_protected(actor_of(request), {grant.environment for grant in rows})

    def get_deleted_objects(
        self, objs: Sequence[TrustedOrigin] | QuerySet[TrustedOrigin], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what goes. Rows of usage go along with their grant: they are counted, for there may be very many."""
        grants = list(objs)
        counts = {
            str(self.opts.verbose_name_plural): len(grants),
            str(OriginUsage._meta.verbose_name_plural): OriginUsage.objects.filter(trusted_origin__in=grants).count(),
        }
        return [_word_grant(grant) for grant in grants], counts, set(), []


def _word_grant(grant: TrustedOrigin) -> str:
    words = _("%(origin)s for %(group)s in %(environment)s")
    place = {"group": name_of(grant.api_group), "environment": name_of(grant.environment)}
    return str(words % {"origin": shown(grant.origin, 255), **place})
