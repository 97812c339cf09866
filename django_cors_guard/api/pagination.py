"""Pages by id: newest first, without counting, skipping or repeating, whatever is written in between."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Self
from urllib.parse import urlencode

from django.db import router
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_cors_guard.api.errors import ErrorItem, InvalidInput, show
from django_cors_guard.api.numbers import MAX_NUMBER, BadNumber, read_number
from django_cors_guard.api.times import format_time
from django_cors_guard.services import GrantList, GrantReview
from django_cors_guard.services.reviewing.listing import Place
from django_cors_guard.services.reviewing.sheets import describe_list

CURSOR: Final = "cursor"
AFTER: Final = "after"
PAGE_SIZE: Final = "page_size"
DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000
#: Rows that are looked at for one page where not every row belongs on it; then the page comes as it is.
MAX_EXAMINED: Final = 5000

_OLDER: Final = "o"
_NEWER: Final = "n"
_MAX_TOKEN: Final = 40

Keep = Callable[[Any], bool]


class Cursor(NamedTuple):
    """Where a page begins: right before (``older``) or right behind the row of that id, which need not exist."""

    older: bool
    id: int

    def encode(self) -> str:
        """Return the cursor as it stands in a link."""
        return urlsafe_b64encode(f"{_OLDER if self.older else _NEWER}{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Self | None:
        """Return the cursor that ``encode`` wrote as ``token``, or None."""
        try:
            text = urlsafe_b64decode(token[:_MAX_TOKEN].encode("ascii") + b"===").decode("ascii")
        except (binascii.Error, UnicodeError):
            return None
        direction, digits = text[:1], text[1:]
        if direction not in {_OLDER, _NEWER} or not digits.isdecimal() or int(digits) > MAX_NUMBER:
            return None
        found = cls(direction == _OLDER, int(digits))
        # Exactly as it was written: a token that was cut or added to is no place in the list.
        return found if found.encode() == token else None


class _Page(NamedTuple):
    """Rows newest first; ``top`` and ``bottom`` are the ids that links go on from, None where nothing was there."""

    rows: list[Any]
    top: int | None
    bottom: int | None
    has_newer: bool
    has_older: bool


class IdCursorPagination(BasePagination):
    """Keyset pagination on ``-id``. An id is unique, so rows of one instant are neither skipped nor repeated."""

    parameters: ClassVar[tuple[str, ...]] = (CURSOR, PAGE_SIZE)
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        """Return what is wrong with the parameters of the page."""
        errors = []
        token, size = given.get(CURSOR), given.get(PAGE_SIZE)
        if token is not None and Cursor.decode(token) is None:
            text = _("That is no cursor: follow “next” and “previous” of an answer as they are, or leave it out.")
            errors.append(ErrorItem("invalid_cursor", text, CURSOR, show(token)))
        if size is not None and _read_size(size) is None:
            text = _("Give a page size between 1 and %(most)d.") % {"most": MAX_PAGE_SIZE}
            errors.append(ErrorItem("invalid_page_size", text, PAGE_SIZE, show(size)))
        return errors

    def paginate_queryset(  # type: ignore[override]  # DRF's own type is narrower than what views pass
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None, *, keep: Keep | None = None
    ) -> list[Any]:
        """Return one page.

        With ``keep``, rows for which it is false are passed over, in bounded work: then a page may be short, or even
        empty, although ``next`` leads on.
        """
        given = request.query_params.dict()
        errors = self.find_errors(given)
        if errors:
            raise InvalidInput(errors)
        self.request = request
        self.given = given
        self.cursor = Cursor.decode(given.get(CURSOR, ""))
        size = _read_size(given.get(PAGE_SIZE, "")) or DEFAULT_PAGE_SIZE
        if self.cursor is not None and not self.cursor.older:
            self.page = _read_newer(queryset, self.cursor, size, keep)
        else:
            self.page = _read_older(queryset, self.cursor, size, keep)
        return self.page.rows

    def get_paginated_response(self, data: Any) -> Response:
        page = self.page
        following = Cursor(older=True, id=page.bottom) if page.has_older and page.bottom is not None else None
        preceding = Cursor(older=False, id=page.top) if page.has_newer and page.top is not None else None
        return Response({"next": self._link(following), "previous": self._link(preceding), "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page; REST framework's hook for schema generators."""
        link = {"type": "string", "format": "uri", "nullable": True}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def _link(self, cursor: Cursor | None) -> str | None:
        return self._link_to(**{CURSOR: cursor.encode()}) if cursor is not None else None

    def _link_to(self, **changed: str) -> str:
        query = urlencode({**self.given, **changed})
        return f"{self.request.build_absolute_uri(self.request.path)}?{query}"


