"""Questions that a row of the database asks: a rejection, a card, a grant, named in the address by its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from django_cors_guard.admin.base import say_not_there
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.rejections.cards import CARD, find_card
from django_cors_guard.core.decision import Kind, Reason
from django_cors_guard.core.isolation import FetchMetadata
from django_cors_guard.core.origins import OriginKind, parse_canonical
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiRoute, RejectedOrigin, Rejection, TrustedOrigin
from django_cors_guard.models.rejection import MAX_STORED

REJECTION: Final = "rejection"
GRANT: Final = "grant"
MODELS: Final[Mapping[str, type[Model]]] = {REJECTION: Rejection, CARD: RejectedOrigin, GRANT: TrustedOrigin}

#: Mode and destination of a refused request of a kind; of links only these two destinations are refused.
_FETCH_MODES: Final[Mapping[str, tuple[str, str]]] = {
    Kind.NO_CORS: ("no-cors", "image"),
    Kind.NAVIGATION: ("navigate", "object"),
}
#: 18 digits fit into every database's BIGINT.
_MAX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Subject:
    """What the form begins with, and what the row does not tell. Without a path it cannot be asked yet."""

    values: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether there is enough to explain it right away."""
        return bool((self.values.get("origin") or self.values.get("headers")) and self.values.get("path"))


def check_url(row: Model) -> str:
    """Return where ``row``, a rejection, a card or a grant, is explained."""
    name = next(name for name, model in MODELS.items() if isinstance(row, model))
    return link_to("check", **{name: row.pk})


def find_subject(request: HttpRequest) -> Subject | None:
    """Return what the row that the request names asks; one that is not there, or not to be seen, is said so."""
    name = next((name for name in MODELS if name in request.GET), None)
    if name is None:
        return None
    found = _FINDERS[name](request)
    if found is None:
        messages.error(request, say_not_there(MODELS[name]._meta.verbose_name))
    return found


def _read_id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None


def _find_rejection(request: HttpRequest) -> Subject | None:
    pk = _read_id(request, REJECTION) if may(request, "view_rejection") else None
    row = Rejection.objects.filter(pk=pk).first() if pk is not None else None
    if row is None:
        return None
    values = {"environment": row.environment, "origin": row.origin, "path": row.path, "method": row.method}
    notes = []
    if row.overflow:
        notes.append(_("This row only counts what exceeded the bounds of the log: there is no request to explain."))
    elif MAX_STORED in {len(row.origin), len(row.path)} or "\\x" in f"{row.origin}{row.path}":
        notes.append(_("The log keeps printable characters, and no more than 255: this may not be what was sent."))
    if row.reason == Reason.CROSS_SITE and not row.overflow:
        values["headers"] = _guess_metadata(row)
        notes.append(_("It had no Origin. The log does not keep its Sec-Fetch headers: these are some that fit."))
    if row.kind == Kind.PREFLIGHT:
        values["method"] = ""
        notes.append(
            _("It was a preflight. The log does not keep which method and headers it asked for: fill them in.")
        )
    return Subject(values, tuple(notes))


def _guess_metadata(row: Rejection) -> str:
    said = FetchMetadata("cross-site", *_FETCH_MODES.get(row.kind, ("cors", "empty")))
    return "\n".join(f"{name}: {value}" for name, value in said.fields)


def _find_card(request: HttpRequest) -> Subject | None:
    card = find_card(request)
    return _ask_group(card.environment, card.api_group, card.origin) if card is not None else None


def _find_grant(request: HttpRequest) -> Subject | None:
    pk = _read_id(request, GRANT) if may(request, "view_trustedorigin") else None
    rows = TrustedOrigin.objects.select_related("environment", "api_group")
    grant = rows.filter(pk=pk).first() if pk is not None else None
    if grant is None:
        return None
    return _ask_group(grant.environment.slug, grant.api_group.slug, grant.origin)


_FINDERS: Final = {REJECTION: _find_rejection, CARD: _find_card, GRANT: _find_grant}


def _ask_group(environment: str, api_group: str, origin: str) -> Subject:
    """Ask where the API group begins: neither a card nor a grant is about one path."""
    example = give_example(origin)
    values = {"environment": environment, "origin": example, **_find_place(api_group)}
    notes = []
    if example != origin:
        notes.append(_("The grant is a pattern; the origin is an example of what it covers."))
    if "path" in values:
        notes.append(_("The path is where the API group begins; any other can be typed."))
    return Subject(values, tuple(notes))


def give_example(origin: str) -> str:
    """Return an origin that the pattern ``origin`` covers; any other text comes back as it is."""
    parsed = parse_canonical(origin)
    if parsed is None or not parsed.is_pattern:
        return origin
    return origin.replace("*", "3000" if parsed.kind is OriginKind.LOOPBACK_PORTS else "app")


def _find_place(api_group: str) -> dict[str, Any]:
    if api_group == OWN_GROUP:
        return {"path": reverse("admin:index")}
    route = ApiRoute.objects.filter(api_group__slug=api_group).order_by("path_prefix", "pk").first()
    return {"path": route.path_prefix, "host": route.host} if route is not None else {}
