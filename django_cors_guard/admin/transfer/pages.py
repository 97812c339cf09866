"""Import and export of trusted origins. An import is a plan first, and what was seen of it is what is applied."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.transfer.download import download
from django_cors_guard.admin.transfer.form import CSV, Content, ExportForm, ImportForm, UploadForm
from django_cors_guard.admin.transfer.plan import as_csv, sketch
from django_cors_guard.admin.transfer.seal import Seen, open_plan, open_result, seal_plan, seal_result
from django_cors_guard.core.files import COLUMNS, encode_csv, encode_json
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.services import ImportPlan, PlanMoved
from django_cors_guard.services.transfer import walk_grants

VIEW: Final = "view_trustedorigin"
#: Names in forms and addresses.
PLAN: Final = "plan"
DONE: Final = "done"
DOWNLOAD: Final = "download"
FORMAT: Final = "format"


class ImportPage(DeskPage):
    """A page that is no transaction as a whole: reading a long file must not hold up those who revoke."""

    __slots__ = ()

    def open(self, request: HttpRequest, site: AdminSite) -> HttpResponse:
        if not may(request, *self.permissions):
            raise PermissionDenied
        request.current_app = site.name
        return self.view(request, site)


def export_origins(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Offer the filters, and send the file where a format is named."""
    form = ExportForm(request.GET if FORMAT in request.GET else None)
    if form.is_bound and form.is_valid():
        return _send(request, form)  # type: ignore[return-value]  # a stream is a response, too
    took_all = form.is_bound or form.fill_in(request)
    page = show_page(request, site, "export.html", _("Export trusted origins"), form=form, took_all=took_all)
    # Nobody should take for the whole list what a mistyped filter left.
    page.status_code = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return page


def _send(request: HttpRequest, form: ExportForm) -> HttpResponseBase:
    wanted = form.cleaned_data["format"]
    usage = may(request, "view_originusage")
    columns = [name for name in COLUMNS if usage or name != "last_used"]
    encode = encode_csv if wanted == CSV else encode_json
    blocks = encode(walk_grants(form.choice, usage=usage), columns)
    return download(request, blocks, name="trusted-origins", ending=wanted)


def import_origins(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Take a file, show its plan, apply it, tell what was done: each a step of its own."""
    if request.method != "POST":
        return _show_done(request, site) if DONE in request.GET else _show_upload(request, site, UploadForm())
    if PLAN in request.POST:
        return _go_on(request, site)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid() or form.content is None:
        return _show_upload(request, site, form)
    plan = _plan(request, form.content)
    if not seal_plan(request.user, form.content, Seen.of(plan)):
        form.add_error(None, _("It is more than this site lets a form carry. Split it, and import the parts."))
        return _show_upload(request, site, form)
    return _show_plan(request, site, form.content, plan, ImportForm(plan=plan))


def _plan(request: HttpRequest, content: Content) -> ImportPlan:
    rows = content.sheet.rows
    return services.plan_import(rows, actor=actor_of(request), may_change=may(request, "change_trustedorigin"))


def _go_on(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Apply the plan that was seen, or show the one that it has become."""
    opened = open_plan(request.user, request.POST[PLAN])
    if opened is None:
        messages.error(request, _("This is no plan that was shown to you. Give the file once more."))
        return HttpResponseRedirect(request.path)
    content, seen = opened
    plan = _plan(request, content)
    if DOWNLOAD in request.POST:
        return download(request, as_csv(plan), name="import-plan", ending=CSV)  # type: ignore[return-value]  # as above
    form = ImportForm(request.POST, plan=plan)
    if plan.digest != seen.digest:
        return _show_plan(request, site, content, plan, _keep_reason(request, plan), seen=seen)
    if not form.is_valid():
        return _show_plan(request, site, content, plan, form)
    return _apply(request, site, content, plan, form)


def _apply(request: HttpRequest, site: AdminSite, content: Content, plan: ImportPlan, form: ImportForm) -> HttpResponse:
    name = content.name or _("pasted text")
    reason = _("%(reason)s (import of %(file)s)") % {"reason": form.cleaned_data["reason"], "file": name}
    try:
        result = services.apply_import(plan, actor=actor_of(request), reason=reason, leave_out_refused=form.leaves_out)
    except PlanMoved as moved:
        form = _keep_reason(request, moved.plan)
        return _show_plan(request, site, content, moved.plan, form, seen=Seen.of(plan))
    except CorsGuardError as error:
        messages.error(request, error.message)
        return _show_plan(request, site, content, plan, form)
    # The page that tells it may be loaded again without importing again.
    return HttpResponseRedirect(f"{request.path}?{DONE}={seal_result(request.user, content, result)}")


def _keep_reason(request: HttpRequest, plan: ImportPlan) -> ImportForm:
    return ImportForm(plan=plan, initial={"reason": request.POST.get("reason", "")})


def _show_upload(request: HttpRequest, site: AdminSite, form: UploadForm) -> HttpResponse:
    return show_page(request, site, "import.html", _("Import trusted origins"), form=form, columns=COLUMNS)


def _show_plan(
    request: HttpRequest,
    site: AdminSite,
    content: Content,
    plan: ImportPlan,
    form: ImportForm,
    *,
    seen: Seen | None = None,
) -> HttpResponse:
    """Show ``plan``; ``seen`` is one that was seen before and does not hold any more."""
    context: dict[str, Any] = {
        "sketch": sketch(plan, seen.rows if seen is not None else None),
        "plan": plan,
        "token": seal_plan(request.user, content, Seen.of(plan)),
        "file": content.name,
        "is_table": content.sheet.format == CSV,
        "has_moved": seen is not None,
        "form": form,
        "back": reverse("admin:cors_guard_import", current_app=site.name),
    }
    return show_page(request, site, "import_plan.html", _("What the import would do"), **context)


def _show_done(request: HttpRequest, site: AdminSite) -> HttpResponse:
    opened = open_result(request.user, request.GET[DONE])
    if opened is None:
        return HttpResponseRedirect(request.path)
    name, result = opened
    has_story = result.revision is not None and may(request, "view_policychange")
    return show_page(
        request,
        site,
        "import_done.html",
        _("Imported") if result.trusted or result.changed else _("Nothing to import"),
        file=name,
        result=result,
        list_url=link_to("trustedorigin_changelist"),
        changes_url=link_to("policychange_changelist", revision=result.revision) if has_story else "",
    )


EXPORT: Final = DeskPage("export", (VIEW,), export_origins)
IMPORT: Final = ImportPage("import", (VIEW, "add_trustedorigin"), import_origins)
