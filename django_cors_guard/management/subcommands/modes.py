"""``cors_guard mode``: how strict the guard is. The brake that needs no admin."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from django_cors_guard import conf, services
from django_cors_guard.core.decision import Mode
from django_cors_guard.management.subcommands.console import Console, command, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.notices import say_revision
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    choose_environments,
    find_group,
    unique,
)
from django_cors_guard.models import ApiGroup, Environment, GroupMode, policy_write

INHERIT: Final = "inherit"


@dataclass(frozen=True, slots=True)
class GroupInForce:
    """The mode of one API group in one environment: its own (blank: the environment's), and what is done."""

    group: ApiGroup
    own: str
    in_force: Mode

    def word(self) -> str:
        """Return the mode and where it comes from, in a few words."""
        text = str(self.in_force)
        if self.own:
            text = _("%(mode)s, its own mode") % {"mode": text}
        return text


def list_in_force(environment: Environment) -> list[GroupInForce]:
    """Return every API group with its mode in ``environment``, none stricter than MAX_MODE."""
    own = dict(GroupMode.objects.using(alias()).filter(environment=environment).values_list("api_group__slug", "mode"))
    groups = ApiGroup.objects.using(alias()).order_by("slug")
    return [
        GroupInForce(group, own.get(group.slug, ""), cap(own.get(group.slug) or environment.mode)) for group in groups
    ]


def cap(mode: str) -> Mode:
    """Return ``mode``, or MAX_MODE where that is milder."""
    return min(Mode(mode), conf.current().max_mode, key=lambda item: item.strictness)


def add_arguments(parser: ArgumentParser) -> None:
    """Take the mode, the places, and the reason."""
    parser.add_argument(
        "mode",
        nargs="?",
        choices=[*(str(mode) for mode in Mode), INHERIT],
        metavar="MODE",
        help=_("monitor, enforce or block; or inherit, with --group. Left out: show the modes"),
    )
    add_environment(parser, text=_("where (default: the active environment; repeatable)"))
    add_group(parser, text=_("only for that API group, instead of the environment (repeatable)"))
    parser.add_argument("--reason", default="", help=_("why; kept for whoever asks later"))


def run(
    console: Console,
    *,
    mode: str | None,
    environment: Sequence[str],
    group: Sequence[str],
    reason: str,
    **_options: Any,
) -> None:
    """Show the modes, or set them in one revision."""
    environments = choose_environments(environment)
    groups = [find_group(slug) for slug in unique(group)]
    if mode is None:
        for place in environments:
            _show(console, place, groups)
        return
    if mode == INHERIT and not groups:
        raise reject(_("Only an API group can inherit a mode. Say which, with --group."))
    changed = _count_changes(environments, groups, mode)
    if changed:
        _set(environments, groups, mode, reason)
    for place in environments:
        _tell(console, place, groups, mode)
    if changed:
        say_revision(console)
    else:
        console.say(_("Nothing to change."))


def _show(console: Console, environment: Environment, groups: Sequence[ApiGroup]) -> None:
    console.show_title(f"{environment.slug}: {environment.mode}")
    chosen = {group.pk for group in groups}
    shown = [item for item in list_in_force(environment) if not chosen or item.group.pk in chosen]
    console.show_table([(item.group.slug, item.word()) for item in shown], indent=2)
    _warn_of_cap(console, [environment.mode, *(item.own for item in shown if item.own)])


@services.retry_deadlocks
def _set(environments: Sequence[Environment], groups: Sequence[ApiGroup], mode: str, reason: str) -> None:
    with policy_write(reason=reason, using=alias()):
        for environment in environments:
            if not groups:
                _set_environment(environment.pk, mode)
            for group in groups:
                _set_group(environment, group, mode)


def _count_changes(environments: Iterable[Environment], groups: Sequence[ApiGroup], mode: str) -> int:
    changes = 0
    for environment in environments:
        if not groups:
            changes += environment.mode != mode
        for group in groups:
            own = GroupMode.objects.using(alias()).filter(environment=environment, api_group=group).first()
            changes += (own.mode if own is not None else INHERIT) != mode
    return changes


def _set_environment(pk: int, mode: str) -> None:
    # Read under the lock: nothing else of the row must go back to what it was a moment ago.
    environment = Environment.objects.using(alias()).get(pk=pk)
    if environment.mode != mode:
        environment.mode = mode
        environment.save(using=alias(), update_fields=["mode"])


def _set_group(environment: Environment, group: ApiGroup, mode: str) -> None:
    own = GroupMode.objects.using(alias()).filter(environment=environment, api_group=group).first()
    if mode == INHERIT:
        if own is not None:
            own.delete(using=alias())
        return
    own = own or GroupMode(environment=environment, api_group=group)
    if own.mode != mode:
        own.mode = mode
        own.save(using=alias())


def _tell(console: Console, environment: Environment, groups: Sequence[ApiGroup], mode: str) -> None:
    environment.refresh_from_db()
    if not groups:
        console.say(f"{environment.slug}: {environment.mode}", console.style.SUCCESS)
        _tell_of_own_modes(console, environment)
    for item in list_in_force(environment):
        if item.group in groups:
            console.say(f"{environment.slug}/{item.group.slug}: {item.word()}", console.style.SUCCESS)
    _warn_of_cap(console, [environment.mode if mode == INHERIT else mode])
    if mode == Mode.BLOCK:
        console.warn(
            _(
                "Block also stops cross-site form posts, such as the callback of a SAML or OAuth login: give such "
                "paths an API group of their own that enforces."
            )
        )


def _tell_of_own_modes(console: Console, environment: Environment) -> None:
    """The brake was pulled, and some API groups did not hear it."""
    for item in list_in_force(environment):
        if item.own and item.own != environment.mode:
            place = ("--environment", environment.slug, "--group", item.group.slug)
            console.warn(
                _("%(group)s keeps the mode %(mode)s of its own. To change it: %(command)s")
                % {
                    "group": item.group.slug,
                    "mode": item.own,
                    "command": command("mode", environment.mode, *place),
                }
            )


def _warn_of_cap(console: Console, modes: Iterable[str]) -> None:
    limit = conf.current().max_mode
    if any(cap(mode) != mode for mode in modes):
        console.warn(
            _(
                'CORS_GUARD["MAX_MODE"] is %(limit)s here, and nothing is stricter than that: '
                "it counts, not the mode set."
            )
            % {"limit": limit}
        )
