"""``cors_guard import``: a policy file, planned against what is there, and applied as it was seen."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.core.policy_files import TextFormat, read_document
from django_cors_guard.core.problems import show
from django_cors_guard.management.subcommands.console import Console, command, reject, report_conflicts
from django_cors_guard.management.subcommands.notices import say_revision
from django_cors_guard.management.subcommands.places import unique
from django_cors_guard.management.subcommands.policy_report import list_findings, show_mends, show_plan
from django_cors_guard.management.subcommands.policy_texts import (
    STANDARD_STREAM,
    add_format,
    choose_format,
    read_bytes,
)
from django_cors_guard.management.subcommands.questions import Questions, is_terminal
from django_cors_guard.management.subcommands.retention import PROGRESS_SECONDS
from django_cors_guard.services.policy import PolicyMoved, PolicyPlan, PolicyResult, apply_policy, plan_policy

#: Of the grants that a file manages, the share that --prune revokes without asking again.
PRUNE_SHARE: Final = 0.1
_FORMATS: Final = tuple(str(item) for item in TextFormat)
_LARGEST: Final = 2**63 - 1


def parse_revision(text: str) -> int:
    """Return the number of a revision."""
    if text.isascii() and text.isdecimal() and len(text) < len(str(_LARGEST)):
        return int(text)
    raise ArgumentTypeError(
        _("%(text)r is no revision: give the number that the plan has named.") % {"text": text[:20]}
    )


def add_arguments(parser: ArgumentParser) -> None:
    """Take the file, and how far it may go."""
    parser.add_argument("file", metavar="FILE", help=_("a policy file; - reads standard input"))
    add_format(parser, _FORMATS)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--apply", action="store_true", help=_("write what the plan says"))
    how.add_argument("--dry-run", action="store_true", help=_("only show the plan (the default)"))
    parser.add_argument("--reason", default="", help=_("why; kept with each change (default: the name of the file)"))
    parser.add_argument(
        "--expect-revision",
        metavar="N",
        type=parse_revision,
        help=_("write nothing unless the policy is still at the revision that the plan was seen at"),
    )
    parser.add_argument(
        "--prune", action="store_true", help=_("revoke the grants that the file manages and lists no longer")
    )
    parser.add_argument(
        "--confirm-prune", action="store_true", help=_("revoke more than a tenth of them without being asked")
    )
    parser.add_argument(
        "--reinstate",
        metavar="ORIGIN",
        action="append",
        default=[],
        help=_("trust that origin again where it was revoked here and the file trusts it (repeatable)"),
    )
    parser.add_argument("--allow-protected", action="store_true", help=_("change protected environments, too"))
    parser.add_argument("--environment", metavar="SLUG", default="", help=_("take only that environment of the file"))
    parser.add_argument(
        "--as",
        dest="as_environment",
        metavar="SLUG",
        default="",
        help=_("take the environment of the file under another slug; one that is here keeps its own settings"),
    )


def run(
    console: Console,
    *,
    file: str,
    text_format: str | None,
    apply: bool,
    reason: str,
    expect_revision: int | None,
    **options: Any,
) -> None:
    """Show the plan; with ``apply`` write it, all of it or nothing."""
    progress = _Progress(console)
    document = _read(console, file, choose_format(file, text_format, _FORMATS))
    count = len(document.trusted_origins)
    read = ngettext("%(count)d trusted origin read.", "%(count)d trusted origins read.", count)
    progress.tell(read % {"count": count})
    plan = _plan(document, options)
    progress.tell(_("Planned."))
    show_plan(console, plan)
    if expect_revision is not None and plan.version.revision != expect_revision:
        raise PolicyMoved(plan, expect_revision)
    if plan.problems:
        raise reject("\n".join([_("Nothing was written:"), *list_findings(console, plan.problems)]))
    if plan.conflicts:
        raise report_conflicts(
            _("Nothing was written: settle the conflicts first (%(count)d).") % {"count": len(plan.conflicts)}
        )
    if not apply:
        _tell_how(console, plan, file, text_format, options)
        return
    _confirm_prune(console, plan, file=file, confirmed=options["confirm_prune"])
    why = reason.strip() or _("Imported from %(file)s") % {"file": Path(file).name if file != STANDARD_STREAM else file}
    _report(console, plan, apply_policy(plan, reason=why, expect_revision=expect_revision))


class _Progress:
    """Tells a run that takes long how far it is, and others only if they ask."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.told = monotonic()

    def tell(self, text: str) -> None:
        if self.console.verbosity > 1 or monotonic() - self.told >= PROGRESS_SECONDS:
            self.console.say(text)
            self.told = monotonic()


