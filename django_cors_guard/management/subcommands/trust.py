"""``cors_guard trust``: let origins call API groups."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.core.origins import Problem
from django_cors_guard.exceptions import RevokedOrigin
from django_cors_guard.management.subcommands.console import Console, command, moment, reject
from django_cors_guard.management.subcommands.expiry import parse_expiry
from django_cors_guard.management.subcommands.notices import say_revision, show_mends
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    choose_environments,
    choose_groups,
    find_grant,
)
from django_cors_guard.models import ApiGroup
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Preview
from django_cors_guard.wording import word_problem, word_risk


def add_arguments(parser: ArgumentParser) -> None:
    """Take the origins, the places, and what is kept beside the grant."""
    parser.add_argument("origin", metavar="ORIGIN", nargs="+", help=_("such as https://app.example.com"))
    add_environment(parser, text=_("where to trust them (default: the active environment; repeatable)"))
    add_group(parser, text=_("what they may call (repeatable; default: the API group, if there is only one)"))
    parser.add_argument("--note", default="", help=_("why; kept with the grant"))
    parser.add_argument(
        "--expires", metavar="WHEN", type=parse_expiry, help=_("7d, 12h, or a time with its zone: 2030-12-31T18:00Z")
    )
    parser.add_argument("--front-end", metavar="SLUG", help=_("the front end behind them"))
    parser.add_argument("--dry-run", action="store_true", help=_("only say what would happen"))


def run(
    console: Console,
    *,
    origin: Sequence[str],
    environment: Sequence[str],
    group: Sequence[str],
    note: str,
    expires: datetime | None,
    front_end: str | None,
    dry_run: bool,
    **_options: Any,
) -> None:
    """Trust every origin in every place, or none in any."""
    environments, groups = choose_environments(environment), choose_groups(group)
    owner = services.find_front_end(front_end) if front_end else None
    previews = _preview(
        services.preview_trust(
            _given(origin), environments=environments, api_groups=groups, expires_at=expires
        )
    )  # fmt: skip
    _refuse_problems(previews, expires)
    for text in _given(origin):
        show_mends(console, text)
    _warn(console, previews, groups)
    fresh = [preview for preview in previews if not preview.existing]
    changes = fresh or expires is not None or note or owner is not None
    if changes and not dry_run:
        services.trust_many(
            dict.fromkeys(preview.origin for preview in previews),
            environments=environments,
            api_groups=groups,
            note=note,
            expires_at=expires,
            front_end=owner,
        )
    _report(console, previews, expires)
    if dry_run:
        console.say(_("This was a dry run: nothing was written."), console.style.NOTICE)
    elif changes:
        say_revision(console)
    else:
        console.say(_("Nothing to change."))


def _given(origins: Iterable[str]) -> list[str]:
    texts = list(dict.fromkeys([origins] if isinstance(origins, str) else origins))
    if not all(text.strip() for text in texts):
        raise reject(_("One of the origins is empty. Type each as in https://app.example.com."))
    return texts


def _preview(previews: Iterable[Preview]) -> list[Preview]:
    """Leave out what is the same origin, written differently."""
    return list({(item.origin or item.given, item.environment, item.api_group): item for item in previews}.values())


def _refuse_problems(previews: Iterable[Preview], expires: datetime | None) -> None:
    """Raise with everything that stands against it; each thing once, whatever the number of places."""
    lines = dict.fromkeys(
        f"  {preview.given!r}: {words}" for preview in previews for words in _word_problems(preview, expires)
    )
    if lines:
        raise reject("\n".join([_("Nothing was written:"), *lines]))


def _word_problems(preview: Preview, expires: datetime | None) -> Iterator[str]:
    if preview.existing == Status.REVOKED:
        yield _word_revocation(preview)
        return
    yield from map(word_problem, preview.problems)
    if preview.existing == Status.EXPIRED and expires is None:
        yield _("Its grant for %(group)s in %(environment)s has expired. Say until when it may go on: --expires.") % {
            "group": preview.api_group,
            "environment": preview.environment,
        }


def _word_revocation(preview: Preview) -> str:
    """Who revoked it, when and why, and the command that takes it back."""
    grant = find_grant(preview.origin, preview.environment, preview.api_group)
    if grant is None or grant.revoked_at is None:
        return word_problem(Problem("revoked", preview.origin))
    told = RevokedOrigin(
        grant.origin, by=grant.revoked_by_label(), at=grant.revoked_at, reason=grant.revoke_reason
    ).message
    place = ("--environment", preview.environment, "--group", preview.api_group)
    return f"{told} {command('reinstate', preview.origin, *place, '--reason', '…')}"


def _warn(console: Console, previews: Iterable[Preview], groups: Iterable[ApiGroup]) -> None:
    for preview, risk in dict.fromkeys((item.origin, risk) for item in previews for risk in item.risks):
        console.warn(f"{preview}: {word_risk(risk)}")
    for group in groups:
        if group.any_origin:
            console.warn(
                _("The API group “%(group)s” is open to any origin, so trusting one changes nothing there.")
                % {"group": group.slug}
            )


def _report(console: Console, previews: Iterable[Preview], expires: datetime | None) -> None:
    until = moment(expires, never="")
    rows = []
    for preview in previews:
        done = _("trusted already") if preview.existing else _("trusted")
        if until:
            done = _("%(done)s, until %(until)s") % {"done": _("trusted"), "until": until}
        rows.append((preview.origin, preview.environment, preview.api_group, done))
    if console.verbosity:
        console.show_table(rows)
