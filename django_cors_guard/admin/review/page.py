"""The page of the review: list, tick, say what was found; take the list away as a file."""

from __future__ import annotations

from datetime import UTC
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of, say_not_there, say_why_not
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.display import name_of, shown, word_place
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.review.form import FilterForm, FrontEndForm, MarkForm
from django_cors_guard.admin.review.lines import Sight, lay_out, list_front_ends, word_moment_of
from django_cors_guard.admin.transfer.download import download
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.services import ReviewReceipt
from django_cors_guard.services.reviewing.sheets import choose_columns, encode_csv, encode_json
from django_cors_guard.wording import word_review_limit

#: Names in addresses and forms.
AFTER: Final = "after"
FORMAT: Final = "format"
LOOK_AT: Final = "look_at"
CSV: Final = "csv"
JSON: Final = "json"

PER_PAGE: Final = 50
#: Most grants that are marked at once: more than a page holds.
MAX_MARKED: Final = 200


def review(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the list or one front end, send the list as a file, or mark what was ticked."""
    if request.method == "POST":
        steps = {"mark": _ask, "save": _mark, "front_end": _mark_front_end}
        step = steps.get(request.POST.get("step", ""))
        if not may(request, "change_trustedorigin"):
            raise PermissionDenied
        if step is None:
            raise InvalidRequest(_("Nothing was changed: this form says nothing that is understood here."))
        return step(request, site)
    if LOOK_AT in request.GET:
        return _show_front_end(request, site, FrontEndForm())
    return _show_list(request, site)


def _show_list(request: HttpRequest, site: AdminSite) -> HttpResponse:
    form = FilterForm(request)
    context: dict[str, Any] = {"form": form, "front_ends": None}
    if not form.is_valid():
        return show_page(request, site, "review.html", _("Access review"), **context)
    found = form.list_grants()
    wanted = request.GET.get(FORMAT, "")
    if wanted in {CSV, JSON}:
        columns = choose_columns(lambda codename: may(request, codename))
        encode = encode_csv(found.walk(), columns) if wanted == CSV else encode_json(found, found.walk(), columns)
        name = "access-review" if found.as_of is None else f"access-review-as-of-{found.moment:%Y-%m-%d}"
        return download(request, encode, name=name, ending=wanted)  # type: ignore[return-value]  # a stream is a response, too
    is_now = found.as_of is None
    try:
        page = found.page(PER_PAGE, request.GET.get(AFTER, ""))
    except InvalidRequest as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(_address(request))
    sight = Sight.of(request, is_now=is_now)
    names = {
        "environment": {slug: name_of(row) for slug, row in form.environments.items()},
        "api_group": {slug: name_of(row) for slug, row in form.api_groups.items()},
    }
    is_first = not request.GET.get(AFTER)
    can_review = may(request, "change_trustedorigin", "change_frontend")
    context |= {
        "lines": lay_out(page.grants, sight, names),
        "sight": sight,
        "is_now": is_now,
        "moment": word_moment_of(found.moment.astimezone(UTC)),
        "limits": [word_review_limit(caveat.code, caveat.detail) for caveat in found.list_caveats()],
        "checkbox": ACTION_CHECKBOX_NAME,
        "here": request.get_full_path(),
        "first_url": "" if is_first else _address(request),
        "next_url": _address(request, **{AFTER: page.following}) if page.following else "",
        "csv_url": _address(request, **{FORMAT: CSV}),
        "json_url": _address(request, **{FORMAT: JSON}),
        "revoke_url": link_to("trustedorigin_changelist"),
    }
    if is_first and is_now and sight.owners:
        context["front_ends"] = list_front_ends(can_review=can_review)
    return show_page(request, site, "review.html", _("Access review"), **context)


def _address(request: HttpRequest, **changed: str) -> str:
    kept = {name: value for name, value in request.GET.items() if name in FilterForm.base_fields and value}
    query = urlencode({**kept, **changed})
    return f"{request.path}?{query}" if query else request.path


def _find_ticked(request: HttpRequest) -> list[TrustedOrigin]:
    ticked = [text for text in request.POST.getlist(ACTION_CHECKBOX_NAME) if text.isascii() and text.isdecimal()]
    ids = {int(text) for text in ticked if len(text) < 19}  # noqa: PLR2004 - as many digits as every database takes
    if len(ids) > MAX_MARKED:
        raise InvalidRequest(_("Mark at most %(limit)d grants at a time.") % {"limit": MAX_MARKED})
    rows = TrustedOrigin.objects.filter(pk__in=ids).select_related("environment", "api_group", "front_end")
    return list(rows.order_by("pk"))


def _ask(request: HttpRequest, site: AdminSite, form: MarkForm | None = None) -> HttpResponse:
    """Show what was ticked, and ask what the review found."""
    grants = _find_ticked(request)
    if not grants:
        messages.info(request, _("Nothing was ticked, so there is nothing to mark."))
        return HttpResponseRedirect(request.get_full_path())
    places = {grant.environment for grant in grants}
    return show_page(
        request,
        site,
        "review_mark.html",
        _("Mark as reviewed"),
        form=form or MarkForm(),
        grants=[
            {
                "id": grant.pk,
                "origin": shown(grant.origin, 255),
                "place": word_place(str(grant.environment), str(grant.api_group)),
                "front_end": name_of(grant.front_end) if grant.front_end else "",
            }
            for grant in grants
        ],
        checkbox=ACTION_CHECKBOX_NAME,
        here=request.get_full_path(),
        obstacle=say_why_not(partial(services.check_protected, actor_of(request), places)),
    )


def _mark(request: HttpRequest, site: AdminSite) -> HttpResponse:
    form = MarkForm(request.POST)
    if not form.is_valid():
        return _ask(request, site, form)
    grants = _find_ticked(request)
    reason = form.cleaned_data["reason"]
    receipt = services.review(grants, actor=actor_of(request), reason=reason)
    _log(request, grants, receipt, reason)
    _report(request, receipt)
    return HttpResponseRedirect(request.get_full_path())


def _find_front_end(request: HttpRequest) -> FrontEnd | None:
    slug = request.GET.get(LOOK_AT, "")[:50]
    return FrontEnd.objects.filter(slug=slug).first() if "\0" not in slug else None


def _show_front_end(request: HttpRequest, site: AdminSite, form: FrontEndForm) -> HttpResponse:
    """Show what a front end may call, and ask what the review found, and when to look again."""
    if not may(request, "change_trustedorigin", "change_frontend"):
        raise PermissionDenied
    owner = _find_front_end(request)
    if owner is None:
        messages.error(request, say_not_there(FrontEnd._meta.verbose_name))
        return HttpResponseRedirect(request.path)
    found = services.list_grants(front_ends=[owner], statuses=("active", "switched_off"))
    page = found.page(MAX_MARKED)
    environments = list(Environment.objects.order_by("slug"))
    names = {
        "environment": {row.slug: name_of(row) for row in environments},
        "api_group": {row.slug: name_of(row) for row in ApiGroup.objects.order_by("slug")},
    }
    standing = TrustedOrigin.objects.filter(front_end=owner).active()
    touched = set(standing.order_by().values_list("environment", flat=True).distinct())
    places = [row for row in environments if row.pk in touched]
    return show_page(
        request,
        site,
        "review_front_end.html",
        _("Review a front end"),
        form=form,
        front_end=owner,
        name=name_of(owner),
        lines=lay_out(page.grants, Sight.of(request, is_now=False), names),
        sight=Sight.of(request, is_now=False),
        is_cut=bool(page.following),
        here=request.get_full_path(),
        back=request.path,
        obstacle=say_why_not(partial(services.check_protected, actor_of(request), places)),
    )


def _mark_front_end(request: HttpRequest, site: AdminSite) -> HttpResponse:
    if not may(request, "change_frontend"):
        raise PermissionDenied
    form, owner = FrontEndForm(request.POST), _find_front_end(request)
    if owner is None or not form.is_valid():
        return _show_front_end(request, site, form)
    day, reason = form.cleaned_data["next_review_by"], form.cleaned_data["reason"]
    done = services.review_front_end(owner, next_review_by=day, actor=actor_of(request), reason=reason)
    LogEntry.objects.log_actions(
        user_id=actor_of(request).pk,
        queryset=FrontEnd.objects.filter(pk=owner.pk),
        action_flag=CHANGE,
        change_message=_("Reviewed: %s") % reason,
        single_object=True,
    )
    text = _("%(front_end)s is to be reviewed again by %(day)s.")
    messages.success(request, text % {"front_end": name_of(owner), "day": day.isoformat()})
    _report(request, done.grants)
    return HttpResponseRedirect(request.path)


def _log(request: HttpRequest, grants: list[TrustedOrigin], receipt: ReviewReceipt, reason: str) -> None:
    marked = set(receipt.reviewed)
    rows = [grant for grant in grants if services.Place.of(grant) in marked]
    if rows:
        LogEntry.objects.log_actions(
            user_id=actor_of(request).pk,
            queryset=rows,
            action_flag=CHANGE,
            change_message=_("Reviewed: %s") % reason,
            single_object=False,
        )


def _report(request: HttpRequest, receipt: ReviewReceipt) -> None:
    """Say what became of the grants."""
    count = len(receipt.reviewed)
    if count:
        text = ngettext("%(count)d grant marked as reviewed.", "%(count)d grants marked as reviewed.", count)
        messages.success(request, _link(request, text % {"count": count}, receipt.revision))
    left = len(receipt.already) + len(receipt.ended)
    if left:
        text = ngettext(
            "%(count)d grant was left as it is: marked a moment ago, or ended.",
            "%(count)d grants were left as they are: marked a moment ago, or ended.",
            left,
        )
        messages.info(request, text % {"count": left})


def _link(request: HttpRequest, text: str, revision: int) -> str:
    url = link_to("policychange_changelist", revision=revision) if may(request, "view_policychange") else ""
    return format_html('{} <a href="{}">{}</a>', text, url, _("What was recorded")) if url else text


PAGE: Final = DeskPage("review", ("view_trustedorigin",), review)
