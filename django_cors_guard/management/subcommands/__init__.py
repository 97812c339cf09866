"""The subcommands of ``manage.py cors_guard``, a module per noun."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext_lazy as _

from django_cors_guard.management.subcommands import (
    explanation,
    export,
    grants,
    import_corsheaders,
    importing,
    modes,
    parity,
    retention,
    review,
    revision,
    revocation,
    roles,
    setup,
    status,
    suggestions,
    trust,
    usage,
)


class Subcommand(NamedTuple):
    """``run`` takes a ``Console`` and the parsed options by name, and raises what is wrong."""

    help: Any
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[..., None]


SUBCOMMANDS: Final[Mapping[str, Subcommand]] = {
    "init": Subcommand(_("Create an environment, API groups and routes."), setup.add_arguments, setup.run),
    "status": Subcommand(_("Tell what the guard does here, and what is amiss."), status.add_arguments, status.run),
    "trust": Subcommand(_("Let origins call API groups."), trust.add_arguments, trust.run),
    "revoke": Subcommand(
        _("Close an origin's grants, in a part or everywhere."), revocation.add_revoke_arguments, revocation.revoke
    ),
    "reinstate": Subcommand(_("Take a revocation back."), revocation.add_reinstate_arguments, revocation.reinstate),
    "list": Subcommand(_("List grants."), grants.add_arguments, grants.run),
    "check": Subcommand(
        _("Explain what a page of an origin gets on a path."), explanation.add_arguments, explanation.run
    ),
    "mode": Subcommand(_("Show or set how strict the guard is."), modes.add_arguments, modes.run),
    "parity": Subcommand(
        _("Tell where another CORS middleware and the guard would differ."), parity.add_arguments, parity.run
    ),
    "export": Subcommand(_("Write the whole policy as text."), export.add_arguments, export.run),
    "import": Subcommand(
        _("Show what a policy file would change, and apply it."), importing.add_arguments, importing.run
    ),
    "import-corsheaders": Subcommand(
        _("Move in from django-cors-headers."), import_corsheaders.add_arguments, import_corsheaders.run
    ),
    "prune": Subcommand(_("Delete audit rows older than the retention."), retention.add_arguments, retention.run),
    "usage": Subcommand(_("Tell what trusted origins called, and what nobody uses."), usage.add_arguments, usage.run),
    "review": Subcommand(
        _("List every grant as of a date with owner, use, reason and age, and mark what was reviewed."),
        review.add_arguments,
        review.run,
    ),
    "suggest-access": Subcommand(
        _("Propose the least set of API groups that each trusted origin needs."),
        suggestions.add_arguments,
        suggestions.run,
    ),
    "roles": Subcommand(
        _("List sets of permissions, and make groups of users of them."), roles.add_arguments, roles.run
    ),
    "bump": Subcommand(
        _("Make every process read the policy anew, after raw SQL."), revision.add_arguments, revision.run
    ),
}
