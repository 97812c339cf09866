"""A policy that is put together from the blocks of a test, innermost last, and compiled without any row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import time
from typing import Any, Final, Protocol

from django_cors_guard import conf
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.origins import OriginRules, check_rules, parse_canonical
from django_cors_guard.core.policy import (
    EnvironmentRow,
    GrantRow,
    GroupRow,
    Policy,
    PolicySource,
    RouteRow,
    check_group,
)
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models.api_group import default_headers, default_methods
from django_cors_guard.wording import word_problem

#: (path prefix, host; blank for any)
Place = tuple[str, str]
ROOT: Final[Place] = ("/", "")


@dataclass(slots=True)
class Draft:
    """What the blocks around a moment add up to. Later entries win: they are the inner blocks'."""

    environment: EnvironmentRow
    groups: dict[str, GroupRow] = field(default_factory=dict)
    #: Every place a group was ever given, also those that another group has taken since.
    places: dict[str, list[Place]] = field(default_factory=dict)
    routes: dict[Place, str] = field(default_factory=dict)
    grants: dict[tuple[str, str], GrantRow] = field(default_factory=dict)
    #: Grants for which the safety switches are thrown that they need.
    wished: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, environment: EnvironmentRow) -> None:
        """Drop what outer blocks have said."""
        self.environment = environment
        for book in (self.groups, self.places, self.routes, self.grants, self.wished):
            book.clear()

    def name_group(self, slug: str, changes: dict[str, Any], places: Iterable[Place]) -> None:
        """Enter a group, or change the one that is there; a new one without places takes every path."""
        row = replace(self.groups.get(slug) or _new_group(slug), **changes)
        known = self.places.get(slug, [])
        self.enter_group(row, [*known, *places] or [ROOT])

    def enter_group(self, row: GroupRow, places: Iterable[Place]) -> None:
        """Enter a group as it stands. Raises ``InvalidRequest`` for one that no database takes."""
        if faults := check_group(row):
            raise InvalidRequest(" ".join(word_problem(fault) for fault in faults))
        self.groups[row.slug] = row
        self.places[row.slug] = list(places)
        self.routes.update(dict.fromkeys(self.places[row.slug], row.slug))

    def wish(self, group: str, origin: str, *, revoked: bool = False) -> None:
        """Trust a canonical origin, or revoke it; what an outer block said of the same one no longer counts."""
        self.wished.add((group, origin))
        self.grants[group, origin] = (group, origin, None, revoked)

    def compile(self) -> Policy:
        """Return the policy. MAX_MODE of the project is not asked: the blocks alone decide."""
        switches: dict[str, Any] = dict.fromkeys(self._list_needed_switches(), True)
        source = PolicySource(
            slug=self.environment.slug,
            environment=replace(self.environment, **switches),
            groups=tuple(self.groups.values()),
            routes=tuple(RouteRow(group, path, host) for (path, host), group in self.routes.items()),
            grants=tuple(self.grants.values()),
        )
        return compile_policy(source, now=time())

    def _list_needed_switches(self) -> set[str]:
        """Name the safety switches that origins need: a test is no deployment, so they are thrown by themselves."""
        needed: set[str] = set()
        for group, text in self.wished:
            origin = None if self.grants[group, text][-1] else parse_canonical(text)
            if origin is not None:
                rules = OriginRules(credentials=self.groups[group].allow_credentials)
                needed.update(problem.detail for problem in check_rules(origin, rules))
        return needed


class Block(Protocol):
    """Something that adds to a draft."""

    def add_to(self, draft: Draft) -> None:
        """Add to ``draft``. May raise ``CorsGuardError``."""


def compile_blocks(blocks: Iterable[Block]) -> Policy:
    """Return the policy that ``blocks`` add up to, the outermost first, in the active environment."""
    draft = Draft(EnvironmentRow(conf.current().environment))
    for block in blocks:
        block.add_to(draft)
    return draft.compile()


def _new_group(slug: str) -> GroupRow:
    return GroupRow(
        slug, allow_methods=tuple(default_methods()), allow_headers=tuple(default_headers()), mode="enforce"
    )
