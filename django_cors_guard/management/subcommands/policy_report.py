"""A plan of a whole policy in words: what it would do, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.core.files import write_moment
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup
from django_cors_guard.core.policy_files import Finding, Reading
from django_cors_guard.core.problems import show
from django_cors_guard.management.subcommands.console import Console
from django_cors_guard.services.policy import (
    Addition,
    Change,
    Conflict,
    Difference,
    Kind,
    PolicyPlan,
    Reinstatement,
    Removal,
    Revocation,
)
from django_cors_guard.services.policy.fields import as_aware
from django_cors_guard.wording import word_conflict, word_finding, word_mend, word_risk

#: Lines of one kind that are shown; all of them at verbosity 2.
MAX_SHOWN: Final = 20

#: Fields that decide nothing, and those that are lines of their own.
_TOLD_ELSEWHERE: Final = frozenset({"name", "description", "routes", "group_modes"})

_NOUNS: Final = {
    Kind.ENVIRONMENT: gettext_lazy("environment"),
    Kind.API_GROUP: gettext_lazy("API group"),
    Kind.ROUTE: gettext_lazy("route"),
    Kind.GROUP_MODE: gettext_lazy("mode of an API group"),
    Kind.FRONT_END: gettext_lazy("front end"),
    Kind.GRANT: gettext_lazy("trusted origin"),
}


def show_mends(console: Console, reading: Reading) -> None:
    """Tell what was put right in the origins of a document."""
    lines = [f"  {show(item.place)}: {show(item.mend.before)} → {item.mend.after}: {word_mend(item.mend)}"
             for item in reading.mended]  # fmt: skip
    _show(console, _("Mended"), lines)


def list_findings(console: Console, findings: Sequence[Finding]) -> list[str]:
    """Return what is wrong in lines, not too many of them."""
    return _cut(console, [f"  {word_finding(found)}" for found in findings])


def show_plan(console: Console, plan: PolicyPlan) -> None:
    """Show all that the plan would do, and what stands against it."""
    _show(console, _("To be added"), map(_word_addition, plan.additions))
    _show(console, _("To be changed"), map(_word_change, plan.changes))
    _show(console, _("To be removed"), map(_word_removal, plan.removals))
    _show(console, _("To be revoked"), (_word_revocation(step, plan) for step in plan.revocations))
    _show(console, _("To be reinstated"), map(_word_reinstatement, plan.reinstatements))
    _show(console, _("Conflicts"), map(_word_conflict, plan.conflicts))
    _warn(console, plan)
    console.say(_("%(count)d here already.") % {"count": plan.unchanged})


def _show(console: Console, title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if not (found and console.verbosity):
        return
    console.show_title(_("%(title)s (%(count)d):") % {"title": title, "count": len(found)})
    for line in _cut(console, found):
        console.show(line)


def _cut(console: Console, lines: list[str]) -> list[str]:
    if console.verbosity > 1 or len(lines) <= MAX_SHOWN:
        return lines
    rest = _("  … and %(count)d more: -v 2 shows them all") % {"count": len(lines) - MAX_SHOWN}
    return [*lines[:MAX_SHOWN], rest]


def _warn(console: Console, plan: PolicyPlan) -> None:
    steps: list[Addition | Reinstatement] = [*plan.additions, *plan.reinstatements]
    risky = [(step.key, risk) for step in steps for risk in step.risks]
    lines = [f"{'/'.join(key[:2])} {show(key[2])}: {word_risk(risk)}" for key, risk in risky]
    lines += [word_finding(found) for found in plan.warnings]
    lines += [
        _("The API group “%(group)s” is open to any origin, so trusting one changes nothing there.") % {"group": slug}
        for slug in plan.open_groups
    ]
    if not plan.compared_all:
        lines.append(_("There are too many new origins to look for look-alikes among them."))
    if plan.kept:
        lines.append(
            _("The environment “%(slug)s” is here already: its own mode, switches and name stay as they are.")
            % {"slug": plan.kept}
        )
    for line in _cut(console, lines):
        console.warn(line.strip())


def _name(kind: Kind, key: Sequence[str]) -> str:
    if kind is Kind.GRANT:
        return f"{key[0]}/{key[1]} {show(key[2])}"
    if kind is Kind.ROUTE:
        return f"{_NOUNS[kind]} {key[0]}: {show(key[1] + key[2])}"
    return f"{_NOUNS[kind]} {'/'.join(key)}"


def _word_addition(step: Addition) -> str:
    text = f"  + {_name(step.kind, step.key)}"
    if isinstance(step.after, str):
        return f"{text}: {step.after}"
    if isinstance(step.after, FileGrant):
        said = "; ".join(_word_grant(step.after))
    elif isinstance(step.after, FileGroup | FileEnvironment):
        said = "; ".join(_list_choices(step.after))
    else:
        said = ""
    return f"{text} ({said})" if said else text


def _list_choices(made: FileGroup | FileEnvironment) -> Iterator[str]:
    """What is not as in any new one: what an environment is to allow, and what trusted pages may do."""
    default = type(made)(made.slug)
    for item in fields(made):
        value = getattr(made, item.name)
        if item.name not in _TOLD_ELSEWHERE and value != getattr(default, item.name):
            yield f"{item.name}: {_text(value)}"


def _word_grant(grant: FileGrant) -> Iterator[str]:
    if grant.revoked_at is not None:
        yield _("revoked %(at)s by %(by)s") % {"at": _text(grant.revoked_at), "by": show(grant.revoked_by) or "?"}
    if grant.expires_at is not None:
        yield _("until %(until)s") % {"until": _text(grant.expires_at)}
    if grant.front_end:
        yield grant.front_end


def _word_change(step: Change) -> str:
    return f"  ~ {_name(step.kind, step.key)}: {_word_differences(step.differences)}"


def _word_differences(differences: Iterable[Difference]) -> str:
    return "; ".join(f"{item.field}: {_text(item.before)} → {_text(item.after)}" for item in differences)


def _word_removal(step: Removal) -> str:
    return f"  - {_name(step.kind, step.key)}"


def _word_revocation(step: Revocation, plan: PolicyPlan) -> str:
    why = _("no longer in %(name)s") % {"name": show(plan.document.name)} if step.pruned else show(step.reason)
    return f"  - {_name(Kind.GRANT, step.key)}{_behind(why, step.differences)}"


def _word_reinstatement(step: Reinstatement) -> str:
    told = _("revoked by %(by)s on %(at)s: %(reason)s") % {
        "by": show(step.by) or "?",
        "at": _text(step.at),
        "reason": show(step.reason) or "?",
    }
    return f"  + {_name(Kind.GRANT, step.key)}{_behind(told, step.differences)}"


def _behind(why: str, differences: Sequence[Difference]) -> str:
    said = "; ".join(filter(None, [why, _word_differences(differences)]))
    return f" ({said})" if said else ""


def _word_conflict(found: Conflict) -> str:
    why = word_conflict(found.why, origin=found.key[-1], detail=show(found.detail))
    text = f"  ! {_name(found.kind, found.key)}: {why}"
    if found.at is None:
        return text
    told = {"by": show(found.by) or "?", "at": _text(found.at), "reason": show(found.reason) or "?"}
    return f"{text}\n      " + _("revoked by %(by)s on %(at)s: %(reason)s") % told


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return write_moment(as_aware(value) or value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    if value in {None, ""}:
        return "—"
    return show(str(value))
