"""``cors_guard status``: what the guard does in the active environment, and whether that is in order."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import chain
from time import time
from typing import Any, Final

from django.core.management.base import CommandError
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf, services
from django_cors_guard.core.decision import Isolation
from django_cors_guard.core.policy import REVOKED, SWITCHED_OFF, LeftOut, Policy
from django_cors_guard.management.subcommands import findings
from django_cors_guard.management.subcommands.console import Console, answer_no, command, reject
from django_cors_guard.management.subcommands.database import DATABASE_ERRORS, alias, describe_trouble
from django_cors_guard.management.subcommands.modes import GroupInForce, cap, list_in_force
from django_cors_guard.management.subcommands.places import add_environment, find_environment, unique
from django_cors_guard.management.subcommands.processes import (
    add_wait,
    as_data,
    check_places,
    check_revision,
    follow,
    parse_revision,
    print_processes,
    word_everywhere,
    word_missing,
)
from django_cors_guard.models import ApiRoute, Environment, PolicyState, RejectedOrigin, Rejection
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.services import ProcessReport
from django_cors_guard.store import load
from django_cors_guard.wording import word_problem

#: More rows that break a safety rule are only counted.
MAX_LEFT_OUT: Final = 5


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One API group; ``mode`` is in force, ``own_mode`` blank where it is the environment's."""

    slug: str
    mode: str
    own_mode: str
    any_origin: bool
    allow_credentials: bool
    trusted_for_csrf: bool
    isolate: str
    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrantCounts:
    """How many grants of the environment are worth what."""

    active: int = 0
    expired: int = 0
    revoked: int = 0
    switched_off: int = 0


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Everything that ``status`` tells. ``ok`` says that there is an environment to enforce anything in.

    ``processes`` are those of the environment, by how they stand to ``revision``, which is the database's.
    """

    ok: bool
    environment: str
    mode: str
    mode_in_force: str
    max_mode: str
    protected: bool
    revision: int
    api_groups: tuple[GroupStatus, ...]
    grants: GrantCounts
    rejections_last_hour: int
    rejections_last_day: int
    rejected_origins_new: int
    warnings: tuple[str, ...]
    processes: tuple[ProcessReport, ...]


def add_arguments(parser: ArgumentParser) -> None:
    """Take the format, and a revision to ask for."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help=_("default: text"))
    parser.add_argument(
        "--revision",
        metavar="N",
        type=parse_revision,
        help=_("only say which processes decide by that revision; exit code 1 if one may decide by an earlier one"),
    )
    add_environment(parser, text=_("with --revision: only the processes there (default: all; repeatable)"))
    add_wait(parser)


def run(
    console: Console,
    *,
    format: str,  # noqa: A002 - the name of the option
    revision: int | None = None,
    environment: Sequence[str] = (),
    wait: float | None = None,
    **_options: Any,
) -> None:
    """Print the report; without tables or an environment that is exit code 1."""
    if revision is not None:
        _run_revision(console, revision, unique(environment), wait or 0.0, as_json=format == "json")
        return
    if wait is not None or environment:
        raise reject(_("--wait and --environment go with --revision: say which revision, as a receipt names it."))
    slug = conf.current().environment
    try:
        report = _report(find_environment(slug))
    except CommandError as error:
        trouble = _("No origin is trusted. %(error)s") % {"error": error}
    except DATABASE_ERRORS as error:
        trouble = describe_trouble(error)
    else:
        if format == "json":
            console.show_json(asdict(report))
        else:
            _print(console, report)
        return
    if format == "json":
        console.show_json({"ok": False, "environment": slug, "problem": trouble})
    raise answer_no(trouble)


def _run_revision(
    console: Console, revision: int, environments: Sequence[str], seconds: float, *, as_json: bool
) -> None:
    check_places(environments)
    check_revision(revision)
    found = follow(revision, seconds, environments or None)
    if as_json:
        console.show_json(as_data(found))
    else:
        print_processes(console, found.processes, unlisted=found.unlisted)
    if not found.everywhere:
        raise answer_no(word_missing(found))
    if not as_json:
        console.show(word_everywhere(found), console.style.SUCCESS)


def _report(environment: Environment) -> StatusReport:
    policy = load(environment.slug)
    in_force = list_in_force(environment)
    revision = PolicyState.read(alias()).revision
    groups = tuple(_list_groups(in_force))
    return StatusReport(
        ok=True,
        environment=environment.slug,
        mode=environment.mode,
        mode_in_force=str(cap(environment.mode)),
        max_mode=str(conf.current().max_mode),
        protected=environment.protected,
        revision=revision,
        api_groups=groups,
        grants=_count_grants(policy),
        rejections_last_hour=_count_rejections(environment, timedelta(hours=1)),
        rejections_last_day=_count_rejections(environment, timedelta(days=1)),
        rejected_origins_new=RejectedOrigin.objects.using(alias())
        .filter(environment=environment.slug, status=CardStatus.NEW)
        .count(),
        warnings=tuple(_list_warnings(environment, groups, policy)),
        processes=services.describe_processes(revision, environments=[environment]).processes,
    )


