"""A Django request as the facts that ``core`` decides on; what is costly is found out only when it is asked for."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_cors_guard import conf
from django_cors_guard.core.policy import normalise_host
from django_cors_guard.own_paths import is_own_path

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class RequestFacts:
    """The facts of one Django request, sync or async (see ``core.decision.Facts``)."""

    __slots__ = ("_meta", "_request", "method", "origin", "path")

    def __init__(self, request: HttpRequest) -> None:
        meta = request.META
        self._request = request
        self._meta = meta
        self.method: str = request.method or ""
        self.path: str = request.path_info
        self.origin: str | None = meta.get("HTTP_ORIGIN")

    @property
    def requested_method(self) -> str | None:
        value: str | None = self._meta.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        return value

    @property
    def requested_headers(self) -> str | None:
        value: str | None = self._meta.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
        return value

    @property
    def fetch_mode(self) -> str | None:
        """The value of Sec-Fetch-Mode, which says what sort of request a browser is making."""
        value: str | None = self._meta.get("HTTP_SEC_FETCH_MODE")
        return value

    @property
    def user_agent(self) -> str:
        return str(self._meta.get("HTTP_USER_AGENT", ""))

    @property
    def host(self) -> str:
        """The host that routes compare; one that Django does not accept still finds its route, and so its guard."""
        accepted = self._accepted_host()
        return normalise_host(accepted if accepted is not None else str(self._meta.get("HTTP_HOST", "")))

    @property
    def same_origin(self) -> bool:
        """Whether the page that asks is the site's own, by Sec-Fetch-Site where there is one, else by Origin."""
        site = self._meta.get("HTTP_SEC_FETCH_SITE")
        if site is not None:
            return site in ("same-origin", "none") and self._accepted_host() is not None
        origin = self.origin
        if not origin or not self._may_be_own(origin):
            return False
        host = self._accepted_host()
        if host is None:
            return False
        scheme = self._request.scheme or ""
        own = f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ''))}"
        return origin == own

    @property
    def own_path(self) -> bool:
        """Whether the path belongs to the admin or to this app's own API."""
        return is_own_path(self.path)

    def client(self) -> str:
        """Return the client's address, as the project's CLIENT_IP callable or the server knows it; blank if unknown."""
        dotted = conf.current().client_ip
        try:
            found = import_string(dotted)(self._request) if dotted else self._meta.get("REMOTE_ADDR", "")
            return str(found or "")[:100]
        except Exception:  # noqa: BLE001 - a project's callable must not take the audit down
            return ""

    def _may_be_own(self, origin: str) -> bool:
        """Cheap: no origin is the site's own whose host stands in none of the headers that name the host."""
        meta = self._meta
        name = origin[origin.find("://") + 3 :].partition(":")[0]
        if name in meta.get("HTTP_HOST", "").lower():
            return True
        # Behind a proxy, or without a Host header, Django may take the host from elsewhere.
        return name in f"{meta.get('HTTP_X_FORWARDED_HOST', '')} {meta.get('SERVER_NAME', '')}".lower()

    def _accepted_host(self) -> str | None:
        try:
            return self._request.get_host()
        except DisallowedHost:
            return None
