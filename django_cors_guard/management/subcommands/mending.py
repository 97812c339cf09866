"""What would make another CORS middleware and the guard agree about a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.parity import Difference, Disparity
from django_cors_guard.management.subcommands.console import command
from django_cors_guard.services.parity import Finding

_IN_THE_GROUP: Final = gettext_lazy(
    "%(deed)s in the API group “%(group)s”: in the admin, or in the policy file (%(export)s, then %(import)s)."
)


def word_mending(found: Finding, environment: str) -> str:
    """Return what would settle ``found``, with the command where there is one; blank for what is settled."""
    if found.now is not None:
        return _MENDINGS[found.now.disparity](found, found.now, environment)
    if found.is_settled:
        return ""
    if not found.origin:
        return _("These were only counted. Mend the others, then start anew: %(command)s") % {
            "command": command("parity", "--forget")
        }
    return _("It was too long to be kept whole, so it cannot be judged again. To see if it comes back: %(command)s") % {
        "command": command("parity", "--forget")
    }


def _add_route(found: Finding, now: Difference, environment: str) -> str:
    prefix = "/" + found.path.strip("/").partition("/")[0]
    return _(
        "Add the path to an API group: %(command)s. If the view itself sets these headers, it will go on doing so."
    ) % {"command": command("init", "--environment", environment, "--group", f"SLUG={prefix}")}


def _let_in(found: Finding, now: Difference, environment: str) -> str:
    place = ("--environment", environment, "--group", now.group)
    if now.reason is Reason.UNKNOWN_ORIGIN:
        return command("trust", found.origin, *place)
    if now.reason is Reason.EXPIRED:
        return command("trust", found.origin, *place, "--expires", "90d")
    if now.reason is Reason.REVOKED:
        return _("Somebody revoked it: take it off the other list. Or, with a reason: %(command)s") % {
            "command": command("reinstate", found.origin, *place, "--reason", "…")
        }
    if now.reason is Reason.OWN_PATHS:
        return _("Nobody is ever trusted with the admin and the guard's own API: this will end at the switch.")
    if now.reason in {Reason.NULL_ORIGIN, Reason.MALFORMED_ORIGIN}:
        return _("Such an origin can never be trusted: serve the page from an https address, and trust that.")
    return command("check", found.origin, found.path)


def _keep_out(found: Finding, now: Difference, environment: str) -> str:
    if now.reason is Reason.ANY_ORIGIN:
        return _("The API group “%(group)s” is open to any origin. If that is not meant, switch it off.") % {
            "group": now.group
        }
    place = ("--environment", environment, "--group", now.group)
    return _("If it should not get in: %(command)s. If it should, this is what you gain.") % {
        "command": command("revoke", found.origin, *place, "--reason", "…")
    }


def _set_credentials(found: Finding, now: Difference, environment: str) -> str:
    deed = _("Switch “allow credentials” off") if now.widens else _("Switch “allow credentials” on")
    return _in_the_group(deed, now)


def _set_method(found: Finding, now: Difference, environment: str) -> str:
    deed = _("Take %(method)s off the methods") if now.widens else _("Add %(method)s to the methods")
    return _in_the_group(deed % {"method": found.requested_method}, now)


def _set_headers(found: Finding, now: Difference, environment: str) -> str:
    names = headers.parse_request_headers(found.requested_headers) or ()
    mild, strict = (now.ours, now.theirs) if now.widens else (now.theirs, now.ours)
    missing = [name for name in names if name not in _names_in(strict, headers.ALLOW_HEADERS)]
    named = ", ".join(missing or _names_in(mild, headers.ALLOW_HEADERS))
    deed = _("Take %(names)s off the request headers") if now.widens else _("Add %(names)s to the request headers")
    return _in_the_group(deed % {"names": named}, now)


def _set_exposed(found: Finding, now: Difference, environment: str) -> str:
    names = ", ".join(_names_in(now.theirs, headers.EXPOSE_HEADERS)) or _("none")
    return _in_the_group(_("Make the exposed headers the same, %(names)s,") % {"names": names}, now)


def _names_in(answer: Mapping[str, str], name: str) -> list[str]:
    elements = answer.get(name.lower(), "").split(",")
    return [element.strip().lower() for element in elements if element.strip()]


def _in_the_group(deed: str, now: Difference) -> str:
    return str(_IN_THE_GROUP) % {
        "deed": deed,
        "group": now.group,
        "export": command("export"),
        "import": command("import"),
    }


_MENDINGS: Final[Mapping[Disparity, Callable[[Finding, Difference, str], str]]] = {
    Disparity.UNGUARDED: _add_route,
    Disparity.GUARD_REFUSES: _let_in,
    Disparity.GUARD_ADMITS: _keep_out,
    Disparity.CREDENTIALS: _set_credentials,
    Disparity.METHOD: _set_method,
    Disparity.HEADER: _set_headers,
    Disparity.EXPOSED: _set_exposed,
}
