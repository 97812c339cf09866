"""The sets of permissions, and the groups that are made of them."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import modify_settings

from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.roles import EXTRAS, ROLES, Role, make_groups

DOCUMENT = Path(__file__).parents[1] / "docs" / "reference" / "permissions.md"
VIEWER, TRIAGER, OPERATOR, OWNER = ROLES


@pytest.fixture
def known(db: None) -> set[str]:
    return set(Permission.objects.filter(content_type__app_label="cors_guard").values_list("codename", flat=True))


def test_viewer_sees_all_there_is_but_what_tells_about_people(known: set[str]) -> None:
    assert set(VIEWER.permissions) == {name for name in known if name.startswith("view_")} - {"view_rejection_pii"}


def test_each_role_has_what_the_one_before_it_has() -> None:
    for lesser, greater in pairwise(ROLES):
        assert greater.permissions[: len(lesser.permissions)] == lesser.permissions


@pytest.mark.parametrize(
    ("role", "own"),
    [
        pytest.param(TRIAGER, {"change_rejectedorigin"}, id="triager"),
        pytest.param(
            OPERATOR, {"add_trustedorigin", "change_trustedorigin", "add_frontend", "change_frontend"}, id="operator"
        ),
    ],
)
def test_role_has_what_its_work_takes(role: Role, own: set[str]) -> None:
    number = ROLES.index(role)
    assert set(ROLES[number].permissions) - set(ROLES[number - 1].permissions) == own


def test_every_permission_is_in_a_role_or_given_by_itself(known: set[str]) -> None:
    extras = {extra.codename for extra in EXTRAS}
    assert set(OWNER.permissions) | extras == known
    assert not set(OWNER.permissions) & extras


def test_no_role_names_a_permission_twice() -> None:
    for role in ROLES:
        assert len(set(role.permissions)) == len(role.permissions)


def test_groups_are_made_once(known: set[str]) -> None:
    first, again = make_groups(), make_groups()
    assert [(made.role, made.is_new, set(made.added)) for made in first] == [
        (role, True, set(role.permissions)) for role in ROLES
    ]
    assert [(made.is_new, made.added) for made in again] == [(False, ())] * len(ROLES)
    assert set(Group.objects.values_list("name", flat=True)) == {
        "CORS guard viewer",
        "CORS guard triager",
        "CORS guard operator",
        "CORS guard policy owner",
    }


def test_member_of_a_group_has_its_permissions(known: set[str]) -> None:
    make_groups()
    user = User.objects.create_user("ben")
    user.groups.add(Group.objects.get(name="CORS guard triager"))
    assert user.get_all_permissions() == {f"cors_guard.{codename}" for codename in TRIAGER.permissions}


def test_what_an_admin_added_stays_and_what_is_missing_comes_back(known: set[str]) -> None:
    make_groups()
    group = Group.objects.get(name="CORS guard viewer")
    extra = Permission.objects.get(codename="view_user")
    group.permissions.add(extra)
    group.permissions.remove(Permission.objects.get(codename="view_policychange"))
    made = make_groups()[0]
    assert (made.is_new, made.added) == (False, ("view_policychange",))
    assert set(group.permissions.values_list("codename", flat=True)) == {*VIEWER.permissions, "view_user"}


def test_permissions_that_are_not_there_yet_are_named_and_no_group_is_made(known: set[str]) -> None:
    Permission.objects.filter(codename="change_frontend").delete()
    with pytest.raises(InvalidRequest, match="change_frontend"):
        make_groups()
    assert not Group.objects.exists()


@modify_settings(INSTALLED_APPS={"remove": ["django.contrib.auth", "django.contrib.admin"]})
def test_project_without_groups_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="does without"):
        make_groups()


# --- the document ---


def read_roles() -> dict[str, list[str]]:
    """Return the permissions that the document lists under each role's heading."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        heading, _newline, rest = part.partition("\n")
        found[heading.strip()] = re.findall(r"`(\w+)`", rest.partition("\n#")[0])
    return found


def test_document_lists_each_role_with_what_it_adds() -> None:
    told, before = read_roles(), set[str]()
    assert [name for name in told if name in {role.group_name for role in ROLES}] == [role.group_name for role in ROLES]
    for role in ROLES:
        assert set(told[role.group_name]) == set(role.permissions) - before
        before |= set(role.permissions)


def test_document_lists_what_is_in_no_role() -> None:
    assert set(read_roles()["In no role"]) == {extra.codename for extra in EXTRAS}
