"""``cors_guard import-corsheaders``: the project's settings for django-cors-headers as rows, line by line.

It only ever adds, in an environment that watches and answers nothing, so it can be run beside the other middleware.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import conf
from django_cors_guard.core.corsheaders import Line, Translation, Verdict, fit, translate
from django_cors_guard.management.subcommands import findings
from django_cors_guard.management.subcommands.console import Console, answer_no, command, reject
from django_cors_guard.management.subcommands.corsheaders_words import word_line, word_notes
from django_cors_guard.management.subcommands.notices import say_revision
from django_cors_guard.services.policy import Addition, PolicyPlan, apply_policy, plan_policy, read_policy
from django_cors_guard.validators import canonical_path_prefix, validate_path_prefix
from django_cors_guard.wording import word_finding

CSRF: Final = "CSRF_TRUSTED_ORIGINS"
MARKS: Final[Mapping[Verdict, str]] = {
    Verdict.TOOK: "✓",
    Verdict.MENDED: "~",
    Verdict.REFUSED: "✗",
    Verdict.NOTED: "·",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Take where the policy goes, what else may be taken, and whether to write."""
    parser.add_argument("--environment", metavar="SLUG", help=_("default: the active environment"))
    parser.add_argument("--group", metavar="SLUG", default="api", help=_("the API group (default: api)"))
    parser.add_argument(
        "--path",
        metavar="PREFIX",
        action="append",
        default=[],
        help=_("guard these paths instead of what CORS_URLS_REGEX says (repeatable)"),
    )
    parser.add_argument(
        "--allow-insecure-http", action="store_true", help=_("also take origins that are not encrypted")
    )
    parser.add_argument(
        "--allow-insecure-credentials",
        action="store_true",
        help=_("also with credentials: whoever sits on the network acts as your users"),
    )
    parser.add_argument("--allow-protected", action="store_true", help=_("also write to protected environments"))
    parser.add_argument("--apply", action="store_true", help=_("write it; without this nothing is written"))
    parser.add_argument("--reason", default="", help=_("why; kept in the history"))
    parser.add_argument("--format", choices=("text", "json"), default="text", help=_("default: text"))


def run(
    console: Console,
    *,
    environment: str | None,
    group: str,
    path: Sequence[str],
    allow_insecure_http: bool,
    allow_insecure_credentials: bool,
    allow_protected: bool,
    apply: bool,
    reason: str,
    format: str,  # noqa: A002 - the name of the option
    **_options: Any,
) -> None:
    """Print what becomes of each setting, and write it if asked to. Exit code 1 if something was refused."""
    slug = _read_slug(environment or conf.current().environment)
    given = find_settings()
    if not given.keys() - {CSRF} and not apps.is_installed("corsheaders"):
        raise reject(_("There are no settings of django-cors-headers here."))
    asked = {"allow_insecure_http": allow_insecure_http, "allow_insecure_credentials": allow_insecure_credentials}
    translation = fit(
        translate(
            given,
            environment=slug,
            group=_read_slug(group),
            receivers=find_receivers(),
            paths=_read_paths([path] if isinstance(path, str) else path),
            switches=[name for name, wanted in asked.items() if wanted],
        ),
        read_policy(),
    )
    plan = plan_policy(translation.document, allow_protected=allow_protected)
    revision = None
    if apply:
        why = reason or _("Moved in from django-cors-headers")
        revision = apply_policy(plan, reason=why).revision
    if format == "json":
        console.show_json(_as_dict(translation, plan, applied=apply, revision=revision))
    else:
        _report(console, translation, plan, applied=apply)
    refused = sum(line.verdict is Verdict.REFUSED for line in translation.lines)
    if refused:
        raise answer_no(
            ngettext(
                "%(count)d value was not taken: see the line with %(mark)s.",
                "%(count)d values were not taken: see the lines with %(mark)s.",
                refused,
            )
            % {"count": refused, "mark": MARKS[Verdict.REFUSED]}
        )


def find_settings() -> dict[str, object]:
    """Return the project's settings that django-cors-headers may read, and Django's list for CSRF."""
    names = [name for name in dir(settings) if name.startswith("CORS_") and name != "CORS_GUARD"]
    return {name: getattr(settings, name) for name in [*names, CSRF] if hasattr(settings, name)}


