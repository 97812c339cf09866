"""What every service begins with: who may, where, on which database, and once more after a deadlock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import OperationalError, connections, router
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.exceptions import (
    ProtectedEnvironment,
    UnknownName,
)
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    PolicyState,
)

PROTECTED_PERMISSION: Final = "cors_guard.change_protected_environment"
DEADLOCK_TRIES: Final = 3
_P = ParamSpec("_P")
_R = TypeVar("_R")
_Named = TypeVar("_Named", Environment, ApiGroup, FrontEnd)


def retry_deadlocks(service: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run ``service`` again when the database chose it as a deadlock's victim, if the transaction is its own."""

    @wraps(service)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        tries = 1 if connections[alias()].in_atomic_block else DEADLOCK_TRIES
        for left in reversed(range(tries)):
            try:
                return service(*args, **kwargs)
            except OperationalError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    return run


def find_environment(given: Environment | str) -> Environment:
    """Return the environment; raises UnknownName with those that exist."""
    return _find(Environment, given, _("environment"))


def find_api_group(given: ApiGroup | str) -> ApiGroup:
    """Return the API group; raises UnknownName with those that exist."""
    return _find(ApiGroup, given, _("API group"))


def find_front_end(given: FrontEnd | str) -> FrontEnd:
    """Return the front end; raises UnknownName with those that exist."""
    return _find(FrontEnd, given, _("front end"))


def check_protected(actor: AbstractBaseUser | None, environments: Iterable[Environment]) -> None:
    """Raise ProtectedEnvironment if ``actor`` may not change one of ``environments``."""
    if actor is None or _may_change_protected(actor):
        return
    protected = tuple(sorted({environment.slug for environment in environments if environment.protected}))
    if protected:
        raise ProtectedEnvironment(protected)


def check_shared(actor: AbstractBaseUser | None) -> None:
    """Raise ProtectedEnvironment if ``actor`` may not change what all environments share: groups, routes, modes."""
    check_protected(actor, Environment.objects.using(alias()).filter(protected=True))


def _may_change_protected(actor: AbstractBaseUser) -> bool:
    has_perm = getattr(actor, "has_perm", None)
    return bool(has_perm is not None and has_perm(PROTECTED_PERMISSION))


def alias() -> str:
    """The database that the policy is written to, and so the one that services read."""
    return router.db_for_write(PolicyState)


def reads_may_be_stale() -> bool:
    """Whether plain reads show an older state than the latest commit: MySQL's repeatable read, inside a transaction."""
    connection = connections[alias()]
    return connection.in_atomic_block and getattr(connection, "isolation_level", None) == "repeatable read"


def tidy(text: str) -> str:
    """Without NUL, which not every database takes."""
    return text.replace("\0", "")


def _find(model: type[_Named], given: _Named | str, noun: str) -> _Named:
    """Return the row as it stands now, also for an object, which may be older than its row."""
    rows = model._base_manager.using(alias())
    if not isinstance(given, str):
        found, named = rows.filter(pk=given.pk).first(), given.slug
    else:
        # What is no slug is not even asked for: not every database takes every text.
        found, named = rows.filter(slug=given).first() if conf.is_slug(given) else None, given
    if found is None or (isinstance(given, str) and found.slug != given):
        raise UnknownName(noun, named[:50], tuple(rows.order_by("slug").values_list("slug", flat=True)[:20]))
    return found


def chosen(given: Iterable[Any] | None, find: Callable[[Any], _Named], model: type[_Named]) -> list[_Named]:
    """The rows that were named, or all of them."""
    if given is None:
        return list(model._base_manager.using(alias()).order_by("slug"))
    return [find(item) for item in given]
