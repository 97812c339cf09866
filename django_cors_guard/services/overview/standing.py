"""How the guard stands: what this process enforces, what keeps it from that, and what the database holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import router
from django.db.models import OuterRef, Subquery

from django_cors_guard import conf
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import Environment, PolicyChange, PolicyState
from django_cors_guard.models.revision import STATE_ID
from django_cors_guard.store import Freshness, store

#: Fields of an environment that let in what is refused without them.
SWITCHES: Final = (
    "allow_insecure_http",
    "allow_insecure_credentials",
    "allow_loopback",
    "allow_subdomain_patterns",
    "allow_custom_schemes",
)


class Trouble(StrEnum):
    """What keeps the guard from its work in this process, the gravest first."""

    NO_POLICY = "no_policy"  # none was ever loaded
    LAPSED = "lapsed"  # the database has been away too long, so every grant has lapsed
    UNCONFIRMED = "unconfirmed"  # the database did not answer of late; the last good policy serves
    ENVIRONMENT_MISSING = "environment_missing"  # the active environment has no row, so nothing is trusted
    NO_GROUP = "no_group"  # so nothing is guarded
    NO_ROUTE = "no_route"  # so nothing is guarded


@dataclass(frozen=True, slots=True)
class OwnMode:
    """An API group whose mode in force is not its environment's."""

    api_group: str
    mode: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What this process enforces. ``environment`` is None where the active one, ``slug``, has no row.

    ``mode`` is in force: none is stricter than ``max_mode``, and without a policy it is blank. ``switches`` are the
    dangerous ones that are on, ``open_groups`` those that every page in the world may read.
    """

    slug: str
    environment: Environment | None
    mode: str
    max_mode: str
    own_modes: tuple[OwnMode, ...]
    switches: tuple[str, ...]
    open_groups: tuple[str, ...]
    revision: int
    age_seconds: float | None
    switched_off: int
    troubles: tuple[Trouble, ...]

    @property
    def is_capped(self) -> bool:
        """Whether the environment asks for more than MAX_MODE lets through."""
        return self.environment is not None and self.mode not in {"", self.environment.mode}


@dataclass(frozen=True, slots=True)
class Newest:
    """The revision in the database, and how it came about; ``at`` is None where no change tells of it.

    ``is_here`` says whether this process enforces it.
    """

    revision: int
    is_here: bool
    at: datetime | None = None
    by: str = ""
    source: str = ""


def describe_standing(environments: Iterable[Environment]) -> Standing:
    """Return how the guard stands in this process; ``environments`` are the rows there are. Asks nobody."""
    config, fresh, policy = conf.current(), store.freshness(), store.at_hand()
    row = next((found for found in environments if found.slug == config.environment), None)
    return Standing(
        slug=config.environment,
        environment=row,
        mode=str(policy.own.mode) if policy is not None else "",
        max_mode=str(config.max_mode),
        own_modes=tuple(_list_own_modes(policy)) if policy is not None else (),
        switches=tuple(name for name in SWITCHES if row is not None and getattr(row, name)),
        open_groups=tuple(_list_open_groups(policy)) if policy is not None else (),
        revision=fresh.revision,
        age_seconds=fresh.age_seconds,
        switched_off=fresh.switched_off,
        troubles=tuple(_find_troubles(policy, fresh)),
    )


def _list_own_modes(policy: Policy) -> Iterator[OwnMode]:
    for slug, group in sorted(policy.groups.items()):
        if group.mode is not policy.own.mode:
            yield OwnMode(slug, str(group.mode))


def _list_open_groups(policy: Policy) -> Iterator[str]:
    for slug, group in sorted(policy.groups.items()):
        if group.rules.any_origin:
            yield slug


def _find_troubles(policy: Policy | None, fresh: Freshness) -> Iterator[Trouble]:
    if policy is None:
        yield Trouble.NO_POLICY
        return
    if fresh.lapsed:
        yield Trouble.LAPSED
    elif fresh.failures:
        yield Trouble.UNCONFIRMED
    if not policy.known:
        yield Trouble.ENVIRONMENT_MISSING
    if not policy.groups:
        yield Trouble.NO_GROUP
    elif not policy.routes:
        yield Trouble.NO_ROUTE


def read_newest() -> Newest:
    """Return what the database holds. One query."""
    using = router.db_for_write(PolicyState)
    policy = store.at_hand()
    story = PolicyChange.objects.using(using).filter(revision=OuterRef("revision"), token=OuterRef("token"))
    first = story.order_by("pk")
    found = (
        PolicyState.objects.using(using)
        .filter(pk=STATE_ID)
        .values_list(
            "revision",
            "token",
            Subquery(first.values("at")[:1]),
            Subquery(first.values("actor_label")[:1]),
            Subquery(first.values("source")[:1]),
        )
        .first()
    )
    if found is None:
        return Newest(0, is_here=policy is not None and policy.version == (0, ""))
    revision, token, at, by, source = found
    return Newest(revision, policy is not None and policy.version == (revision, token), at, by or "", source or "")
