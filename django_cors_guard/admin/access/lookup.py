"""What the address of the matrix asks for, and addresses of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.admin.display import shown
from django_cors_guard.models import Environment
from django_cors_guard.services.access.matrix import MAX_TEXT

#: What a number of a page, or an id, has at most; it fits into every database's BIGINT.
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Tab:
    """An environment to choose."""

    name: str
    url: str
    is_current: bool
    is_active: bool
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is asked for; ``environment`` is None where there is none at all, ``unknown`` a slug that nothing has.

    ``front_end`` and ``source`` are slugs of what access is copied from, ``targets`` the rows it is copied to (ids of
    grants), ``also`` whether origins are ticked that only the other environment has.
    """

    environments: tuple[Environment, ...]
    environment: Environment | None
    unknown: str
    text: str
    page: int
    front_end: str
    targets: frozenset[int]
    source: str
    also: bool

    def find(self, slug: str) -> Environment | None:
        """Return the environment of that slug."""
        return next((row for row in self.environments if row.slug == slug), None)

    def address(self, *, copying: bool = True, **changed: str | int) -> str:
        """Return the query that asks for the same, but for what is ``changed``."""
        asked: dict[str, str | int] = {
            "environment": self.environment.slug if self.environment is not None else "",
            "q": self.text,
            "page": self.page if self.page > 1 else "",
        }
        if copying:
            asked |= {"from_front_end": self.front_end, "from_environment": self.source}
            asked |= {"also": "on" if self.also else ""}
        pairs = [(name, str(value)) for name, value in (asked | changed).items() if value != ""]
        pairs += [("to", str(target)) for target in sorted(self.targets)] if copying else []
        return f"?{urlencode(pairs)}"

    def list_tabs(self) -> list[Tab]:
        """Return a tab for each environment."""
        active = conf.current().environment
        return [
            Tab(
                name=shown(str(row)),
                url=self.address(copying=False, environment=row.slug, page=""),
                is_current=row == self.environment,
                is_active=row.slug == active,
                is_protected=row.protected,
            )
            for row in self.environments
        ]

    def list_pages(self, pages: int, page: int) -> Sequence[tuple[int, str]]:
        """Return numbers and addresses of the pages around ``page``, of the first and of the last; 0 is a gap."""
        near = sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})
        found: list[tuple[int, str]] = []
        for number in near:
            if found and number > found[-1][0] + 1:
                found.append((0, ""))
            found.append((number, self.address(page=number)))
        return found


def read_lookup(request: HttpRequest) -> Lookup:
    """Return what the request asks for; without a name it is the active environment, or the first there is."""
    asked = request.GET
    environments = tuple(Environment.objects.order_by("slug"))
    slug = asked.get("environment", "")
    by_slug = {row.slug: row for row in environments}
    first = next(iter(environments), None)
    return Lookup(
        environments=environments,
        environment=by_slug.get(slug) or by_slug.get(conf.current().environment) or first,
        unknown=shown(slug) if slug and slug not in by_slug else "",
        text=asked.get("q", "").replace("\0", "").strip()[:MAX_TEXT],
        page=_read_number(asked.get("page", "")) or 1,
        front_end=asked.get("from_front_end", "")[:50],
        targets=frozenset(number for text in asked.getlist("to") if (number := _read_number(text))),
        source=asked.get("from_environment", "")[:50],
        also=bool(asked.get("also", "")),
    )


def say_unknown(lookup: Lookup) -> str:
    """Return what to say of an environment that is not there."""
    return _("There is no environment “%(slug)s”.") % {"slug": lookup.unknown}


def _read_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
