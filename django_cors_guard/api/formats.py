"""JSON in, JSON out, whatever the project's REST framework settings prefer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any, Final, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

#: More than any request to this API can mean.
MAX_BODY: Final = 256 * 1024


class GuardJSONParser(JSONParser):
    """Strict, bounded JSON in UTF-8 (RFC 8259): no NaN, no key twice, no nesting without end."""

    strict = True

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = _read(stream)
        if len(body) > MAX_BODY:
            raise RequestDataTooBig
        try:
            return json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_build_object)
        except RecursionError as error:
            raise ParseError(_("The body is nested too deeply.")) from error
        except ValueError as error:
            raise ParseError(_describe(error)) from error


class GuardJSONRenderer(JSONRenderer):
    """Compact JSON in ASCII: what a sender chose is escaped wherever it stands."""

    compact = True
    ensure_ascii = True
    strict = True


class JSONNegotiation(BaseContentNegotiation):
    """Answers with JSON, whatever ``Accept`` or a ``format`` parameter asks for: there is nothing else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        content_type = request.content_type or ""
        return next((parser for parser in parsers if media_type_matches(str(parser.media_type), content_type)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


def _read(stream: IO[Any]) -> bytes:
    try:
        return bytes(stream.read(MAX_BODY + 1))
    except UnreadablePostError as error:
        raise ParseError(_("The body ended early.")) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(_("%(name)s is no JSON.") % {"name": name})


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) < len(pairs):
        raise ValueError(_("A field stands twice in the same object."))
    return built


def _describe(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        where = {"line": error.lineno, "column": error.colno}
        return _("The body is no valid JSON (line %(line)d, column %(column)d).") % where
    if isinstance(error, UnicodeDecodeError):
        return _("The body is not UTF-8.")
    return str(error)
