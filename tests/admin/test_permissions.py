"""Who may do what, by calling the addresses directly: a button that is not shown protects nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client

from django_cors_guard.api.urls import urlpatterns
from django_cors_guard.management.subcommands import SUBCOMMANDS
from django_cors_guard.models import (
    ApiRoute,
    Environment,
    GroupMode,
)
from django_cors_guard.roles import ROLES, Role
from tests.admin.conftest import login
from tests.admin.gates import (
    DEEDS,
    FORBIDDEN,
    LOGS,
    NOT_ALLOWED,
    OK,
    OWN,
    PAGES,
    STANDARD,
    WRITTEN,
    Deed,
    address_of,
    first,
    list_pages,
    name_of,
)
from tests.admin.pages import post, revision, said, text, url
from tests.factories import (
    user_with,
)

pytestmark = pytest.mark.usefixtures("one_of_everything")

MODELS: list[Any] = [*WRITTEN, *LOGS]
VIEWER, TRIAGER, OPERATOR, OWNER = ROLES
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"

#: To whom a page is closed, it need not tell whether it takes posts.
CLOSED = {FORBIDDEN, NOT_ALLOWED}
ALL_OF_THEM = (*OWNER.permissions, "delete_trustedorigin")

each_page = pytest.mark.parametrize("name", PAGES)
each_deed = pytest.mark.parametrize("deed", DEEDS.values(), ids=list(DEEDS))
each_role = pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])


def everything() -> dict[str, Any]:
    """Return every row of the app."""
    models: list[Any] = [*MODELS, ApiRoute, GroupMode]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


@contextmanager
def undone() -> Iterator[None]:
    """Take back what the block writes."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def member(role: Role) -> Client:
    return login(user_with(*role.permissions))


# --- pages ------------------------------------------------------------------------------------------------------------


def test_every_page_is_known_here() -> None:
    assert list_pages() == set(PAGES)


@each_page
def test_page_is_closed_to_strangers_and_to_staff_without_permissions(name: str) -> None:
    address, before, order = address_of(name), everything(), {"post": "yes", "reason": "x"}
    for answer in (Client().get(address), post(Client(), address, order)):
        assert answer["Location"].startswith("/admin/login/")
    client = login(user_with())
    assert client.get(address).status_code == FORBIDDEN
    assert post(client, address, order).status_code in CLOSED
    assert everything() == before


@each_page
def test_page_is_open_to_those_who_have_all_of_its_permissions(name: str) -> None:
    page, address = PAGES[name], address_of(name)
    if page.needs is None:
        assert login(user_with(*ALL_OF_THEM)).get(address).status_code == FORBIDDEN
        return
    assert login(user_with(*page.needs)).get(address).status_code == page.answer
    for missing in page.needs:
        rest = user_with(*(needed for needed in page.needs if needed != missing))
        assert login(rest).get(address).status_code == FORBIDDEN, missing


@each_role
def test_role_opens_what_its_permissions_open(role: Role) -> None:
    client = member(role)
    for name, page in PAGES.items():
        may = page.needs is not None and set(page.needs) <= set(role.permissions)
        assert client.get(address_of(name)).status_code == (page.answer if may else FORBIDDEN), name


#: What forms of all pages together might take for an order.
ANYTHING = {
    "post": "yes", "reason": "x", "revoke": "yes", "name": "x", "slug": "x", "origins": "https://evil.example",
    "origin": "https://evil.example", "note": "x", "mode": "monitor", "_save": "Save", "_trust": "1", "step": "save",
    "text": "environment,api_group,origin\nproduction,public,https://evil.example\n",
}  # fmt: skip


@each_page
def test_viewer_changes_nothing_by_posting(name: str) -> None:
    client, before, number = member(VIEWER), everything(), revision()
    actions = ["", "delete_selected", *(name for model in MODELS for name in admin.site._registry[model].actions or ())]
    for action in actions if name.endswith("_changelist") else [""]:
        rows = first(next(model for model in MODELS if name_of(model) == name.partition("_")[0])) if action else None
        ticked = {"action": action, "_selected_action": [rows.pk]} if rows is not None else {}
        assert post(client, address_of(name), {**ANYTHING, **ticked}).status_code in (200, 302, 403, 405)
    assert everything() == before
    assert revision() == number
    assert not LogEntry.objects.exists()


def test_viewer_is_offered_no_button_that_changes_anything() -> None:
    client = member(VIEWER)
    for name, page in PAGES.items():
        if page.needs is None or not set(page.needs) <= set(VIEWER.permissions):
            continue
        words = text(client.get(address_of(name)))
        for button in ("Revoke here", "Revoke everywhere", "Reinstate…", "Trust…", "Add trusted origin", "Ignore…",
                       "Revert this change", "Review changes", "Save and"):  # fmt: skip
            assert button not in words, name


