"""``cors_guard check``: what a page of an origin gets on a path, and why."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.core.decision import Mode, Reason
from django_cors_guard.core.explain import Nearest
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.explanation import Answer, Explanation, Grant
from django_cors_guard.management.subcommands.console import Console, Row, answer_no, moment, reject
from django_cors_guard.management.subcommands.places import find_environment
from django_cors_guard.wording import NULL_SOURCES, word_csrf, word_difference, word_problem, word_reason

#: What scripts may write in lower case (https://fetch.spec.whatwg.org/#concept-method-normalize).
NORMALISED: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})

#: What is typed for the origin of a request that has none.
NO_ORIGIN: Final = "-"


def add_arguments(parser: ArgumentParser) -> None:
    """Take the request."""
    parser.add_argument("origin", metavar="ORIGIN", help=_("of the page that calls; null, too; - for none"))
    parser.add_argument("path", metavar="PATH", help=_("such as /api/public/hello"))
    parser.add_argument("--method", default="GET", help=_("default: GET"))
    parser.add_argument(
        "--header",
        metavar="NAME",
        action="append",
        default=[],
        help=_(
            "a request header that it sets, or as in “Sec-Fetch-Site: cross-site” what the browser says (repeatable)"
        ),
    )
    parser.add_argument("--host", help=_("the host that is called, where routes tell hosts apart"))
    parser.add_argument("--environment", metavar="SLUG", help=_("default: the active environment"))
    parser.add_argument("--format", choices=("text", "json"), default="text", help=_("default: text"))


def run(
    console: Console,
    *,
    origin: str,
    path: str,
    method: str,
    header: Sequence[str],
    host: str | None,
    environment: str | None,
    format: str,  # noqa: A002 - the name of the option
    **_options: Any,
) -> None:
    """Print the explanation; a refusal is exit code 1."""
    found = services.explain(
        None if origin == NO_ORIGIN else origin,
        path=_clean_path(path),
        method=method.upper() if method.upper() in NORMALISED else method,
        headers=[header] if isinstance(header, str) else header,
        host=host,
        environment=find_environment(environment) if environment else None,
    )
    if format == "json":
        console.show_json(found.as_dict())
    else:
        _print(console, found)
    if not found.allowed:
        raise answer_no(f"{found.outcome}: {word_reason(found.reason)} ({found.reason})")


def _clean_path(path: str) -> str:
    """Return the path as Django routes it: decoded, and without query and fragment."""
    if not path.startswith("/"):
        raise reject(_("A path starts with a slash: %(path)r does not.") % {"path": path[:200]})
    return unquote(path.partition("#")[0].partition("?")[0])


def _sum_up(found: Explanation) -> str:
    text = {
        "allowed": _("%(origin)s may call %(method)s %(path)s in %(environment)s"),
        "refused": _("%(origin)s may not call %(method)s %(path)s in %(environment)s"),
    }.get(found.outcome, _("%(origin)s is not guarded on %(method)s %(path)s in %(environment)s"))
    return text % {
        "origin": found.origin or ("“”" if found.has_origin else _("A request without Origin")),
        "method": found.method,
        "path": found.path,
        "environment": found.environment,
    }


def _print(console: Console, found: Explanation) -> None:
    style = console.style.SUCCESS if found.allowed else console.style.ERROR
    console.show(f"{_sum_up(found)}: {word_reason(found.reason)}.", style)
    console.show_table(list(_list_facts(found)), indent=2)
    for title, answer in _list_answers(found):
        console.show(f"  {title}: {_word_answer(answer, found.mode)}")
        for name, value in answer.headers:
            console.show(f"    {name}: {value}")
    for line in _list_help(found):
        console.show(line)


def _list_facts(found: Explanation) -> Iterator[Row]:
    if not found.known_environment:
        yield (
            _("environment"),
            _("%(slug)s is not in the database, so nothing is trusted") % {"slug": found.environment},
        )
    if found.api_group:
        yield _("API group"), _("%(group)s, mode %(mode)s") % {"group": found.api_group, "mode": found.mode}
    if not found.has_origin and found.isolation:
        yield _("isolation"), found.isolation
    if found.route:
        yield _("route"), f"{found.route_host}{found.route}"
    if found.grant is not None:
        yield _("grant"), _word_grant(found.grant)
    if found.csrf:
        yield _("CSRF"), word_csrf(found.csrf)
    yield _("revision"), str(found.revision)


def _list_answers(found: Explanation) -> Iterator[tuple[str, Answer]]:
    if found.preflight is not None:
        yield _("preflight"), found.preflight
    yield _("request"), found.request


def _word_answer(answer: Answer, mode: str) -> str:
    if answer.runs_view and mode == Mode.MONITOR:
        return _("the view runs; the guard only watches and leaves the headers to others")
    if answer.runs_view and answer.reason == Reason.CROSS_SITE:
        return _("the view runs; isolation only records here")
    if answer.runs_view and not answer.allowed:
        return _("the view runs, and the browser keeps the answer from the page")
    if answer.runs_view:
        return _("the view runs")
    return _("answered with %(status)d") % {"status": answer.status}


def _word_grant(grant: Grant) -> str:
    text = f"{grant.origin} (#{grant.id}): {grant.status}"
    if grant.revoked_at is not None:
        return _("%(text)s by %(by)s on %(at)s (%(reason)s)") % {
            "text": text,
            "by": grant.revoked_by or _("an unknown user"),
            "at": moment(grant.revoked_at),
            "reason": grant.revoke_reason or _("no reason given"),
        }
    if grant.expires_at is not None:
        return _("%(text)s, until %(at)s") % {"text": text, "at": moment(grant.expires_at)}
    return text


def _list_help(found: Explanation) -> Iterator[str]:
    """What the operator may have meant, and where such requests come from."""
    if found.nearest is not None:
        yield _word_nearest(found.nearest)
    if found.reason == Reason.MALFORMED_ORIGIN:
        yield from (f"  {word_problem(problem)}" for problem in parse_origin(found.origin).problems)
    if found.null_sources:
        yield _("Pages whose origin is “null”:")
        yield from (f"  {NULL_SOURCES.get(source, source)}" for source in found.null_sources)


def _word_nearest(nearest: Nearest) -> str:
    candidate = nearest.candidate
    return _("The nearest grant is %(origin)s for %(group)s in %(environment)s (%(status)s): %(difference)s.") % {
        "origin": candidate.origin,
        "group": candidate.api_group,
        "environment": candidate.environment,
        "status": candidate.status,
        "difference": word_difference(nearest.difference),
    }
