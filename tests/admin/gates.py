"""Every page and every deed of the admin, with the permissions that it takes: what the tests and the document go by.

A page that is not in ``PAGES`` fails the tests. A deed is called as a browser would, whether or not a button offers it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.test import Client
from django.urls import get_resolver

from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    OriginIssuer,
    OriginUsage,
    ParityDifference,
    PolicyChange,
    RejectedOrigin,
    Rejection,
    TrustedOrigin,
)
from tests.admin.confirming import asked, token
from tests.admin.pages import Response, post, url
from tests.admin.trusting import agree, look

PREFIX: Final = "cors_guard_"
ACTIVE, GONE, NEW = "https://app.example.com", "https://gone.example.com", "https://new.example.com"
FORBIDDEN, NOT_ALLOWED, OK = 403, 405, 200

#: Models whose rows people write, and those that only the guard writes.
WRITTEN: Final[tuple[Any, ...]] = (ApiGroup, Environment, FrontEnd, OriginIssuer, TrustedOrigin)
LOGS: Final[tuple[Any, ...]] = (OriginUsage, ParityDifference, PolicyChange, RejectedOrigin, Rejection)


def name_of(model: Any) -> str:
    return str(model._meta.model_name)


def grant(origin: str) -> TrustedOrigin:
    found: TrustedOrigin = TrustedOrigin.objects.get(origin=origin)
    return found


def first(model: Any) -> Any:
    return model._default_manager.earliest("pk")


@dataclass(frozen=True)
class Page:
    """A page: ``needs`` are the codenames that open it, all of them; None: it is closed to everybody."""

    needs: tuple[str, ...] | None
    args: Callable[[], tuple[Any, ...]] = tuple
    query: Callable[[], dict[str, Any]] = dict
    #: What somebody gets who may open it: a page that only takes posts says so.
    answer: int = OK


@dataclass(frozen=True)
class Deed:
    """Something that changes rows: by a post to ``page``, with ``needs``, all of them.

    ``protected`` says that it also touches production, or what all environments share.
    """

    page: str
    needs: tuple[str, ...]
    do: Callable[[Client], Response]
    protected: bool = True


def _standard(model: Any, *, is_written: bool) -> dict[str, Page]:
    name, row = name_of(model), (lambda: (first(model).pk,))
    sees = (f"view_{name}",)
    return {
        f"{name}_changelist": Page(sees),
        f"{name}_change": Page(sees, row),
        f"{name}_history": Page(sees, row),
        f"{name}_add": Page((f"add_{name}",) if is_written else None),
        f"{name}_delete": Page((f"delete_{name}",) if is_written else None, row),
    }


STANDARD: Final[Mapping[str, Page]] = {
    **{
        name: page
        for model in (*WRITTEN, *LOGS)
        for name, page in _standard(model, is_written=model in WRITTEN).items()
    },
    # Nobody hands on a right that he does not have.
    "originissuer_add": Page(("add_originissuer", "add_trustedorigin")),
}

OWN: Final[Mapping[str, Page]] = {
    "overview": Page(("view_trustedorigin",)),
    "access": Page(("view_trustedorigin",)),
    "review": Page(("view_trustedorigin",)),
    "check": Page(("view_trustedorigin", "view_environment")),
    "receipt": Page(("view_trustedorigin",), query=lambda: {"revision": revoked().revision}),
    "export": Page(("view_trustedorigin",)),
    "import": Page(("view_trustedorigin", "add_trustedorigin")),
    "trustedorigin_revoke": Page(("change_trustedorigin",), lambda: (grant(ACTIVE).pk,)),
    "trustedorigin_revoke_everywhere": Page(("change_trustedorigin",), lambda: (grant(ACTIVE).pk,)),
    "trustedorigin_reinstate": Page(("change_trustedorigin",), lambda: (grant(GONE).pk,)),
    "rejectedorigin_ignore": Page(("change_rejectedorigin",), lambda: (first(RejectedOrigin).pk,), answer=NOT_ALLOWED),
    "rejectedorigin_reopen": Page(("change_rejectedorigin",), lambda: (first(RejectedOrigin).pk,), answer=NOT_ALLOWED),
    "apigroup_coverage": Page(("view_apigroup",), query=lambda: {"host": "", "path_prefix": "/api"}),
    "environment_what_would_change": Page(("view_environment", "view_rejection"), lambda: (first(Environment).pk,)),
    "policychange_revert": Page(("view_policychange", "change_trustedorigin"), lambda: (trusted().pk,)),
}

PAGES: Final[Mapping[str, Page]] = {**STANDARD, **OWN}


def address_of(name: str) -> str:
    page = PAGES[name]
    query = "&".join(f"{key}={value}" for key, value in page.query().items())
    return url(name, *page.args()) + (f"?{query}" if query else "")


def list_pages() -> set[str]:
    """Return the names of all addresses of this app in the admin, as Django resolves them."""
    _prefix, resolver = get_resolver().namespace_dict["admin"]
    names = {name for name in resolver.reverse_dict if isinstance(name, str)}
    return {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}


def trusted() -> PolicyChange:
    return PolicyChange.objects.get(action="added", target__endswith=f"/{ACTIVE}")


def revoked() -> PolicyChange:
    return PolicyChange.objects.get(action="revoked", target__endswith=f"/{GONE}")


# --- deeds ------------------------------------------------------------------------------------------------------------


def _post(page: str, row: Callable[[], Any] | None = None, **data: Any) -> Callable[[Client], Response]:
    def do(client: Client) -> Response:
        args = (row().pk,) if row is not None else ()
        return post(client, url(page, *args), data)

    return do


def _act(model: Any, action: str, row: Callable[[], Any], **data: Any) -> Callable[[Client], Response]:
    """An action on ticked rows of a list."""

    def do(client: Client) -> Response:
        ticked = {"action": action, "_selected_action": [row().pk], **data}
        # The list of cards shows new ones, where nobody asks for others.
        address = f"{url(f'{name_of(model)}_changelist')}?status=all" if model is RejectedOrigin else ""
        return post(client, address or url(f"{name_of(model)}_changelist"), ticked)

    return do


def _save(
    page: str, fill_in: Callable[[], dict[str, Any]], row: Callable[[], Any] | None = None
) -> Callable[[Client], Response]:
    """A form that may ask once more before it saves."""

    def do(client: Client) -> Response:
        address, data = url(page, *((row().pk,) if row is not None else ())), fill_in()
        answer = post(client, address, data)
        if answer.status_code == OK and asked(answer):
            return post(client, address, {**data, "understood": token(answer)})
        return answer

    return do


def _trust(client: Client) -> Response:
    page = look(client, NEW)
    return agree(client, page, NEW) if page.status_code == OK else page


def _tick(origin: str, *, on: bool) -> Callable[[Client], Response]:
    """Tick or clear a box of the access matrix, and save."""

    def do(client: Client) -> Response:
        address = url("access")
        page = client.get(address)
        if page.status_code != OK:
            return post(client, address, {"step": "review", "sheet": "", "on": []})
        boxes = [box for block in page.context["table"].blocks for line in block.lines for box in line.boxes]
        rows = [row.origin for row in page.context["matrix"].rows for _cell in row.cells]
        ticked = [
            box.value
            for box, row in zip(boxes, rows, strict=True)
            if (box.is_ticked and (on or row != origin)) or (on and row == origin)
        ]
        review = post(client, address, {"step": "review", "sheet": page.context.get("sheet", ""), "on": ticked})
        if review.status_code != OK or "plan" not in (review.context or {}):
            return page
        answers = {"step": "save", "plan": review.context["plan"], "until": "forever", "reason": "Because."}
        return post(client, address, answers)

    return do


def _mark_reviewed(client: Client) -> Response:
    ticked = {"step": "save", "reason": "Looked at", "_selected_action": [grant(ACTIVE).pk]}
    return post(client, url("review"), ticked)


def _review_front_end(client: Client) -> Response:
    """Of all that belongs to the front end."""
    address = f"{url('review')}?look_at={first(FrontEnd).slug}"
    return post(client, address, {"step": "front_end", "reason": "Looked at", "next_review_by": "2990-01-01"})


def _import(client: Client) -> Response:
    lines = f"environment,api_group,origin\nproduction,public,{NEW}\n"
    page = post(client, url("import"), {"text": lines})
    if page.status_code != OK or "token" not in (page.context or {}):
        return page
    return post(client, url("import"), {"plan": page.context["token"], "reason": "moved here"})


def _environment(rows: Callable[[], dict[str, Any]] = dict, **values: Any) -> Callable[[], dict[str, Any]]:
    none = {"group_modes-TOTAL_FORMS": "0", "group_modes-INITIAL_FORMS": "0"}
    fields = {"name": "Name", "description": "", "mode": "enforce", "max_trust_days": "", **none, **values}
    return lambda: {**fields, **rows()}


def _group(**values: Any) -> Callable[[], dict[str, Any]]:
    rows = {"routes-TOTAL_FORMS": "0", "routes-INITIAL_FORMS": "0"}
    lists = {"allow_methods": "GET", "allow_headers": "", "expose_headers": "", "max_age": "600", "isolate": "off"}
    return lambda: {"name": "Name", "description": "", **lists, **rows, **values}


def _row(prefix: str, **values: Any) -> dict[str, Any]:
    """A new row below an environment or API group."""
    return {f"{prefix}-TOTAL_FORMS": "1", **{f"{prefix}-0-{name}": value for name, value in values.items()}}


def _mode_of(group: ApiGroup) -> dict[str, Any]:
    return _row("group_modes", api_group=group.pk, mode="monitor")


def _issuer(**values: Any) -> dict[str, Any]:
    """What a person fills in of an issuer in production."""
    return {
        "user": first(OriginIssuer).user.get_username(),
        "environment": first(Environment).pk,
        "api_groups": [first(ApiGroup).pk],
        "front_end": "",
        "host_prefix": "deploy-preview-",
        "host_suffix": "--mysite.netlify.app",
        "max_ttl": "14d",
        "max_active": "50",
        **values,
    }


def _spare(model: Any) -> Any:
    return model._default_manager.get(slug="spare")


DEEDS: Final[Mapping[str, Deed]] = {
    "trust": Deed("trustedorigin_add", ("add_trustedorigin",), _trust),
    "amend": Deed(
        "trustedorigin_change",
        ("change_trustedorigin",),
        _post("trustedorigin_change", lambda: grant(ACTIVE), note="new", ends="keep", until="", front_end=""),
    ),
    "revoke": Deed(
        "trustedorigin_revoke",
        ("change_trustedorigin",),
        _post("trustedorigin_revoke", lambda: grant(ACTIVE), reason="x"),
    ),
    "revoke everywhere": Deed(
        "trustedorigin_revoke_everywhere",
        ("change_trustedorigin",),
        _post("trustedorigin_revoke_everywhere", lambda: grant(ACTIVE), reason="x"),
    ),
    "revoke selected": Deed(
        "trustedorigin_changelist",
        ("change_trustedorigin",),
        _act(TrustedOrigin, "revoke_selected", lambda: grant(ACTIVE), revoke="yes", reason="x"),
    ),
    "reinstate": Deed(
        "trustedorigin_reinstate",
        ("change_trustedorigin",),
        _post("trustedorigin_reinstate", lambda: grant(GONE), reason="x"),
    ),
    "delete a grant": Deed(
        "trustedorigin_delete",
        ("delete_trustedorigin",),
        _post("trustedorigin_delete", lambda: grant(ACTIVE), post="yes"),
    ),
    "delete selected": Deed(
        "trustedorigin_changelist",
        ("view_trustedorigin", "delete_trustedorigin"),
        _act(TrustedOrigin, "delete_selected", lambda: grant(ACTIVE), post="yes"),
    ),
    "tick": Deed("access", ("view_trustedorigin", "add_trustedorigin"), _tick("https://other.example.com", on=True)),
    "clear": Deed("access", ("view_trustedorigin", "change_trustedorigin"), _tick(ACTIVE, on=False)),
    "mark as reviewed": Deed("review", ("view_trustedorigin", "change_trustedorigin"), _mark_reviewed),
    "review a front end": Deed(
        "review", ("view_trustedorigin", "change_trustedorigin", "change_frontend"), _review_front_end
    ),
    "import": Deed("import", ("view_trustedorigin", "add_trustedorigin"), _import),
    "ignore": Deed(
        "rejectedorigin_ignore",
        ("change_rejectedorigin",),
        _post("rejectedorigin_ignore", lambda: first(RejectedOrigin)),
        protected=False,
    ),
    "ignore selected": Deed(
        "rejectedorigin_changelist",
        ("change_rejectedorigin",),
        _act(RejectedOrigin, "ignore_selected", lambda: first(RejectedOrigin)),
        protected=False,
    ),
    "back to new": Deed(
        "rejectedorigin_reopen",
        ("change_rejectedorigin",),
        _post("rejectedorigin_reopen", lambda: RejectedOrigin.objects.latest("pk")),
        protected=False,
    ),
    "back to new, selected": Deed(
        "rejectedorigin_changelist",
        ("change_rejectedorigin",),
        _act(RejectedOrigin, "reopen_selected", lambda: RejectedOrigin.objects.latest("pk")),
        protected=False,
    ),
    "add a front end": Deed(
        "frontend_add", ("add_frontend",), _post("frontend_add", name="New", slug="new"), protected=False
    ),
    "change a front end": Deed(
        "frontend_change",
        ("change_frontend",),
        _post("frontend_change", lambda: first(FrontEnd), name="New", slug="shop"),
        protected=False,
    ),
    "delete a front end": Deed(
        "frontend_delete",
        ("delete_frontend",),
        _post("frontend_delete", lambda: _spare(FrontEnd), post="yes"),
        protected=False,
    ),
    "add an environment": Deed(
        "environment_add", ("add_environment",), _save("environment_add", _environment(slug="new")), protected=False
    ),
    "change an environment": Deed(
        "environment_change",
        ("change_environment",),
        _save("environment_change", _environment(mode="monitor"), lambda: first(Environment)),
    ),
    "set the mode of an API group": Deed(
        "environment_change",
        ("change_environment", "add_groupmode"),
        _save(
            "environment_change",
            _environment(name="Production", rows=lambda: _mode_of(_spare(ApiGroup))),
            lambda: first(Environment),
        ),
    ),
    "delete an environment": Deed(
        "environment_delete",
        ("delete_environment",),
        _post("environment_delete", lambda: _spare(Environment), post="yes"),
        protected=False,
    ),
    "add an API group": Deed("apigroup_add", ("add_apigroup",), _save("apigroup_add", _group(slug="new"))),
    "change an API group": Deed(
        "apigroup_change", ("change_apigroup",), _save("apigroup_change", _group(), lambda: _spare(ApiGroup))
    ),
    "add a route": Deed(
        "apigroup_change",
        ("change_apigroup", "add_apiroute"),
        _save(
            "apigroup_change",
            _group(
                name="Spare",
                allow_methods="GET, HEAD, POST",
                allow_headers="authorization, content-type",
                **_row("routes", host="", path_prefix="/new"),
            ),
            lambda: _spare(ApiGroup),
        ),
    ),
    "delete an API group": Deed(
        "apigroup_delete", ("delete_apigroup",), _post("apigroup_delete", lambda: _spare(ApiGroup), post="yes")
    ),
    "add an issuer": Deed(
        "originissuer_add",
        ("add_originissuer", "add_trustedorigin"),
        _save("originissuer_add", lambda: _issuer(slug="new")),
    ),
    "change an issuer": Deed(
        "originissuer_change",
        ("change_originissuer", "add_trustedorigin"),
        _save("originissuer_change", lambda: _issuer(max_active="7"), lambda: first(OriginIssuer)),
    ),
    "delete an issuer": Deed(
        "originissuer_delete",
        ("delete_originissuer",),
        _post("originissuer_delete", lambda: first(OriginIssuer), post="yes"),
    ),
    "revert": Deed(
        "policychange_revert",
        ("view_policychange", "change_trustedorigin"),
        _post("policychange_revert", trusted, reason="a slip"),
    ),
}