def _read(console: Console, file: str, text_format: str) -> PolicyFile:
    reading = read_document(read_bytes(file), TextFormat(text_format))
    if reading.findings:
        what = {"file": show(file)}
        raise reject("\n".join([_("%(file)s cannot be read:") % what, *list_findings(console, reading.findings)]))
    show_mends(console, reading)
    return reading.document


def _plan(document: PolicyFile, options: dict[str, Any]) -> PolicyPlan:
    return plan_policy(
        document,
        as_environment=options["as_environment"],
        environment=options["environment"],
        prune=options["prune"],
        reinstate=unique(options["reinstate"]),
        allow_protected=options["allow_protected"],
    )


def _tell_how(console: Console, plan: PolicyPlan, file: str, text_format: str | None, options: dict[str, Any]) -> None:
    """Name the revision, and the command that applies exactly this plan."""
    revision = plan.version.revision
    if plan.is_empty:
        console.say(
            _("Nothing to change: the policy at revision %(revision)d is as the file says.") % {"revision": revision}
        )
        return
    if _prunes_much(plan):
        console.warn(_("%(told)s If that is meant: --confirm-prune.") % {"told": _word_pruning(plan)})
    words = ["import", file, *_repeat(text_format, options), "--apply", "--expect-revision", str(revision)]
    console.say(
        _("Revision %(revision)d, and nothing was written. To apply exactly this: %(command)s")
        % {"revision": revision, "command": command(*words)},
        console.style.NOTICE,
    )


def _repeat(text_format: str | None, options: dict[str, Any]) -> list[str]:
    """Return the words that make the same plan again."""
    given: list[tuple[str, Sequence[str]]] = [
        ("--format", [text_format] if text_format else []),
        ("--environment", [options["environment"]] if options["environment"] else []),
        ("--as", [options["as_environment"]] if options["as_environment"] else []),
        ("--reinstate", unique(options["reinstate"])),
    ]
    switches = [f"--{name.replace('_', '-')}" for name in ("prune", "allow_protected") if options[name]]
    return [*(word for name, values in given for value in values for word in (name, value)), *switches]


def _prunes_much(plan: PolicyPlan) -> bool:
    """Whether a large part goes of all that the file manages, or of what it manages in one environment."""
    if len(plan.pruned) > plan.managed * PRUNE_SHARE:
        return True
    lost = Counter(step.key[0] for step in plan.pruned)
    return any(lost[slug] > count * PRUNE_SHARE for slug, count in plan.managed_in)


def _word_pruning(plan: PolicyPlan) -> str:
    text = ngettext(
        "--prune would revoke %(count)d of the %(managed)d grant that “%(name)s” manages.",
        "--prune would revoke %(count)d of the %(managed)d grants that “%(name)s” manages.",
        plan.managed,
    )
    return text % {
        "count": len(plan.pruned),
        "managed": plan.managed,
        "name": show(plan.document.name),
    }


def _confirm_prune(console: Console, plan: PolicyPlan, *, file: str, confirmed: bool) -> None:
    """Ask again before a large part of what the file manages goes: more often than not half of the file is missing."""
    count = len(plan.pruned)
    if confirmed or not _prunes_much(plan):
        return
    told = _word_pruning(plan)
    if file == STANDARD_STREAM or not is_terminal():
        raise reject(_("Nothing was written. %(told)s If that is meant: --confirm-prune.") % {"told": told})
    console.warn(told)
    if Questions(console).ask(_("To go on, type how many grants are to be revoked"), str) != str(count):
        raise reject(_("Nothing was written: that is not the number."))


def _report(console: Console, plan: PolicyPlan, result: PolicyResult) -> None:
    if plan.is_empty:
        console.say(_("Nothing to change."))
        return
    counts = (
        (ngettext("%(count)d added", "%(count)d added", result.added), result.added),
        (ngettext("%(count)d changed", "%(count)d changed", result.changed), result.changed),
        (ngettext("%(count)d removed", "%(count)d removed", result.removed), result.removed),
        (ngettext("%(count)d revoked", "%(count)d revoked", result.revoked), result.revoked),
        (ngettext("%(count)d reinstated", "%(count)d reinstated", result.reinstated), result.reinstated),
    )
    done = ", ".join(text % {"count": count} for text, count in counts if count)
    console.say(_("Applied: %(done)s.") % {"done": done}, console.style.SUCCESS)
    if result.revision is not None:
        say_revision(console)
