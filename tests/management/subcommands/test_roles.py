"""`cors_guard roles`."""

import pytest
from django.contrib.auth.models import Group, Permission

from django_cors_guard.roles import EXTRAS, ROLES
from tests.management.cli import cors_guard


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Every test has the permissions."""


def test_roles_alone_lists_each_role_with_what_it_adds_and_writes_nothing() -> None:
    run = cors_guard("roles")

    assert run.code == 0, run.err
    lines = run.out.splitlines()
    for role in ROLES:
        assert f"{role.name}: {role.purpose}" in lines
    for codename in ROLES[-1].permissions:
        assert lines.count(f"  {codename}") == 1
    for extra in EXTRAS:
        assert any(line.startswith(f"  {extra.codename} ") for line in lines)
    assert "manage.py cors_guard roles --create" in run.out
    assert not Group.objects.exists()


def test_roles_create_makes_the_groups_and_says_so() -> None:
    run = cors_guard("roles", "--create")

    assert run.code == 0, run.err
    assert f"CORS guard viewer: made, with {len(ROLES[0].permissions)} permissions" in run.out
    assert Group.objects.count() == len(ROLES)


def test_roles_create_again_says_what_was_added() -> None:
    cors_guard("roles", "--create")
    Group.objects.get(name="CORS guard triager").permissions.remove(
        Permission.objects.get(codename="change_rejectedorigin")
    )

    run = cors_guard("roles", "--create")

    assert "CORS guard viewer: has all that it needs" in run.out
    assert "CORS guard triager: got 1 permission: change_rejectedorigin" in run.out


def test_roles_create_before_the_permissions_are_there_exits_with_two() -> None:
    Permission.objects.filter(codename="view_frontend").delete()

    run = cors_guard("roles", "--create")

    assert run.code == 2
    assert "view_frontend" in run.err
    assert "manage.py migrate" in run.err


def test_roles_create_is_silent_on_demand() -> None:
    assert cors_guard("roles", "--create", verbosity=0).out == ""
