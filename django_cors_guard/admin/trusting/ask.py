"""What somebody asks to be trusted: lines, each with the places it is meant for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django_cors_guard.admin.trusting.lines import Line
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services import Wish


@dataclass(frozen=True, slots=True)
class Spot:
    """One place: an API group in an environment."""

    environment: Environment
    api_group: ApiGroup


@dataclass(frozen=True, slots=True)
class Asked:
    """One line and where it shall be trusted. ``leave_out`` is where the page goes on without it, if it can."""

    line: Line
    spots: tuple[Spot, ...]
    leave_out: str = ""


def multiply(lines: Iterable[Line], environments: Iterable[Environment], groups: Iterable[ApiGroup]) -> list[Asked]:
    """Ask for every line in every place."""
    columns = list(groups)
    spots = tuple(Spot(environment, group) for environment in environments for group in columns)
    return [Asked(line, spots) for line in lines]


def list_wishes(asked: Iterable[Asked], ends: datetime | None) -> list[Wish]:
    """Return a wish for each line in each of its places, in that order."""
    return [Wish(one.line.text, spot.environment, spot.api_group, ends) for one in asked for spot in one.spots]


def environments_of(asked: Iterable[Asked]) -> list[Environment]:
    """Return the environments that would change, each once."""
    return list({spot.environment.pk: spot.environment for one in asked for spot in one.spots}.values())
