"""The access matrix: tick and untick what may be called, review one diff, save it as one revision."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.admin.access.copying import find_source, lay_panel
from django_cors_guard.admin.access.form import ReviewForm
from django_cors_guard.admin.access.lookup import read_lookup, say_unknown
from django_cors_guard.admin.access.review import count_words, is_blocked, lay_review
from django_cors_guard.admin.access.sheet import Reviewed, list_changes, read_plan, read_sheet, sign_plan, sign_sheet
from django_cors_guard.admin.access.table import Powers, Ticks, lay_out
from django_cors_guard.admin.base import actor_of, say_why_not
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.display import shown
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import Environment, TrustedOrigin
from django_cors_guard.services import AccessPlan, AccessReceipt, Change, Kind
from django_cors_guard.services.access.matrix import CELLS_PER_PAGE, MAX_ROWS

#: Fields of the form beside its boxes.
_OTHER_FIELDS: Final = 20


def access(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the matrix, review what was ticked, or save what was reviewed."""
    if request.method != "POST":
        return _show_matrix(request, site)
    if not (may(request, "add_trustedorigin") or may(request, "change_trustedorigin")):
        raise PermissionDenied
    steps = {"review": _review, "trim": _trim, "edit": _edit, "save": _save}
    step = steps.get(request.POST.get("step", ""))
    if step is None:
        raise InvalidRequest(_("Nothing was changed: this form says nothing that is understood here."))
    return step(request, site)


def _show_matrix(request: HttpRequest, site: AdminSite, ticks: Ticks | None = None) -> HttpResponse:
    lookup = read_lookup(request)
    if lookup.unknown:
        messages.error(request, say_unknown(lookup))
    if lookup.environment is None:
        return show_page(request, site, "access.html", _("Access matrix"), lookup=lookup)
    powers = _find_powers(request, lookup.environment)
    source = find_source(lookup) if powers.any else None
    matrix = services.read_matrix(
        lookup.environment,
        text=lookup.text,
        page=lookup.page,
        cells=_count_cells(),
        offered=source.offered if source is not None else None,
    )
    panel = lay_panel(lookup, matrix, source) if powers.any else None
    copied = {} if panel is None or ticks is not None else dict.fromkeys(panel.ticks, True)
    table = lay_out(matrix, powers, ticks if ticks is not None else copied)
    return show_page(
        request,
        site,
        "access.html",
        _("Access matrix"),
        lookup=lookup,
        matrix=matrix,
        table=table,
        powers=powers,
        panel=panel,
        place=shown(str(matrix.environment)),
        source=shown(str(source.environment)) if source is not None else "",
        sheet=sign_sheet(request, table.sheet) if powers.any else "",
        here=lookup.address(),
        uncopied=lookup.address(copying=False),
        pages=lookup.list_pages(matrix.pages, matrix.page),
        last=matrix.first + len(matrix.rows) - 1,
        limit=MAX_ROWS,
    )