def _list_groups(groups: list[GroupInForce]) -> Iterator[GroupStatus]:
    routes: dict[int, list[str]] = {}
    for route in ApiRoute.objects.using(alias()).order_by("host", "path_prefix"):
        routes.setdefault(route.api_group_id, []).append(str(route))
    for item in groups:
        yield GroupStatus(
            slug=item.group.slug,
            mode=str(item.in_force),
            own_mode=item.own,
            any_origin=item.group.any_origin,
            allow_credentials=item.group.allow_credentials,
            trusted_for_csrf=item.group.trusted_for_csrf,
            isolate=item.group.isolate,
            routes=tuple(routes.get(item.group.pk, ())),
        )


def _count_grants(policy: Policy) -> GrantCounts:
    """Count as the guard itself judges: from the policy that it compiles."""
    now = time()
    # Rows that are switched off one by one, those too malformed to be entered among them.
    off = policy.left_out_count - sum(1 for row in policy.left_out if not row.origin)
    counts = {"active": 0, "expired": 0, "revoked": 0, "switched_off": off}
    for group in policy.groups.values():
        for ends in chain(group.grants.values(), group.patterns.values()):
            if ends == REVOKED:
                counts["revoked"] += 1
            elif ends != SWITCHED_OFF:
                counts["switched_off" if group.closed else "active" if ends > now else "expired"] += 1
    return GrantCounts(**counts)


def _count_rejections(environment: Environment, span: timedelta) -> int:
    rows = Rejection.objects.using(alias()).filter(
        environment=environment.slug, last_seen__gte=timezone.now() - span
    )  # fmt: skip
    total: int | None = rows.aggregate(total=Sum("count"))["total"]
    return int(total or 0)


def _list_warnings(environment: Environment, groups: tuple[GroupStatus, ...], policy: Policy) -> Iterator[str]:
    yield from findings.find()
    if not groups:
        yield _("There is no API group, so nothing is guarded. Create one with: %(command)s") % {
            "command": command("init", "--group", "public=/api/public")
        }
    if any(cap(mode) != mode for mode in (environment.mode, *(group.own_mode for group in groups if group.own_mode))):
        yield _('CORS_GUARD["MAX_MODE"] is %(limit)s here: it counts where a stricter mode is set.') % {
            "limit": conf.current().max_mode
        }
    for group in groups:
        if not group.routes:
            yield _("The API group “%(group)s” has no route, so it guards nothing.") % {"group": group.slug}
    yield from map(_word_left_out, policy.left_out[:MAX_LEFT_OUT])


def _word_left_out(row: LeftOut) -> str:
    what = row.origin or _("the whole API group")
    return _("Switched off in %(group)s: %(what)s. %(problems)s") % {
        "group": row.group,
        "what": what,
        "problems": " ".join(word_problem(problem) for problem in row.problems),
    }


def _print(console: Console, report: StatusReport) -> None:
    grants = report.grants
    protected = _(", protected") if report.protected else ""
    console.show_title(f"{report.environment}: {report.mode_in_force}{protected}")
    console.show_table(
        [
            (_("revision"), str(report.revision)),
            (_("strictest mode"), _("%(mode)s (MAX_MODE)") % {"mode": report.max_mode}),
            (
                _("trusted origins"),
                _("%(active)d active, %(expired)d expired, %(revoked)d revoked, %(switched_off)d switched off")
                % asdict(grants),
            ),
            (
                _("refused requests"),
                _("%(hour)d in the last hour, %(day)d in the last day")
                % {"hour": report.rejections_last_hour, "day": report.rejections_last_day},
            ),
            (_("rejected origins"), _("%(count)d new") % {"count": report.rejected_origins_new}),
        ],
        indent=2,
    )
    console.show_title(_("API groups"))
    console.show_table([_group_cells(group) for group in report.api_groups], indent=2)
    console.show_title(_("Processes"))
    print_processes(console, report.processes)
    if not report.processes:
        console.show(_("  none has answered a request of late"))
    for warning in report.warnings:
        console.warn(warning)


def _group_cells(group: GroupStatus) -> tuple[str, str, str, str]:
    mode = _("%(mode)s, its own mode") % {"mode": group.mode} if group.own_mode else group.mode
    return group.slug, mode, ", ".join(group.routes) or _("no route"), _word_kind(group)


def _word_kind(group: GroupStatus) -> str:
    return ", ".join(filter(None, (_word_openness(group), _word_isolation(group))))


def _word_isolation(group: GroupStatus) -> str:
    if group.isolate == Isolation.OFF:
        return ""
    # What is not known counts as the stricter, as the compiler has it.
    return _("isolation monitored") if group.isolate == Isolation.MONITOR else _("isolated")


def _word_openness(group: GroupStatus) -> str:
    if group.any_origin:
        return _("any origin")
    if not group.allow_credentials:
        return ""
    return _("with credentials, trusted for CSRF") if group.trusted_for_csrf else _("with credentials")
