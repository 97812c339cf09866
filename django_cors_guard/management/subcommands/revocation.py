"""``cors_guard revoke`` and ``cors_guard reinstate``: close grants, with a receipt, and take that back."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.exceptions import RefusedOrigin
from django_cors_guard.management.subcommands.console import Console, answer_no, command, moment, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.notices import say_revision, show_mends
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    choose_environments,
    choose_groups,
    find_environment,
    find_grant,
    find_group,
    unique,
)
from django_cors_guard.management.subcommands.processes import add_wait, prove
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin, policy_write
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Place, Receipt
from django_cors_guard.wording import RECEIPT_LIMITS


def add_revoke_arguments(parser: ArgumentParser) -> None:
    """Take the origin or a grant's id, the places, and the reason."""
    parser.add_argument("origin", metavar="ORIGIN", nargs="?", help=_("such as https://app.example.com"))
    parser.add_argument("--id", metavar="N", type=int, help=_("instead of ORIGIN: close this one grant (see list)"))
    add_environment(parser, text=_("only there (repeatable)"))
    add_group(parser, text=_("only for that API group, in every environment unless some are named (repeatable)"))
    parser.add_argument("--everywhere", action="store_true", help=_("in every environment, for every API group"))
    parser.add_argument("--reason", default="", help=_("why; kept for whoever asks later"))
    add_wait(parser)


def revoke(
    console: Console,
    *,
    origin: str | None,
    id: int | None,  # noqa: A002 - the name of the option
    environment: Sequence[str],
    group: Sequence[str],
    everywhere: bool,
    reason: str,
    wait: float | None = None,
    **_options: Any,
) -> None:
    """Close every grant in the named scope at once, and print the receipt; with ``wait``, say where it is out."""
    scoped = bool(environment or group)
    if not reason.strip():
        raise reject(_("Say why, with --reason: a revocation without a reason helps nobody later."))
    if id is not None:
        if origin or scoped or everywhere:
            raise reject(_("--id names one grant, so give neither an origin nor a scope beside it."))
        closed = _revoke_one(console, id, reason)
        prove(console, closed.revision, wait, [closed.environment.slug])
        return
    if not origin:
        raise reject(_("Say which origin, such as https://app.example.com, or which grant, with --id."))
    if scoped == everywhere:
        raise reject(_("Say where: either --everywhere, or --environment or --group for a part of it."))
    receipt = services.revoke_origin(
        origin,
        environments=[find_environment(slug) for slug in unique(environment)] or None,
        api_groups=[find_group(slug) for slug in unique(group)] or None,
        reason=reason,
    )
    show_mends(console, origin)
    _print_receipt(console, receipt)
    if not (receipt.closed or receipt.already_revoked):
        raise answer_no(_say_nothing_found(receipt, scoped=scoped))
    places = (*receipt.closed, *receipt.already_revoked)
    prove(console, receipt.revision, wait, unique(place.environment for place in places))


def _revoke_one(console: Console, pk: int, reason: str) -> TrustedOrigin:
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group")
    grant: TrustedOrigin | None = rows.filter(pk=pk).first()
    if grant is None:
        raise reject(_("There is no grant %(id)d. See: %(command)s") % {"id": pk, "command": command("list")})
    already = grant.revoked_at is not None
    services.revoke(grant, reason=reason)
    place = {"origin": grant.origin, "environment": grant.environment.slug, "group": grant.api_group.slug}
    if already:
        console.say(_("%(origin)s was revoked for %(group)s in %(environment)s already.") % place)
        return grant
    console.say(_("%(origin)s is revoked for %(group)s in %(environment)s.") % place, console.style.SUCCESS)
    say_revision(console)
    return grant


def _print_receipt(console: Console, receipt: Receipt) -> None:
    if receipt.closed:
        console.show(
            _("%(origin)s is revoked at revision %(revision)d (%(at)s).")
            % {"origin": receipt.origin, "revision": receipt.revision, "at": moment(receipt.at)},
            console.style.SUCCESS,
        )
    elif receipt.already_revoked:
        console.show(_("%(origin)s was revoked before; nothing changed.") % {"origin": receipt.origin})
    console.show_table(_list_places(receipt), indent=2)
    for line in _list_caveats(receipt):
        console.show(line)


def _list_places(receipt: Receipt) -> Iterator[tuple[str, str, str]]:
    covering = {(item.environment, item.api_group): item.origin for item in receipt.patterns}
    for place in receipt.closed:
        done = _("closed")
        if place in receipt.refused:
            done = _("closed; the pattern %(pattern)s had let it in") % {
                "pattern": covering.get((place.environment, place.api_group), "")
            }
        yield place.environment, place.api_group, done
    for place in receipt.already_revoked:
        yield place.environment, place.api_group, _("revoked already")


