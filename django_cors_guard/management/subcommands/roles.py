"""``cors_guard roles``: which sets of permissions there are, and groups of users made of them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.management.subcommands.console import Console, command
from django_cors_guard.roles import EXTRAS, ROLES, Made, make_groups


def add_arguments(parser: ArgumentParser) -> None:
    """Take whether to make the groups."""
    parser.add_argument(
        "--create",
        action="store_true",
        help=_("make a group of users for each role, or give those that are there what they lack"),
    )


def run(console: Console, *, create: bool, **_options: Any) -> None:
    """List the roles, or make their groups."""
    if not create:
        _list(console)
        return
    for made in make_groups():
        console.say(_tell(made), console.style.SUCCESS)
    console.say(_("Put users into them in the admin. What you add to a group stays when this is run again."))


def _list(console: Console) -> None:
    before: tuple[str, ...] = ()
    for role in ROLES:
        console.show_title(f"{role.name}: {role.purpose}")
        for codename in role.permissions[len(before) :]:
            console.show(f"  {codename}")
        before = role.permissions
    console.show_title(_("in no role, to be given by itself"))
    console.show_table([(extra.codename, str(extra.purpose)) for extra in EXTRAS], indent=2)
    console.say(_("Each role has what the one before it has. To make groups: %s") % command("roles", "--create"))


def _tell(made: Made) -> str:
    name, count = made.role.group_name, len(made.added)
    if made.is_new:
        words = ngettext(
            "%(name)s: made, with %(count)d permission", "%(name)s: made, with %(count)d permissions", count
        )
    elif made.added:
        words = ngettext(
            "%(name)s: got %(count)d permission: %(added)s", "%(name)s: got %(count)d permissions: %(added)s", count
        )
    else:
        words = _("%(name)s: has all that it needs")
    return words % {"name": name, "count": count, "added": ", ".join(made.added)}
