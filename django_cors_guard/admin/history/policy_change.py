"""Policy changes: the story, to be read; and each change that can be, to be taken back."""

from __future__ import annotations

from copy import copy
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.filters import ActionFilter
from django_cors_guard.admin.history.change_list import (
    AboutFilter,
    HistoryList,
    HowFilter,
    WhenFilter,
    WhoFilter,
    search_changes,
)
from django_cors_guard.admin.history.differences import BLANK, find_reverted, list_fields, readable
from django_cors_guard.admin.history.reverting import RevertPages, find_change
from django_cors_guard.admin.history.story import LOOKED_THROUGH, Told, find_floor, find_page, read_number, tell
from django_cors_guard.admin.names import names_of
from django_cors_guard.core.problems import show
from django_cors_guard.models import PolicyChange
from django_cors_guard.services import REVERTED
from django_cors_guard.services.history.snapshots import with_texts

#: Other changes of a revision, and entries that took a change back, that its page lists.
MAX_BESIDE: Final = 50

#: What of the story an address may ask for, beside the filters.
_ASKABLE: Final = frozenset(
    {"revision", "revision__exact", "batch", "batch__exact", "source", "source__exact", "action", "at__gte", "at__lt"}
)


class PolicyChangeAdmin(RevertPages):
    """Every change with before and after, who, when, how and why; newest first."""

    hostile_fields = ("target", "actor_label", "source", "batch", "action")
    list_display = ["happened", "summary", "reason_shown", "who_how_when"]
    list_filter = [WhoFilter, AboutFilter, ActionFilter, ("source", HowFilter), ("at", WhenFilter)]
    search_fields = ["target"]
    search_hint = _("A whole origin, slug or target, or a revision; anything else is looked for in the targets.")
    ordering = ["-id"]
    sortable_by = ()

    class Media:
        css = {"all": ["cors_guard/history.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyChange]:
        return super().get_queryset(request).defer("before", "after")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> PolicyChange | None:
        number = read_number(object_id)
        change = find_change(number) if number is not None else None
        if change is None:
            return None
        # What Django itself puts on the page, such as the last link of the way there, is the one made presentable.
        presentable: Any = copy(change)
        for name in self.hostile_fields:
            setattr(presentable, name, show(getattr(change, name)))
        (presentable.told,) = tell([change], names_of(request))
        return cast(PolicyChange, presentable)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HistoryList]:
        return HistoryList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_changes(request, queryset, search_term), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # ?reason__contains=… in the address would read through a million rows.
        own = {field.name for field in self.opts.get_fields()}
        return lookup in _ASKABLE or (lookup.partition("__")[0] not in own and lookup != "pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        revision = read_number(request.GET.get("revision", ""))
        title = gettext("History")
        if revision is not None:
            title = gettext("Changes of revision %(revision)d") % {"revision": revision}
        return super().changelist_view(
            request, {"title": title, "guard_note": say_bounds(request), **(extra_context or {})}
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            response.context_data.update(self._describe(request, response.context_data["original"].told))
        return response

    def get_fields(self, request: HttpRequest, obj: PolicyChange | None = None) -> Any:
        fields = ["target_whole", "action_in_words", "who", "how", "when", "revision_shown", "reason_whole"]
        return [*fields, "batch_shown"] if obj is not None and obj.batch else fields

    @admin.display(description=_("what happened"))
    def happened(self, change: PolicyChange) -> str:
        told = told_of(change)
        return format_html("<strong>{}</strong>: {}", told.action, told.target)

    @admin.display(description=_("who, how and when"))
    def who_how_when(self, change: PolicyChange) -> str:
        told = told_of(change)
        return format_html("{}, {}<br>{}<br>{}", told.who, told.how, told.when, self._link_revision(change))

    @admin.display(description=_("target"))
    def target_whole(self, change: PolicyChange) -> str:
        return told_of(change).target

    @admin.display(description=_("action"))
    def action_in_words(self, change: PolicyChange) -> str:
        return told_of(change).action

    @admin.display(description=_("old → new"))
    def summary(self, change: PolicyChange) -> str:
        return told_of(change).summary

    @admin.display(description=_("who"))
    def who(self, change: PolicyChange) -> str:
        return told_of(change).who

    @admin.display(description=_("how"))
    def how(self, change: PolicyChange) -> str:
        return told_of(change).how

    @admin.display(description=_("when"))
    def when(self, change: PolicyChange) -> str:
        return told_of(change).when

    @admin.display(description=_("why"))
    def reason_shown(self, change: PolicyChange) -> str:
        return told_of(change).why or BLANK

    @admin.display(description=_("why"))
    def reason_whole(self, change: PolicyChange) -> str:
        return readable(change.reason) or BLANK

    @admin.display(description=_("revision"))
    def revision_shown(self, change: PolicyChange) -> str:
        return format_html('<a href="{}">{}</a>', list_url(revision=change.revision), change.revision)

    @admin.display(description=_("batch"))
    def batch_shown(self, change: PolicyChange) -> str:
        return format_html('<a href="{}">{}</a>', list_url(batch=change.batch), change.batch)

    def _link_revision(self, change: Any) -> str:
        """Return the link to all of a revision; it says where they are several, for those belong together."""
        number = change.siblings or 1
        words = ngettext("revision %(revision)d", "%(count)d changes in revision %(revision)d", number)
        text = words % {"count": number, "revision": change.revision}
        return format_html('<a href="{}">{}</a>', list_url(revision=change.revision), text)

    def _describe(self, request: HttpRequest, told: Told) -> dict[str, Any]:
        """Return what the page of a change shows beside its own fields."""
        change = told.change
        others = with_texts(PolicyChange.objects.filter(revision=change.revision).exclude(pk=change.pk))
        beside = list(others.order_by("-pk")[: MAX_BESIDE + 1])
        undone = find_reverts(change)
        names = names_of(request).with_rows([change, *beside, *undone])
        fields = list_fields(change, names)
        return {
            "title": capfirst(told.action),
            "subtitle": told.target,
            "told": told,
            "differing": [item for item in fields if item.differs],
            "unchanged": [item for item in fields if not item.differs],
            "beside": tell(beside[:MAX_BESIDE], names),
            "beside_url": list_url(revision=change.revision) if len(beside) > MAX_BESIDE else "",
            "undone": tell(undone, names),
            "undid": find_reverted(change),
            "revert_url": self.find_revert_url(request, change),
            "page": find_page(change, lambda codename: may(request, codename)),
        }


def told_of(row: Any) -> Told:
    """Return a row of the list, or what the page shows, in words."""
    found: Told = row.told
    return found


def find_reverts(change: PolicyChange) -> list[PolicyChange]:
    """Return the entries that say that ``change`` was taken back, oldest first."""
    later = PolicyChange.objects.filter(target=change.target, action=REVERTED, pk__gt=change.pk)
    return [entry for entry in with_texts(later).order_by("pk")[:MAX_BESIDE] if find_reverted(entry) == change.pk]


def list_url(**wanted: Any) -> str:
    """Return the address of the list, narrowed."""
    return f"{reverse('admin:cors_guard_policychange_changelist')}?{urlencode(wanted)}"


def say_bounds(request: HttpRequest) -> str:
    """Return how far back the list looks, where that is not all the way."""
    if not find_floor(request):
        return ""
    text = gettext(
        "A person, a revision, and a whole origin, slug or target are found however old they are; the other filters "
        "and parts of targets among the newest %(limit)d changes."
    )
    return text % {"limit": LOOKED_THROUGH}
