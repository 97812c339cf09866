"""Decisions carried out: the guard's own answers, and what it puts on everybody else's."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, ResponseHeaders

from django_cors_guard.core import headers
from django_cors_guard.core.answers import NO_CONTENT, UNAVAILABLE
from django_cors_guard.core.decision import Decision, Field
from django_cors_guard.core.refusals import FORBIDDEN_BODIES, PROBLEM_TYPE, RETRY_AFTER_SECONDS, UNAVAILABLE_BODY
from django_cors_guard.own_paths import is_own_view

_OWNED_PREFIX: Final = headers.OWNED_PREFIX
_ABSENT: Final = ("", "")


def answer(decision: Decision) -> HttpResponse:
    """Return the guard's own answer; ``carry_out`` adds the CORS headers."""
    if decision.status == NO_CONTENT:
        # A type that is taken off again, since Django would word its own from the settings.
        response = HttpResponse(status=NO_CONTENT, content_type="")
        del response.headers["Content-Type"]
        return response
    if decision.status == UNAVAILABLE:
        response = HttpResponse(UNAVAILABLE_BODY, status=UNAVAILABLE, content_type=PROBLEM_TYPE)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        response = HttpResponse(FORBIDDEN_BODIES[decision.problem], status=decision.status, content_type=PROBLEM_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def carry_out(  # noqa: C901 - every request comes through here, and a call would cost more than a branch
    decision: Decision, origin: str, request: HttpRequest, response: HttpResponseBase
) -> HttpResponseBase:
    """Put the decision's headers on ``response``, and take off what was set further in.

    ``origin`` is the one that was judged; it is sent only where ``decision`` echoes it.
    """
    held = response.headers
    fields: MutableMapping[str, Field] = (
        held._store if _KEEPS_FIELDS and type(held) is ResponseHeaders else PublicFields(held)  # noqa: SLF001 - see _keeps_fields
    )
    if decision.strip:
        for name in fields:
            if _OWNED_PREFIX in name:
                _strip(fields)
                break
    if decision.vary:
        _, existing = fields.get("vary", _ABSENT)
        fields["vary"] = ("Vary", headers.extend_vary(existing, decision.vary) if existing else decision.vary_value)
    if decision.dresses:
        # The last word is the URL resolver's: no origin is ever trusted with a view of the admin.
        match = request.resolver_match
        if match is not None and match.app_names and is_own_view(match):
            return response
        if decision.echo_origin:
            fields["access-control-allow-origin"] = (headers.ALLOW_ORIGIN, origin)
        if decision.owns_timing:
            _own_timing(fields, origin if decision.echo_origin else None)
        fields.update(decision.fields)
    return response


def _own_timing(fields: MutableMapping[str, Field], origin: str | None) -> None:
    """Let ``origin`` see how long its requests took, and nobody else, whatever a view has said."""
    if origin is not None:
        fields["timing-allow-origin"] = (headers.TIMING_ALLOW_ORIGIN, origin)
    else:
        fields.pop("timing-allow-origin", None)


def _strip(fields: MutableMapping[str, Field]) -> None:
    for name in [name for name in fields if name.startswith(headers.OWNED_PREFIX)]:
        del fields[name]


class PublicFields(MutableMapping[str, Field]):
    """A response's headers as {lower-case name: (name, value)}, through what every version of Django offers."""

    def __init__(self, held: ResponseHeaders) -> None:
        self._held = held

    def __getitem__(self, key: str) -> Field:
        return key, self._held[key]

    def __setitem__(self, key: str, field: Field) -> None:
        name, value = field
        self._held[name] = value

    def __delitem__(self, key: str) -> None:
        del self._held[key]

    def __iter__(self) -> Iterator[str]:
        return (name.lower() for name in self._held)

    def __len__(self) -> int:
        return len(self._held)


def _keeps_fields() -> bool:
    """Whether this Django keeps a response's headers in just that form, and nothing beside.

    Then a decision's own, which were found valid when the policy was compiled, go there as they are. Django's
    ``ResponseHeaders.__setitem__`` would encode and check the same few constants again at every request.
    """
    public, own = ResponseHeaders({"X-Kept": "1"}), ResponseHeaders({})
    public["X-Put"] = "2"
    store = getattr(own, "_store", None)
    if type(store) is not dict:
        return False
    store |= {"x-kept": ("X-Kept", "1"), "x-put": ("X-Put", "2")}
    return vars(public) == vars(own)


_KEEPS_FIELDS: Final = _keeps_fields()
