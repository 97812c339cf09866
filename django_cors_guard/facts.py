"""A Django request, or an ASGI scope, as the facts that ``core`` decides on.

What is costly is found out only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_cors_guard import conf
from django_cors_guard.core.decision import PlainFacts
from django_cors_guard.core.policy import normalise_host
from django_cors_guard.own_paths import is_own_path

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_HTTPS_PORT: Final = 443


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
    def fetch_site(self) -> str | None:
        """The value of Sec-Fetch-Site: how the page that asks stands to this site."""
        value: str | None = self._meta.get("HTTP_SEC_FETCH_SITE")
        return value

    @property
    def fetch_dest(self) -> str | None:
        """The value of Sec-Fetch-Dest: what the answer is to become."""
        value: str | None = self._meta.get("HTTP_SEC_FETCH_DEST")
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
        if not origin:
            return False
        # Cheap, for each allowed request asks: what begins with neither the host that was asked nor one that a proxy
        # tells of is another site's. (Without a Host header nothing is ruled out: Django has the host from elsewhere.)
        named = self._meta.get("HTTP_HOST", "")
        if ":" in named:
            named = named.partition(":")[0]
        if f"//{named.lower()}" not in origin and not self._is_forwarded_for(origin):
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

    def _is_forwarded_for(self, origin: str) -> bool:
        forwarded = self._meta.get("HTTP_X_FORWARDED_HOST")
        return forwarded is not None and f"//{forwarded.partition(':')[0].lower()}" in origin

    def _accepted_host(self) -> str | None:
        try:
            return self._request.get_host()
        except DisallowedHost:
            return None


class ScopeFacts(RequestFacts):
    """The facts of a WebSocket's ASGI scope, as they would be of a GET request to the same address.

    Source: ASGI, "WebSocket Connection Scope" (https://asgi.readthedocs.io/en/latest/specs/www.html#websocket).
    """

    __slots__ = ()

    def __init__(self, scope: Mapping[str, Any]) -> None:
        # A request of Django's own making, so that hosts, proxies, prefixes and CLIENT_IP mean what they always mean.
        super().__init__(ASGIRequest(_as_request(scope), BytesIO()))
        self.path = _behind_root(scope) or self.path
        if self.fetch_site == "none":
            # Nobody types a socket's address: an extension began it, and only Origin tells whose.
            del self._meta["HTTP_SEC_FETCH_SITE"]

    def freeze(self) -> PlainFacts:
        """Return what the policy has to know of the socket for as long as it is open."""
        return PlainFacts(
            method=self.method,
            path=self.path,
            origin=self.origin,
            host=self.host,
            same_origin=self.same_origin,
            own_path=self.own_path,
            fetch_site=self.fetch_site,
        )


def _behind_root(scope: Mapping[str, Any]) -> str:
    """Return what follows ``root_path`` where that ends within a segment; blank anywhere else.

    Routers of sockets cut it off all the same; Django does or does not, depending on its version. Without a slash at
    its beginning the rest is no path that any API group covers.
    """
    root, path = str(scope.get("root_path") or "").rstrip("/"), str(scope["path"])
    rest = path[len(root) :]
    return rest if root and path.startswith(root) and rest[:1] not in ("", "/") else ""


def _as_request(scope: Mapping[str, Any]) -> dict[str, Any]:
    fields = [field for field in scope.get("headers", ()) if not field[0].lower().startswith(b"content-")]
    # Without what a handshake has no use for, and Django would have to decode.
    return {**scope, "method": "GET", "query_string": b"", "scheme": _http_scheme(scope), "headers": fields}


def _http_scheme(scope: Mapping[str, Any]) -> str:
    """Return the scheme of the page that would be the socket's own; a server need not name the socket's (daphne)."""
    scheme = scope.get("scheme")
    if scheme is None:
        server = scope.get("server") or ("", None)
        return "https" if server[1] == _HTTPS_PORT else "http"
    return "https" if scheme in ("wss", "https") else "http"