@pytest.mark.parametrize("model", LOGS, ids=name_of)
def test_log_can_be_written_by_nobody(operator: Client, model: Any) -> None:
    before, name = everything(), name_of(model)
    for page in ("add", "change", "delete"):
        answer = post(operator, address_of(f"{name}_{page}"), {"post": "yes", "origin": "x"})
        assert answer.status_code == FORBIDDEN
    ticked = {"action": "delete_selected", "_selected_action": [first(model).pk], "post": "yes"}
    assert post(operator, url(f"{name}_changelist"), ticked).status_code in (200, 302)
    assert everything() == before


def test_every_action_names_its_permissions() -> None:
    for model in MODELS:
        model_admin = admin.site._registry[model]
        for action in [*(model_admin.actions or ()), *(function for _name, function in admin.site.actions)]:
            function = getattr(model_admin, action) if isinstance(action, str) else action
            assert getattr(function, "allowed_permissions", ()), f"{model.__name__}.{action}"


# --- deeds ------------------------------------------------------------------------------------------------------------


def test_every_deed_is_done_on_a_known_page() -> None:
    assert {deed.page for deed in DEEDS.values()} <= set(PAGES)


@each_deed
def test_deed_needs_exactly_its_permissions(deed: Deed) -> None:
    before = everything()
    for missing in deed.needs:
        deed.do(login(user_with(*(needed for needed in deed.needs if needed != missing))))
        assert everything() == before, missing
    deed.do(login(user_with(*deed.needs)))
    assert everything() != before


@each_deed
def test_deed_is_done_by_the_roles_that_have_its_permissions(deed: Deed) -> None:
    before = everything()
    for role in ROLES:
        with undone():
            deed.do(member(role))
            may = set(deed.needs) <= set(role.permissions)
            assert (everything() != before) is may, role.name


@each_deed
def test_deed_inside_a_protected_environment_is_refused_in_words(deed: Deed) -> None:
    Environment.objects.filter(slug="production").update(protected=True)
    before, client = everything(), login(user_with(*ALL_OF_THEM))
    answer = deed.do(client)
    assert (everything() != before) is not deed.protected
    if deed.protected:
        words = " ".join([*said(answer), text(answer) if answer.status_code == OK else ""])
        assert "protected" in words


@pytest.mark.parametrize("deed", [deed for deed in DEEDS.values() if deed.protected], ids=lambda deed: deed.page)
def test_deed_inside_a_protected_environment_is_done_with_the_permission_for_it(deed: Deed) -> None:
    Environment.objects.filter(slug="production").update(protected=True)
    before = everything()
    deed.do(login(user_with(*deed.needs, "change_protected_environment")))
    assert everything() != before


# --- the document -----------------------------------------------------------------------------------------------------


def read_table(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the document, without its head."""
    _before, _heading, rest = DOCUMENT.read_text().partition(f"\n## {heading}\n")
    assert rest, heading
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_document_tells_of_the_pages_that_every_model_has() -> None:
    told: dict[str, tuple[str, ...] | None] = {}
    for _model, name, *cells in read_table("The pages of each model"):
        see, add, _change, delete = (tuple(names_in(cell)) or None for cell in cells)
        (model,) = names_in(name)
        told |= {f"{model}_{page}": see for page in ("changelist", "change", "history")}
        told |= {f"{model}_add": add, f"{model}_delete": delete}
    assert told == {name: page.needs for name, page in STANDARD.items()}


def test_document_tells_of_every_page_of_its_own() -> None:
    told = {names_in(name)[0]: set(names_in(opens)) for _what, name, opens, _does in read_table("The other pages")}
    assert told == {name: set(page.needs or ()) for name, page in OWN.items()}


def test_document_tells_what_every_deed_takes() -> None:
    told = {what: set(names_in(needs)) for what, needs in read_table("What changes something")}
    assert told == {name: set(deed.needs) for name, deed in DEEDS.items()}


def test_document_tells_of_every_address_of_the_api() -> None:
    told = {names_in(what)[0]: set(names_in(needs)) for what, needs in read_table("The API")}
    known = {}
    for pattern in urlpatterns:
        view: Any = pattern.callback
        for method, action in view.actions.items():
            if method != "head":
                needs = view.cls.permissions[action]
                known[f"{method.upper()} {pattern.pattern}"] = {name.removeprefix("cors_guard.") for name in needs}
    assert told == known


def test_document_tells_of_every_command() -> None:
    assert {names_in(name)[0] for name, _does in read_table("The command line")} == set(SUBCOMMANDS)
