"""``trusted``: origins that are trusted for a block, a test or a test class, without touching the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.core.decision import Mode
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.core.policy import normalise_host
from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin
from django_cors_guard.testing.draft import Draft, Place
from django_cors_guard.testing.pinning import PinnedBlock
from django_cors_guard.validators import canonical_path_prefix, validate_host, validate_path_prefix


class trusted(PinnedBlock):  # noqa: N801 - it is used as a verb, as Django's override_settings is
    """Trust ``origins`` with an API group, in this process, for as long as the block runs; the database has no say.

    A context manager, and a decorator of functions, coroutine functions and ``unittest.TestCase`` classes. Within it
    the guard decides by the blocks alone: neither rows nor ``MAX_MODE`` count, also where the database has a group of
    that name, and no row is read or written, so it works in ``SimpleTestCase``. Threads of a live server are included.
    Refusals wait in memory (see ``pending_rejections``), and the outermost block begins with none.

    ``path`` and ``host`` are the group's route: by default every path of every host. ``revoked`` are origins that an
    operator has revoked. The safety switches that an origin needs (loopback, http, patterns, custom schemes) are on.
    Blocks nest and add up: what is left out (None) of a group that an outer block has named is as it was there, and
    of two groups on one path the inner one has it.

    ``isolate`` (``off``, ``monitor``, ``enforce``), ``timing`` and ``resource_policy`` are the group's isolation,
    Timing-Allow-Origin and Cross-Origin-Resource-Policy.

    Raises ``RefusedOrigin`` for what is no origin, with what to type instead, and ``InvalidRequest`` for what makes no
    sense, such as any origin together with credentials.
    """

    def __init__(
        self,
        *origins: str,
        group: str = "api",
        path: str | None = None,
        host: str | None = None,
        credentials: bool | None = None,
        trusted_for_csrf: bool | None = None,
        methods: Sequence[str] | None = None,
        headers: Sequence[str] | None = None,
        expose: Sequence[str] | None = None,
        max_age: int | None = None,
        mode: str | None = None,
        any_origin: bool | None = None,
        isolate: str | None = None,
        timing: bool | None = None,
        resource_policy: str | None = None,
        revoked: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._group = _read_group(group)
        self._places = _read_places(path, host)
        self._origins = [_read_origin(origin) for origin in origins]
        self._revoked = [_read_origin(origin) for origin in _as_list(revoked)]
        if both := set(self._origins) & set(self._revoked):
            raise InvalidRequest(
                _("%(origin)s cannot be trusted and revoked at once.") % {"origin": ", ".join(sorted(both))}
            )
        changes = {
            "allow_credentials": credentials,
            "trusted_for_csrf": trusted_for_csrf,
            "allow_methods": _as_tuple(methods),
            "allow_headers": _as_tuple(headers),
            "expose_headers": _as_tuple(expose),
            "max_age": max_age,
            "mode": _read_mode(mode),
            "any_origin": any_origin,
            "isolate": isolate,
            "timing_allow_origin": timing,
            "cross_origin_resource_policy": resource_policy,
        }
        self._changes = {name: value for name, value in changes.items() if value is not None}

    def add_to(self, draft: Draft) -> None:
        """Add this block to what the ones around it say."""
        draft.name_group(self._group, self._changes, self._places)
        if self._revoked and draft.groups[self._group].any_origin:
            raise InvalidRequest(
                _("Where any origin may call, revoking one does nothing: see “any origin” of the group “%(group)s”.")
                % {"group": self._group}
            )
        for origin in self._origins:
            draft.wish(self._group, origin)
        for origin in self._revoked:
            draft.wish(self._group, origin, revoked=True)


def _read_group(slug: str) -> str:
    if not conf.is_slug(slug):
        raise InvalidRequest(
            _("“%(slug)s” cannot be an API group: give a slug, such as “billing”.") % {"slug": str(slug)[:50]}
        )
    return slug


def _read_places(path: str | None, host: str | None) -> tuple[Place, ...]:
    if path is None and host is None:
        return ()
    path, host = path or "/", host or ""
    _must_pass(validate_path_prefix, path)
    _must_pass(validate_host, host)
    return ((canonical_path_prefix(path), normalise_host(host)),)


def _must_pass(validate: Callable[[str], None], value: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise InvalidRequest(f"{value}: {' '.join(error.messages)}") from error


def _read_origin(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"Give each origin as a string of its own, as in trusted(*origins): this is {text!r}.")
    parsed = parse_origin(text)
    if parsed.origin is None:
        raise RefusedOrigin(text, parsed.problems)
    return parsed.origin.text


def _read_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in list(Mode):
        raise InvalidRequest(
            _("“%(mode)s” is no mode: give one of %(modes)s.") % {"mode": mode, "modes": ", ".join(Mode)}
        )
    return mode


def _as_list(texts: Iterable[str]) -> list[str]:
    # A bare string is a sequence of letters to Python, and one entry to whoever writes it.
    return [texts] if isinstance(texts, str) else list(texts)


def _as_tuple(texts: Sequence[str] | None) -> Any:
    return None if texts is None else tuple(_as_list(texts))
