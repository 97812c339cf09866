"""What the page of an API group tells beside its form: what routes cover, what switches mean, who is trusted where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.policy.coverage import describe_routes, read_routes
from django_cors_guard.admin.policy.live import (
    add_help,
    add_panel,
    describe_isolation,
    describe_max_age,
    word_any_origin,
    word_credentials,
    word_csrf,
)
from django_cors_guard.core.decision import Mode, Reason
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, GroupMode
from django_cors_guard.services.consequences.counts import (
    GrantCounts,
    GroupCounts,
    count_cross_site,
    count_grants_of,
)
from django_cors_guard.services.consequences.modes import cap
from django_cors_guard.url_patterns import Route, list_claimed

SWITCHES: Final = ("allow_credentials", "any_origin", "trusted_for_csrf")
#: How the list of trusted origins is asked for its parts.
ACTIVE = "active"
REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Place:
    """An API group in one environment. Addresses are blank where the user may not follow them."""

    environment: Environment
    mode: Mode
    has_own_mode: bool
    counts: GrantCounts
    all_url: str
    active_url: str
    revoked_url: str
    outlook_url: str


def describe_group(request: HttpRequest, context: dict[str, Any], group: ApiGroup | None) -> dict[str, Any]:
    """Return what the page of ``group`` (None: of a new one) shows beside its form, whose help is completed."""
    form = context["adminform"].form
    stored = _as_stored(form, group)
    rows = _list_typed(context["inline_admin_formsets"])
    others = read_routes(beside=group.pk if group is not None else None)
    environments = _read_environments(group) if group is not None else []
    counts = count_grants_of(stored, environments) if group is not None else GroupCounts({})
    patterns = list_claimed(stored.slug, [*others, *(Route(stored.slug, prefix, host) for host, prefix in rows)])
    _complete_help(form, stored, counts, len(patterns))
    if group is not None and may(request, "view_rejection"):
        log = link_to("rejection_changelist", api_group=group.slug, reason=Reason.CROSS_SITE.value)
        add_help(form, "isolate", describe_isolation(count_cross_site(group.slug), log))
    return {
        "coverage": [note.as_dict() for note in describe_routes(rows, others)],
        "places": _list_places(request, group, environments, counts) if group is not None else [],
    }


def _as_stored(form: forms.BaseModelForm[ApiGroup], group: ApiGroup | None) -> ApiGroup:
    """The group as the database has it; a form that came back with errors has changed the row at hand."""
    row = group if group is not None else ApiGroup()
    switches = {name: form.initial.get(name, getattr(row, name)) for name in SWITCHES}
    return ApiGroup(pk=row.pk, slug=row.slug, **{name: bool(value) for name, value in switches.items()})


def _complete_help(form: forms.BaseForm, stored: ApiGroup, counts: GroupCounts, patterns: int) -> None:
    is_on = stored.allow_credentials
    add_panel(form, "allow_credentials", is_on=is_on, sentences=word_credentials(counts, is_on=is_on))
    is_on = stored.trusted_for_csrf
    add_panel(form, "trusted_for_csrf", is_on=is_on, sentences=word_csrf(counts, is_on=is_on))
    is_on = stored.any_origin
    add_panel(form, "any_origin", is_on=is_on, sentences=word_any_origin(counts, patterns=patterns, is_on=is_on))
    if "max_age" in form.fields:
        form["max_age"].help_text = describe_max_age(form["max_age"].value())


def _list_typed(inlines: Iterable[Any]) -> list[tuple[str, str]]:
    """The routes as they stand in the form, also those that would not be accepted."""
    return [
        (_value(form, "host"), _value(form, "path_prefix"))
        for inline in inlines
        if inline.formset.model is ApiRoute
        for form in inline.formset.forms
        if not _is_going(form)
    ]


def _is_going(form: Any) -> bool:
    return form.is_bound and bool(form.data.get(form.add_prefix("DELETE")))


def _value(form: Any, name: str) -> str:
    value = form[name].value() if name in form.fields else getattr(form.instance, name)
    return str(value or "")


def _list_places(
    request: HttpRequest, group: ApiGroup, environments: Sequence[Environment], counts: GroupCounts
) -> list[Place]:
    sees_grants = may(request, "view_trustedorigin")
    sees_log = may(request, "view_environment", "view_rejection")
    return [
        Place(
            environment=row,
            mode=cap(own or row.mode),
            has_own_mode=own is not None,
            counts=counts.places.get(row.pk, GrantCounts()),
            all_url=_link_to_grants(group, row) if sees_grants else "",
            active_url=_link_to_grants(group, row, status=ACTIVE) if sees_grants else "",
            revoked_url=_link_to_grants(group, row, status=REVOKED) if sees_grants else "",
            outlook_url=link_to("environment_what_would_change", row.pk, api_group=group.pk) if sees_log else "",
        )
        for row, own in ((row, getattr(row, "own_mode", None)) for row in environments)
    ]


def _read_environments(group: ApiGroup) -> list[Environment]:
    """All environments, each with the mode that ``group`` has there of its own as ``own_mode``. One query."""
    own = GroupMode.objects.filter(environment=OuterRef("pk"), api_group=group.pk)
    return list(Environment.objects.order_by("slug").annotate(own_mode=Subquery(own.values("mode")[:1])))


def _link_to_grants(group: ApiGroup, environment: Environment, **query: str) -> str:
    place = {"environment__id__exact": environment.pk, "api_group__id__exact": group.pk}
    return link_to("trustedorigin_changelist", **place, **query)
