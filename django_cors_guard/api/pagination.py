"""Pages by id: newest first, without counting, skipping or repeating, whatever is written in between."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_cors_guard.api.errors import ErrorItem, InvalidInput, show

CURSOR: Final = "cursor"
PAGE_SIZE: Final = "page_size"
DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000
#: Rows that are looked at for one page where not every row belongs on it; then the page comes as it is.
MAX_EXAMINED: Final = 5000

_OLDER: Final = "o"
_NEWER: Final = "n"
_MAX_ID: Final = 2**63 - 1
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
        if direction not in {_OLDER, _NEWER} or not digits.isdecimal() or int(digits) > _MAX_ID:
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

    parameters: Final = (CURSOR, PAGE_SIZE)

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

    def _link(self, cursor: Cursor | None) -> str | None:
        if cursor is None:
            return None
        query = urlencode({**self.given, CURSOR: cursor.encode()})
        return f"{self.request.build_absolute_uri(self.request.path)}?{query}"


def _read_size(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE_SIZE))):
        return None
    size = int(text)
    return size if 1 <= size <= MAX_PAGE_SIZE else None


def _read_older(queryset: QuerySet[Any], cursor: Cursor | None, size: int, keep: Keep | None) -> _Page:
    rows = queryset.order_by("-pk")
    found, last, has_more = _collect(lambda at: rows.filter(pk__lt=at) if at is not None else rows, cursor, size, keep)
    # The row that the cursor names is newer than this page, if it is still there.
    top = found[0].pk if found else max(cursor.id - 1, 0) if cursor is not None else None
    return _Page(found, top, last, cursor is not None, has_more)


def _read_newer(queryset: QuerySet[Any], cursor: Cursor, size: int, keep: Keep | None) -> _Page:
    rows = queryset.order_by("pk")
    found, last, has_more = _collect(lambda at: rows.filter(pk__gt=at), cursor, size, keep)
    bottom = found[0].pk if found else min(cursor.id + 1, _MAX_ID)
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