def _review(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Plan what was ticked and unticked, and show it."""
    sheet = read_sheet(request)
    changes = list_changes(sheet, request.POST.getlist("on"))
    if not changes:
        messages.info(request, _("Nothing was ticked or unticked, so there is nothing to review."))
        return _show_matrix(request, site)
    try:
        plan = services.plan_access(sheet.environment, changes)
    except InvalidRequest as error:
        messages.error(request, error.message)
        return _show_matrix(request, site, _ticks_of(changes))
    return _show_review(request, site, plan)


def _trim(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Leave out what cannot be saved, and show the rest."""
    reviewed = read_plan(request)
    plan = services.plan_access(reviewed.environment, reviewed.changes)
    powers = _find_powers(request, plan.environment)
    rest = [step.change for step in plan.steps if not is_blocked(step, powers)]
    return _show_review(request, site, services.plan_access(reviewed.environment, rest))


def _edit(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Go back to the matrix with everything that was ticked."""
    return _show_matrix(request, site, _ticks_of(read_plan(request).changes))


def _save(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Save what was reviewed, if it still means what was shown; else show it anew."""
    reviewed = read_plan(request)
    plan = services.plan_access(reviewed.environment, reviewed.changes, risks=False)
    services.check_protected(actor_of(request), [plan.environment])
    if plan.rules != reviewed.rules or plan.has_moved or not plan.changing:
        return _show_anew(request, site, reviewed)
    powers = _find_powers(request, plan.environment)
    form = ReviewForm(request.POST, plan=plan)
    if any(is_blocked(step, powers) for step in plan.steps) or not form.is_valid():
        plan = services.plan_access(reviewed.environment, reviewed.changes)
        return _show_review(request, site, plan, form=form)
    reason = form.cleaned_data["reason"]
    try:
        receipt = services.apply_access(plan, actor=actor_of(request), reason=reason, expires_at=form.ends)
    except services.AccessMoved:
        return _show_anew(request, site, reviewed)
    _log(request, receipt, reason)
    messages.success(request, _word_receipt(request, receipt))
    return HttpResponseRedirect(read_lookup(request).address(copying=False))


def _show_anew(request: HttpRequest, site: AdminSite, reviewed: Reviewed) -> HttpResponse:
    plan = services.plan_access(reviewed.environment, reviewed.changes)
    return _show_review(request, site, plan, anew=True)


def _show_review(
    request: HttpRequest, site: AdminSite, plan: AccessPlan, *, form: ReviewForm | None = None, anew: bool = False
) -> HttpResponse:
    services.check_protected(actor_of(request), [plan.environment])
    lookup = read_lookup(request)
    return show_page(
        request,
        site,
        "access_review.html",
        _("Review changes of access"),
        place=shown(str(plan.environment)),
        review=lay_review(plan, _find_powers(request, plan.environment)),
        form=form or ReviewForm(None, plan=plan),
        needs_reason=plan.needs_reason,
        anew=anew,
        plan=sign_plan(request, plan),
        here=lookup.address(),
        uncopied=lookup.address(copying=False),
    )


def _find_powers(request: HttpRequest, environment: Environment) -> Powers:
    return Powers(
        add=may(request, "add_trustedorigin"),
        change=may(request, "change_trustedorigin"),
        obstacle=say_why_not(partial(services.check_protected, actor_of(request), [environment])),
    )


def _ticks_of(changes: list[Change] | tuple[Change, ...]) -> dict[tuple[str, str], bool]:
    return {(change.origin, change.api_group): change.trusted for change in changes}


def _count_cells() -> int:
    """As many boxes as a form may have fields in this project."""
    allowed: int | None = getattr(settings, "DATA_UPLOAD_MAX_NUMBER_FIELDS", None)
    return CELLS_PER_PAGE if allowed is None else max(1, min(CELLS_PER_PAGE, allowed - _OTHER_FIELDS))


def _log(request: HttpRequest, receipt: AccessReceipt, reason: str) -> None:
    """Tell the admin's own log."""
    log = partial(LogEntry.objects.log_actions, user_id=actor_of(request).pk)
    changed: tuple[tuple[tuple[TrustedOrigin, ...], Any], ...] = (
        (receipt.revoked, _("Revoked: %s") % reason),
        (receipt.reinstated, _("Reinstated: %s") % reason),
        (receipt.renewed, _("Renewed.")),
    )
    if receipt.trusted:
        log(queryset=receipt.trusted, action_flag=ADDITION, change_message=[{"added": {}}])
    for grants, words in changed:
        if grants:
            log(queryset=grants, action_flag=CHANGE, change_message=words)


def _word_receipt(request: HttpRequest, receipt: AccessReceipt) -> str:
    counts = (
        (Kind.TRUST, len(receipt.trusted)),
        (Kind.REVOKE, len(receipt.revoked)),
        (Kind.REINSTATE, len(receipt.reinstated)),
        (Kind.RENEW, len(receipt.renewed)),
    )
    words = _("Saved as revision %(revision)d: %(counts)s.")
    text = words % {"revision": receipt.revision, "counts": count_words(counts)}
    if not may(request, "view_policychange"):
        return text
    url = f"{reverse('admin:cors_guard_policychange_changelist')}?revision={receipt.revision}"
    return format_html('{} <a href="{}">{}</a>', text, url, _("What was recorded"))


PAGE: Final = DeskPage("access", ("view_trustedorigin",), access)