def find_receivers() -> list[str]:
    """Return the dotted names of what listens to ``check_request_enabled``, if django-cors-headers is installed."""
    if not apps.is_installed("corsheaders"):
        return []
    try:
        signal = import_string("corsheaders.signals.check_request_enabled")
    except ImportError:
        return []
    # Django has no public list of a signal's receivers; these are (synchronous ones, asynchronous ones).
    return sorted({_name_of(receiver) for receivers in signal._live_receivers(None) for receiver in receivers})  # noqa: SLF001


def _name_of(receiver: Callable[..., Any]) -> str:
    named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{named.__module__}.{named.__qualname__}"


def _read_slug(text: str) -> str:
    try:
        validate_slug(text)
    except ValidationError as error:
        raise reject(f"{text[:200]!r}: {' '.join(error.messages)}") from error
    return text


def _read_paths(paths: Sequence[str]) -> list[str]:
    try:
        for path in paths:
            validate_path_prefix(path)
    except ValidationError as error:
        raise reject(" ".join(error.messages)) from error
    return [canonical_path_prefix(path) for path in paths]


def _report(console: Console, translation: Translation, plan: PolicyPlan, *, applied: bool) -> None:
    _show_lines(console, translation.lines)
    console.show_title(_("Written") if applied else _("This would be written"))
    for step in plan.additions:
        console.show(f"  + {_identify(step)}", console.style.SUCCESS)
    for problem in plan.problems:
        console.warn(word_finding(problem))
    if plan.is_empty:
        console.show(_("  nothing: it is all there"))
    _say_next(console, translation, plan, applied=applied)


def _show_lines(console: Console, lines: Sequence[Line]) -> None:
    styles = {
        Verdict.TOOK: console.style.SUCCESS,
        Verdict.MENDED: console.style.WARNING,
        Verdict.REFUSED: console.style.ERROR,
        Verdict.NOTED: None,
    }
    before = None
    for line in lines:
        if before is None or line.setting != before.setting:
            console.show_title(line.setting or _("The policy here"))
        if before is None or (line.setting, line.value, line.verdict) != (before.setting, before.value, before.verdict):
            console.show(f"  {MARKS[line.verdict]} {line.value}", styles[line.verdict])
        console.show(f"      {word_line(line)}")
        for text in word_notes(line):
            console.show(f"        {text}")
        before = line


def _identify(step: Addition) -> str:
    return f"{step.kind.value} {' '.join(part for part in step.key if part)}"


def _say_next(console: Console, translation: Translation, plan: PolicyPlan, *, applied: bool) -> None:
    place = translation.document.environments[0]
    if not applied:
        console.say(_("This was a dry run: nothing was written. To write it, say the same with --apply."))
        return
    if not plan.is_empty:
        say_revision(console)
    for finding in findings.find():
        console.warn(finding)
    console.say(_("Next, watch where the two differ, and enforce once they do not:"), console.style.MIGRATE_HEADING)
    console.say("  " + command("parity", "--environment", place.slug))
    group = translation.document.api_groups[0].slug
    if dict(place.group_modes).get(group) == "monitor":
        console.say("  " + command("mode", "inherit", "--environment", place.slug, "--group", group))
    elif place.mode == "monitor":
        console.say("  " + command("mode", "enforce", "--environment", place.slug))


def _as_dict(translation: Translation, plan: PolicyPlan, *, applied: bool, revision: int | None) -> dict[str, Any]:
    return {
        "environment": translation.document.environments[0].slug,
        "api_group": translation.document.api_groups[0].slug,
        "lines": [
            {
                "setting": line.setting,
                "value": line.value,
                "verdict": line.verdict.value,
                "code": line.code,
                "detail": line.detail,
                "notes": list(line.notes),
                "widens": line.widens,
                "text": word_line(line),
            }
            for line in translation.lines
        ],
        "additions": [{"kind": step.kind.value, "key": list(step.key)} for step in plan.additions],
        "problems": [word_finding(problem) for problem in plan.problems],
        "applied": applied,
        "revision": revision,
    }