def _list_caveats(receipt: Receipt) -> Iterator[str]:
    """What the revocation does not reach, or not at once."""
    if receipt.open_groups:
        yield _("Still open to it, for these API groups are open to any origin: %(groups)s.") % {
            "groups": ", ".join(receipt.open_groups)
        }
    if receipt.remaining:
        yield _("Grants of their own below the pattern stay trusted: %(grants)s.") % {
            "grants": ", ".join(dict.fromkeys(map(_word_place, receipt.remaining)))
        }
    if receipt.patterns:
        yield _("These patterns go on trusting other origins: %(patterns)s.") % {
            "patterns": ", ".join(dict.fromkeys(map(_word_place, receipt.patterns)))
        }
    if not receipt.closed:
        return
    yield _("Every process refuses it within %(seconds)g s; preflights that browsers hold run out by %(until)s.") % {
        "seconds": receipt.refresh_seconds,
        "until": f"{receipt.preflights_until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    }
    yield from map(str, RECEIPT_LIMITS.values())


def _word_place(place: Place) -> str:
    return f"{place.origin} ({place.environment}/{place.api_group})"


def _say_nothing_found(receipt: Receipt, *, scoped: bool) -> str:
    text = _("Nothing was revoked: %(origin)s has no grant there.") % {"origin": receipt.origin}
    if not scoped:
        return text
    rows = TrustedOrigin.objects.using(alias()).filter(origin=receipt.origin, revoked_at=None)
    elsewhere = [f"{env}/{group}" for env, group in rows.values_list("environment__slug", "api_group__slug")[:20]]
    if not elsewhere:
        return text
    return _("%(text)s It has some elsewhere: %(places)s.") % {"text": text, "places": ", ".join(elsewhere)}


def add_reinstate_arguments(parser: ArgumentParser) -> None:
    """Take the origin, the places, and the reason."""
    parser.add_argument("origin", metavar="ORIGIN", help=_("such as https://app.example.com"))
    add_environment(parser, text=_("where to trust it again (default: the active environment; repeatable)"))
    add_group(parser, text=_("for which API group (repeatable; default: the API group, if there is only one)"))
    parser.add_argument("--reason", required=True, help=_("why it may be trusted again; kept for whoever asks later"))


def reinstate(
    console: Console, *, origin: str, environment: Sequence[str], group: Sequence[str], reason: str, **_options: Any
) -> None:
    """Take revocations back: all that are named, in one revision, or none."""
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    environments, groups = choose_environments(environment), choose_groups(group)
    grants = [_find_revoked(parsed.origin.text, place, item) for place in environments for item in groups]
    show_mends(console, origin)
    revoked = [grant for grant in grants if grant.revoked_at is not None]
    if revoked:
        _reinstate_all(revoked, reason)
    for grant in grants:
        _tell_reinstated(console, grant, changed=grant in revoked)
    if revoked:
        say_revision(console)


@services.retry_deadlocks
def _reinstate_all(grants: Sequence[TrustedOrigin], reason: str) -> None:
    if not reason.strip():
        raise reject(_("Say why it may be trusted again, with --reason."))
    with policy_write(reason=reason, using=alias()):
        for grant in grants:
            services.reinstate(grant, reason=reason)


def _find_revoked(origin: str, environment: Environment, group: ApiGroup) -> TrustedOrigin:
    grant = find_grant(origin, environment.slug, group.slug)
    if grant is not None:
        return grant
    place = ("--environment", environment.slug, "--group", group.slug)
    raise reject(
        _("%(origin)s has no grant for %(group)s in %(environment)s, so none was revoked. To trust it: %(command)s")
        % {
            "origin": origin,
            "group": group.slug,
            "environment": environment.slug,
            "command": command("trust", origin, *place),
        }
    )


def _tell_reinstated(console: Console, grant: TrustedOrigin, *, changed: bool) -> None:
    values = {"origin": grant.origin, "environment": grant.environment.slug, "group": grant.api_group.slug}
    if changed:
        console.say(_("%(origin)s is reinstated for %(group)s in %(environment)s.") % values, console.style.SUCCESS)
    else:
        console.say(_("%(origin)s is not revoked for %(group)s in %(environment)s; nothing changed.") % values)
    if grant.status() == Status.EXPIRED:
        place = ("--environment", grant.environment.slug, "--group", grant.api_group.slug)
        console.warn(
            _("It expired on %(at)s, so it stays refused until it is renewed: %(command)s")
            % {"at": moment(grant.expires_at), "command": command("trust", grant.origin, *place, "--expires", "7d")}
        )
