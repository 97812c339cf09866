"""Who does what: sets of permissions for the people at the desk, ready to become groups of ``django.contrib.auth``.

Each role has all that the one before it has. What is rarely needed, or tells about people, belongs to no role and is
given by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import router, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard.exceptions import InvalidRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import Group, Permission


@dataclass(frozen=True, slots=True)
class Role:
    """A set of permissions, by codename; ``purpose`` says in half a sentence whom it is for."""

    name: str
    purpose: Any
    permissions: tuple[str, ...]

    @property
    def group_name(self) -> str:
        """What its group of users is called: the same in every language, since scripts name it."""
        return f"CORS guard {self.name}"


@dataclass(frozen=True, slots=True)
class Extra:
    """A permission that no role has, and what it is for."""

    codename: str
    purpose: Any


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a role's group: whether it is new, and which permissions it got."""

    role: Role
    is_new: bool
    added: tuple[str, ...]


def _verbs(verbs: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{verb}_{model}" for model in models for verb in verbs.split())


_VIEWER: Final = _verbs(
    "view",
    "apigroup",
    "apiroute",
    "environment",
    "frontend",
    "groupmode",
    "guardprocess",
    "originissuer",
    "originusage",
    "paritydifference",
    "policychange",
    "policystate",
    "rejectedorigin",
    "rejection",
    "trustedorigin",
)
_TRIAGER: Final = (*_VIEWER, "change_rejectedorigin")
_OPERATOR: Final = (*_TRIAGER, *_verbs("add change", "frontend", "trustedorigin"))
_OWNER: Final = (
    *_OPERATOR,
    *_verbs("add change delete", "apigroup", "apiroute", "environment", "groupmode", "originissuer"),
    "delete_frontend",
)

ROLES: Final[tuple[Role, ...]] = (
    Role("viewer", _("sees everything but client addresses, and changes nothing"), _VIEWER),
    Role("triager", _("also sorts rejected origins: ignores them, and takes that back"), _TRIAGER),
    Role("operator", _("also trusts, revokes and reinstates origins, and looks after front ends"), _OPERATOR),
    Role("policy owner", _("also decides how strict the guard is: environments, API groups, routes, modes"), _OWNER),
)

EXTRAS: Final[tuple[Extra, ...]] = (
    Extra("change_protected_environment", _("touches environments that are marked as protected, and what they share")),
    Extra("view_rejection_pii", _("sees the client addresses and user agents of rejections")),
    Extra("delete_trustedorigin", _("deletes trusted origins for good, where a revocation would keep the story")),
)


def make_groups(roles: Iterable[Role] = ROLES) -> list[Made]:
    """Make the groups of ``roles``, or give those that are there what they lack. Nothing is ever taken away.

    Raises InvalidRequest where the permissions are not in the database, or where the project has no such groups.
    """
    if not apps.is_installed("django.contrib.auth"):
        raise InvalidRequest(gettext("The project does without django.contrib.auth, so it has no groups of users."))
    model: type[Group] = apps.get_model("auth", "Group")
    using = router.db_for_write(model)
    with transaction.atomic(using=using):
        return [_make_group(role, model, using) for role in roles]


def _make_group(role: Role, model: type[Group], using: str) -> Made:
    wanted = _find(role.permissions, using)
    group, is_new = model._default_manager.using(using).get_or_create(name=role.group_name)
    held = set(group.permissions.using(using).values_list("pk", flat=True))
    lacking = [found for found in wanted if found.pk not in held]
    group.permissions.add(*lacking)
    return Made(role, is_new, tuple(found.codename for found in lacking))


def _find(codenames: Iterable[str], using: str) -> list[Permission]:
    wanted, model = set(codenames), apps.get_model("auth", "Permission")
    rows = model._default_manager.using(using).filter(content_type__app_label="cors_guard", codename__in=wanted)
    found: list[Permission] = list(rows.order_by("codename"))
    missing = wanted - {row.codename for row in found}
    if missing:
        text = gettext("These permissions are not in the database: %(names)s. Create them with: manage.py migrate")
        raise InvalidRequest(text % {"names": ", ".join(sorted(missing))})
    return found