class LogPagination(IdCursorPagination):
    """As above, and for exporters: with ``after`` the rows behind that id, oldest first.

    Each answer names its ``checkpoint``: where to go on. Whoever asks for what is ``after`` it, now or next week, gets
    every row that was written exactly once. ``next`` leads on while there is more that is ready. The view's ``settle``
    says which rows are: none may be handed out while one of a smaller id can still appear.
    """

    parameters = (CURSOR, PAGE_SIZE, AFTER)

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        errors = super().find_errors(given)
        mark = given.get(AFTER)
        if mark is not None and CURSOR in given:
            text = _("Go on with “after” or with “cursor”: they walk opposite ways.")
            errors.append(ErrorItem("conflicting_parameters", text, AFTER, show(mark)))
        elif mark is not None:
            try:
                read_number(mark)
            except BadNumber as error:
                errors.append(ErrorItem(error.code, str(error), AFTER, show(mark)))
        return errors

    def paginate_queryset(  # type: ignore[override]  # as above
        self, queryset: QuerySet[Any], request: Request, view: Any = None, *, keep: Keep | None = None
    ) -> list[Any]:
        given = request.query_params.dict()
        self.checkpoint: int | None = None
        if AFTER not in given or self.find_errors(given):
            return super().paginate_queryset(queryset, request, view, keep=keep)
        self.request, self.given = request, given
        mark = read_number(given[AFTER])
        size = _read_size(given.get(PAGE_SIZE, "")) or DEFAULT_PAGE_SIZE
        # The write database: a replica that lags shows neither what is there nor in which order it came.
        rows = queryset.using(router.db_for_write(queryset.model)).filter(pk__gt=mark).order_by("pk")
        ready = view.settle(list(rows[: size + 1]))
        self.has_more = len(ready) > size
        found: list[Any] = ready[:size]
        self.checkpoint = found[-1].pk if found else mark
        return found

    def get_paginated_response(self, data: Any) -> Response:
        if self.checkpoint is None:
            return super().get_paginated_response(data)
        onward = self._link_to(**{AFTER: str(self.checkpoint)}) if self.has_more else None
        return Response({"next": onward, "previous": None, "checkpoint": self.checkpoint, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = super().get_paginated_response_schema(schema)
        mark = {"type": "integer", "format": "int64", "description": "Only with “after”: where to go on."}
        return {**found, "properties": {**found["properties"], "checkpoint": mark}}


class ReviewPagination(IdCursorPagination):
    """Pages of the access review, which go forward only; each says as of when it is, and what it cannot tell."""

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        token = given.get(CURSOR)
        if token is None:
            return super().find_errors(given)
        errors = super().find_errors({name: value for name, value in given.items() if name != CURSOR})
        if Place.read(token) is None:
            text = _("That is no cursor: follow “next” of an answer as it is, or leave it out.")
            errors.insert(0, ErrorItem("invalid_cursor", text, CURSOR, show(token)))
        return errors

    def paginate(self, found: GrantList, request: Request) -> list[GrantReview]:
        """Return the grants of one page."""
        self.request, self.given = request, request.query_params.dict()
        size = _read_size(self.given.get(PAGE_SIZE, "")) or DEFAULT_PAGE_SIZE
        page = found.page(size, self.given.get(CURSOR, ""))
        self.found, self.following = found, page.following
        return list(page.grants)

    def get_paginated_response(self, data: Any) -> Response:
        onward = self._link_to(**{CURSOR: self.following}) if self.following else None
        head = describe_list(self.found)
        head["as_of"] = format_time(head["as_of"])
        return Response({"next": onward, "previous": None, **head, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = super().get_paginated_response_schema(schema)
        text = {"type": "string"}
        limit = {"type": "object", "required": ["code", "text"], "properties": {"code": text, "text": text}}
        head = {
            "as_of": {"type": "string", "format": "date-time"},
            "older_than_days": {"type": "integer"},
            "limits": {"type": "array", "items": limit, "description": "What the list as a whole cannot tell."},
        }
        properties = {**found["properties"], **head}
        return {**found, "required": list(properties), "properties": properties}


def _read_size(text: str) -> int | None:
    try:
        return read_number(text, least=1, most=MAX_PAGE_SIZE)
    except BadNumber:
        return None


def _read_older(queryset: QuerySet[Any], cursor: Cursor | None, size: int, keep: Keep | None) -> _Page:
    rows = queryset.order_by("-pk")
    found, last, has_more = _collect(lambda at: rows.filter(pk__lt=at) if at is not None else rows, cursor, size, keep)
    # The row that the cursor names is newer than this page, if it is still there.
    top = found[0].pk if found else max(cursor.id - 1, 0) if cursor is not None else None
    return _Page(found, top, last, cursor is not None, has_more)


def _read_newer(queryset: QuerySet[Any], cursor: Cursor, size: int, keep: Keep | None) -> _Page:
    rows = queryset.order_by("pk")
    found, last, has_more = _collect(lambda at: rows.filter(pk__gt=at), cursor, size, keep)
    bottom = found[0].pk if found else min(cursor.id + 1, MAX_NUMBER)
    return _Page(found[::-1], last, bottom, has_more, True)


def _collect(
    rows_from: Callable[[int | None], QuerySet[Model]], cursor: Cursor | None, size: int, keep: Keep | None
) -> tuple[list[Any], int | None, bool]:
    """Return up to ``size`` rows, the id of the last one looked at, and whether there is more behind it."""
    found: list[Any] = []
    at = cursor.id if cursor is not None else None
    chunk = size + 1 if keep is None else MAX_PAGE_SIZE + 1
    for _round in range(MAX_EXAMINED // MAX_PAGE_SIZE):
        rows = list(rows_from(at)[:chunk])
        for row in rows:
            if keep is None or keep(row):
                if len(found) == size:
                    return found, at, True
                found.append(row)
            at = row.pk
        if len(rows) < chunk:
            return found, at, False
    return found, at, True
