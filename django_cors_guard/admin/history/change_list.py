"""The list of changes: what an index finds is found however old it is, all else among the newest changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import shown
from django_cors_guard.admin.filters import Choices
from django_cors_guard.admin.history.story import find_floor, find_newest, read_number, tell
from django_cors_guard.admin.names import Names, names_of, once
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.models import ApiGroup, Environment, PolicyChange
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.history.snapshots import with_texts

#: Parameters that an index answers by itself.
INDEXED: Final = frozenset({"revision", "revision__exact"})
#: Parameters of an address that are no filters.
_NO_FILTERS: Final = frozenset({"q", "p", "e", "o", "all", "_facets"})
#: Targets that a search tries, and changes of the revisions of a page that are counted.
MAX_TRIED: Final = 900
MAX_COUNTED: Final = 2000


class WhoFilter(admin.SimpleListFilter):
    """Who did it: users by their key, all others by the name that the story has of them."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        newest = once(request, find_newest)
        found = {f"{key}" if key is not None else f":{label}": label for _number, key, label in newest}
        return [(value, shown(label) or _("the system")) for value, label in sorted(found.items())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value.startswith(":"):
            return queryset.none() if "\0" in value else queryset.filter(actor=None, actor_label=value[1:])
        return queryset.filter(actor_id=value) if is_key(value) else queryset.none()


class AboutFilter(admin.SimpleListFilter):
    """What sort of row it was."""

    title = _("what")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        models = (model for model in apps.get_app_config("cors_guard").get_models() if issubclass(model, PolicyModel))
        return [(str(model._meta.model_name), capfirst(model._meta.verbose_name_plural)) for model in models]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        known = [choice for choice, _words in self.lookup_choices]
        return queryset.filter(target__startswith=f"{value}:") if value in known else queryset


class HowFilter(admin.ChoicesFieldListFilter):
    """Where it came from."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("how")


class WhenFilter(admin.DateFieldListFilter):
    """When it was."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("when")


class HistoryList(ChangeList):
    """Bounds what no index answers to the newest changes, and puts the rows of a page into words."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        asked = {name for name in self.params if name not in _NO_FILTERS}
        # A search bounds itself, where it has to.
        if not asked or self.query or asked & INDEXED or is_key(self.params.get("who", "")):
            return found
        return found.filter(pk__gt=find_floor(request))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Only now: what counts rows has no use for their texts.
        rows: list[Any] = list(with_texts(self.result_list))
        sizes = count_changes({row.revision for row in rows})
        for row, told in zip(rows, tell(rows, names_of(request).with_rows(rows)), strict=True):
            row.told, row.siblings = told, sizes.get(row.revision)
        self.result_list = rows


def is_key(text: str) -> bool:
    """Whether ``text`` can be the key of a user: a number, or with a project's own users perhaps a UUID."""
    field: Any = PolicyChange._meta.get_field("actor")
    try:
        field.target_field.clean(text, None)
    except (ValidationError, OverflowError):
        return False
    return bool(text)


def count_changes(revisions: Iterable[int]) -> dict[int, int]:
    """Return how many changes each of ``revisions`` has; nothing where there are too many to be counted."""
    rows = PolicyChange.objects.filter(revision__in=list(revisions)).values_list("revision", flat=True)
    found = list(rows[: MAX_COUNTED + 1])
    return dict(Counter(found)) if len(found) <= MAX_COUNTED else {}


def search_changes(request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Return the changes of the row that ``term`` names: an origin in any place, a slug, a target, or a revision.

    Where there is none, those among the newest changes whose target has ``term`` in it.
    """
    text = term.strip()
    if not text:
        return queryset
    if "\0" in text:
        return queryset.none()
    whole = queryset.filter(target__in=list_candidates(text, names_of(request)))
    if whole.exists():
        return whole
    number = read_number(text)
    if number is not None:
        return queryset.filter(revision=number)
    return queryset.filter(pk__gt=find_floor(request), target__icontains=text)


def list_candidates(text: str, names: Names) -> list[str]:
    """Return every target that ``text`` may be short for."""
    spellings = [text, f"https://{text}", f"http://{text}"]
    origins = [found.text for found in (parse_origin(spelling).origin for spelling in spellings) if found is not None]
    places = [
        f"{environment}/{group}" for environment, group in product(names.slugs[Environment], names.slugs[ApiGroup])
    ]
    models = ("environment", "apigroup", "groupmode", "apiroute", "trustedorigin")
    plain = [text, *(f"{model}:{text}" for model in models)]
    modes = [f"groupmode:{place}" for place in places if text in place.split("/")]
    grants = [f"trustedorigin:{place}/{origin}" for origin in dict.fromkeys(origins) for place in places]
    return [*plain, *modes, *grants][:MAX_TRIED]
