"""Check an origin: what one request of a page gets, and why. It asks the policy; nothing is written or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from django_cors_guard import conf, services
from django_cors_guard.admin.check import snippets, verdict
from django_cors_guard.admin.check.form import METHODS, METHODS_ID, CheckForm, Choice
from django_cors_guard.admin.check.subject import find_subject
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.display import shown, unicode_of, word_group
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.isolation import FetchMetadata
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.explanation import Answer, Explanation
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.wording import NULL_SOURCES, word_csrf, word_problem, word_reason

#: Longest piece that is shown.
MAX_SHOWN: Final = 255


@dataclass(frozen=True, slots=True)
class Reach:
    """The environments that a user may ask about; ``is_all``: every one, and whether there is one by a name."""

    rows: tuple[Environment, ...]
    is_all: bool

    def list_choices(self) -> list[Choice]:
        """Return what the form offers; the active environment also where it has no row."""
        active = conf.current().environment
        found = [Choice(row.slug, _word_choice(row, active)) for row in self.rows]
        if self.is_all and active not in {choice.slug for choice in found}:
            found.insert(0, Choice(active, _("%(slug)s (active, and not in the database)") % {"slug": active}))
        return found

    def find(self, slug: str) -> Environment | None:
        """Return the row of ``slug``, if it has one."""
        return next((row for row in self.rows if row.slug == slug), None)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two requests that a browser sends: what it gets, and how to try it."""

    id: str
    title: str
    words: str
    head: str
    curl: str


def check(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the form, and what comes of what it asks."""
    reach = find_reach(request)
    subject = find_subject(request)
    choices = reach.list_choices()
    data: Any = request.GET if "origin" in request.GET else None
    if data is None and subject is not None and subject.is_complete:
        data = dict(subject.values)
    initial = {"environment": _choose_first(choices), **(subject.values if subject is not None else {})}
    form = CheckForm(data, initial=initial, environments=choices)
    context = _describe(request, form.cleaned_data, form.metadata, reach) if form.is_bound and form.is_valid() else {}
    notes = [*(subject.notes if subject is not None else ()), *form.notes]
    frame = {"form": form, "notes": notes, "methods": METHODS, "methods_id": METHODS_ID}
    return show_page(request, site, "check.html", _("Check an origin"), **frame, **context)


def find_reach(request: HttpRequest) -> Reach:
    """Return what the user may ask about, by the API's rule: all environments, or those seen one by one, or nothing."""
    rows = Environment.objects.using(router.db_for_write(PolicyState)).order_by("slug")
    if may(request, "view_environment"):
        return Reach(tuple(rows), is_all=True)
    user: Any = request.user
    visible = tuple(row for row in rows if user.has_perm("cors_guard.view_environment", row))
    if not visible:
        raise PermissionDenied
    return Reach(visible, is_all=False)


def _word_choice(row: Environment, active: str) -> str:
    name = shown(f"{row.name} ({row.slug})" if row.name else row.slug)
    return _("%(name)s, active") % {"name": name} if row.slug == active else name


def _choose_first(choices: Sequence[Choice]) -> str:
    slugs = [choice.slug for choice in choices]
    active = conf.current().environment
    return active if active in slugs else slugs[0]


def _describe(request: HttpRequest, asked: dict[str, Any], metadata: FetchMetadata, reach: Reach) -> dict[str, Any]:
    """Explain what was asked, for the template."""
    slug = asked["environment"] or _choose_first(reach.list_choices())
    found = services.explain(
        asked["origin"] or None,
        path=asked["path"],
        method=asked["method"],
        headers=[*asked["headers"], *(f"{name}: {value}" for name, value in metadata.fields)],
        host=asked["host"],
        environment=reach.find(slug),
        nearest_in=None if reach.is_all else {row.slug for row in reach.rows},
    )
    group = ApiGroup.objects.filter(slug=found.api_group).first() if found.api_group else None
    request_line = snippets.Asked(
        scheme=request.scheme or "https",
        host=asked["host"] or request.get_host(),
        path=found.path,
        method=found.method,
        origin=found.origin,
        headers=tuple(asked["headers"]),
        metadata=metadata.fields,
        credentials=group is not None and group.allow_credentials,
    )
    return {
        "found": found,
        "outcome": verdict.name_outcome(found),
        "sentence": verdict.word_outcome(found),
        "consequence": verdict.word_consequence(found),
        "reason_text": word_reason(found.reason),
        "csrf": word_csrf(found.csrf),
        "group": group,
        "group_name": shown(str(group)) if group is not None else word_group(found.api_group),
        "route": shown(f"{found.route_host}{found.route}", MAX_SHOWN),
        "environment": shown(found.environment),
        "unicode": unicode_of(found.origin),
        "is_own_origin": found.origin == f"{request_line.scheme}://{request_line.host}".lower(),
        "deciding": verdict.show_grant(found),
        "nearest": verdict.show_nearest(found),
        "null_sources": [NULL_SOURCES.get(source, source) for source in found.null_sources],
        "faults": _list_faults(found),
        "parts": list(_list_parts(found, request_line)),
        "fetch": snippets.write_fetch(request_line) if found.has_origin else "",
        "steps": verdict.list_steps(request, found, group),
    }


def _list_parts(found: Explanation, asked: snippets.Asked) -> list[Part]:
    parts = [_describe_part("request", _("The request"), found.request, found, snippets.write_curl(asked))]
    if found.preflight is not None:
        curl = snippets.write_preflight_curl(asked)
        parts.insert(0, _describe_part("preflight", _("The preflight before it"), found.preflight, found, curl))
    return parts


def _describe_part(name: str, title: str, answer: Answer, found: Explanation, curl: str) -> Part:
    words = verdict.word_part(found, answer)
    return Part(name, title, words, snippets.write_head(answer.status, answer.headers), curl)


def _list_faults(found: Explanation) -> list[str]:
    if found.reason != Reason.MALFORMED_ORIGIN:
        return []
    return [word_problem(problem) for problem in parse_origin(found.origin).problems]


PAGE: Final = DeskPage("check", ("view_trustedorigin",), check)
