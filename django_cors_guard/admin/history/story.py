"""The story as pages tell it: rows in words, and what happened to one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.admin.display import shown
from django_cors_guard.admin.history.differences import readable, summarise, word_moment
from django_cors_guard.admin.names import Names, names_of, once
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    GroupMode,
    PolicyChange,
    TrustedOrigin,
)
from django_cors_guard.models.revision import Source
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.history.snapshots import model_of, with_texts
from django_cors_guard.wording import word_action

#: Changes, the newest first, that are looked through for what no index finds.
LOOKED_THROUGH: Final = 100_000
#: Newest changes whose authors can be chosen.
MAX_AUTHORS: Final = 2000
#: Changes of one object on a page.
PER_PAGE: Final = 50
#: Rows of one object whose changes are looked up.
MAX_TARGETS: Final = 500
MAX_SUMMARY: Final = 160
MAX_TARGET: Final = 512

#: Where the page of one object begins, going back in time: changes older than this number.
OLDER: Final = "older"

_ACCOUNT: Final = "cli:"
_HOW: Final[Mapping[str, Any]] = {
    Source.ADMIN.value: gettext_lazy("in the admin"),
    Source.API.value: gettext_lazy("over the API"),
    Source.CLI.value: gettext_lazy("on the command line"),
    Source.IMPORT.value: gettext_lazy("by an import"),
    Source.ORM.value: gettext_lazy("by code"),
}
#: Numbers of as many digits fit into every database.
_MAX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Told:
    """One change in words."""

    change: PolicyChange
    target: str
    action: str
    summary: str
    who: str
    how: str
    when: str
    why: str


@dataclass(frozen=True, slots=True)
class Story:
    """Some changes of one object, newest first; ``older`` is the number that the next page begins with, if any."""

    rows: tuple[Told, ...]
    older: int | None
    is_newest: bool
    title: Any


def tell(changes: Iterable[PolicyChange], names: Names) -> list[Told]:
    """Return ``changes`` in words."""
    return [
        Told(
            change=change,
            target=shown(names.of_target(change.target), MAX_TARGET),
            action=shown(word_action(change.action)),
            summary=shown(summarise(change, names), MAX_SUMMARY),
            who=word_actor(change),
            how=word_source(change),
            when=word_moment(change.at),
            why=shown(readable(change.reason).replace("\n", " "), MAX_SUMMARY),
        )
        for change in changes
    ]


def word_actor(change: PolicyChange) -> str:
    """Return who it was: a user by the name he had then, an account of the system, or the system itself."""
    label = change.actor_label
    if label.startswith(_ACCOUNT):
        return _("system account %(name)s") % {"name": shown(label.removeprefix(_ACCOUNT))}
    return shown(label) or _("the system")


def word_source(change: PolicyChange) -> str:
    """Return how it was done."""
    return str(_HOW.get(change.source) or shown(change.source))


def find_newest() -> list[tuple[int, Any, str]]:
    """Return number, user and name of the newest changes."""
    rows = PolicyChange.objects.order_by("-pk").values_list("pk", "actor_id", "actor_label")
    return list(rows[:MAX_AUTHORS])


def find_floor(request: HttpRequest) -> int:
    """Return the number below which nothing is looked through that no index finds; 0: all of it is."""
    newest = once(request, find_newest)
    return max(0, newest[0][0] - LOOKED_THROUGH) if newest else 0


def read_number(text: str) -> int | None:
    """Return a number out of an address, if it is one that a row can have."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a row, and what such rows are called."""

    url: str
    noun: Any


def find_page(change: PolicyChange, may: Callable[[str], bool]) -> Page | None:
    """Return the page of what ``change`` is about, or of what it belongs to, if it is there and the user may see it."""
    model, parts = model_of(change.target), change.target.partition(":")[2].split("/", 2)
    owner = {ApiRoute: ApiGroup, GroupMode: Environment}.get(model, model) if model is not None else None
    if owner is None or not may(f"view_{_name(owner)}"):
        return None
    wanted: dict[str, Any] = {"slug": parts[0]}
    if owner is TrustedOrigin:
        # A fixture is told of by number, and hostile rows by anything.
        names = ("environment__slug", "api_group__slug", "origin")
        wanted = dict(zip(names, [*parts, "", ""], strict=False))
    found = owner._base_manager.filter(**wanted).first()
    if found is None:
        return None
    return Page(reverse(f"admin:cors_guard_{_name(owner)}_change", args=[found.pk]), owner._meta.verbose_name)


def tell_story(request: HttpRequest, row: Model) -> Story | None:
    """Return what happened to ``row``, of which the policy keeps a story, for somebody who may see changes."""
    user: Any = request.user
    if not isinstance(row, PolicyModel | FrontEnd) or not user.has_perm("cors_guard.view_policychange"):
        return None
    below = read_number(request.GET.get(OLDER, ""))
    found = with_texts(PolicyChange.objects.filter(target__in=list_targets(request, row))).order_by("-pk")
    changes = list((found.filter(pk__lt=below) if below is not None else found)[: PER_PAGE + 1])
    page = changes[:PER_PAGE]
    return Story(
        rows=tuple(tell(page, names_of(request).with_rows(page))),
        older=page[-1].pk if len(changes) > PER_PAGE else None,
        is_newest=below is None,
        title=_("Changes of its trusted origins") if isinstance(row, FrontEnd) else _("Changes of the policy"),
    )


def list_targets(request: HttpRequest, row: Model) -> list[str]:
    """Return what the story calls ``row`` and the rows below it, those that have gone as far as they are found."""
    return list(dict.fromkeys(_list_targets(request, row)))[:MAX_TARGETS]


def _list_targets(request: HttpRequest, row: Model) -> Iterator[str]:
    if isinstance(row, FrontEnd):
        grants = TrustedOrigin.objects.filter(front_end=row).select_related("environment", "api_group")
        yield from (grant.target() for grant in grants.order_by("-pk")[:MAX_TARGETS])
        return
    if isinstance(row, PolicyModel):
        # A fixture is told of by number.
        yield from (row.target(), f"{_name(type(row))}:{row.pk}")
    slugs = names_of(request).slugs
    if isinstance(row, Environment):
        yield from (f"{_name(GroupMode)}:{row.slug}/{slug}" for slug in slugs[ApiGroup])
        yield from _find_gone(request, f"{_name(GroupMode)}:{row.slug}/")
    if isinstance(row, ApiGroup):
        yield from (route.target() for route in ApiRoute.objects.filter(api_group=row).select_related("api_group"))
        yield from (f"{_name(GroupMode)}:{slug}/{row.slug}" for slug in slugs[Environment])
        yield from _find_gone(request, f"{_name(ApiRoute)}:{row.slug}/")


def _find_gone(request: HttpRequest, beginning: str) -> Iterable[str]:
    rows: QuerySet[PolicyChange] = PolicyChange.objects.filter(pk__gt=find_floor(request), target__startswith=beginning)
    found = rows.values_list("target", flat=True).distinct()[:MAX_TARGETS]
    # Not every database minds upper and lower case.
    return (target for target in found if target.startswith(beginning))


def _name(model: type[Model]) -> str:
    return str(model._meta.model_name)
