"""The words for every code of ``core``: said once, so that admin, API and command say the same.

Functions return finished text in the active language. Values in it are plain text: whoever shows it as HTML escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.problems import Mend, Problem

#: %(value)s is the offending piece, %(detail)s what the code's comment in ``core.problems`` names.
PROBLEMS: Final[Mapping[str, Any]] = {
    "empty": _("Type an origin, such as https://app.example.com."),
    "too_long": _("This is longer than any origin. Type scheme://host, such as https://app.example.com."),
    "null_origin": _(
        "“null” cannot be trusted: every sandboxed frame and every file opened from a disk is “null”. "
        "Serve the page from an https address and trust that."
    ),
    "any_origin": _(
        "A “*” is no origin. To let every page read public data, switch on “any origin” on the API group "
        "(never with credentials)."
    ),
    "several_origins": _("Type one origin at a time."),
    "control_character": _("There is an invisible character in it. Type it by hand instead of pasting it."),
    "inner_space": _("An origin has no white space in it."),
    "backslash": _("An origin has no backslash: use “/”."),
    "percent": _("An origin has no percent signs."),
    "missing_scheme": _("The scheme is missing."),
    "bad_slashes": _("Write exactly “://” behind the scheme."),
    "repeated_scheme": _("The scheme stands there twice."),
    "misspelt_scheme": _("“%(value)s” looks like a misspelt scheme."),
    "bad_scheme": _("“%(value)s” is no scheme: begin with https://."),
    "websocket_scheme": _("Browsers send the origin of the page that opens the socket, never ws or wss."),
    "file_scheme": _("Pages opened from a disk send “null”, which cannot be trusted. Serve the page over https."),
    "refused_scheme": _("Pages of the scheme “%(value)s” have no origin of their own and cannot be trusted."),
    "userinfo": _("An origin has no user name or password."),
    "path": _("An origin ends with the host or port: leave out the path “%(value)s”."),
    "query": _("An origin has no query: leave out everything from the “?”."),
    "fragment": _("An origin has no fragment: leave out everything from the “#”."),
    "empty_host": _("The host is missing."),
    "bad_host": _("“%(value)s” cannot stand in a host: letters, digits, hyphens, underscores and dots can."),
    "bad_idn": _("“%(value)s” is no valid international domain name."),
    "empty_label": _("There are two dots in a row, or one at the beginning."),
    "label_too_long": _("“%(value)s” is too long: at most 63 characters between two dots."),
    "host_too_long": _("The host is too long: at most 253 characters."),
    "trailing_dot": _("Leave out the dot behind the host: with it, browsers take it for another origin."),
    "bad_ip": _("“%(value)s” is no IP address."),
    "respelt_ip": _("Browsers write the address “%(value)s” differently."),
    "empty_port": _("There is a colon and no port."),
    "bad_port": _("“%(value)s” is no port as browsers write it."),
    "port_out_of_range": _("“%(value)s” is no port: ports are 1 to 65535."),
    "wildcard_scheme": _("Name the scheme: “*” cannot stand for it."),
    "wildcard_host": _(
        "A “*” can only be the whole first part of a host, as in https://*.example.com. List exact origins instead."
    ),
    "wildcard_port": _("Only localhost, 127.0.0.1 and [::1] can have “:*” as a port."),
    "pattern_scheme": _("Only http and https can have patterns."),
    "pattern_base_ip": _("An IP address has no subdomains."),
    "pattern_base_short": _("That pattern would match half the internet."),
    "public_suffix": _("Anybody can get a name under “%(value)s”, so that pattern would trust strangers."),
    "needs_insecure_http": _(
        "%(value)s is not encrypted: whoever sits on the network can change the page. Use https, or switch on "
        "“allow insecure http” for the environment."
    ),
    "needs_insecure_credentials": _(
        "The API group allows credentials, and %(value)s is not encrypted. Use https, or switch on “allow insecure "
        "http with credentials” for the environment."
    ),
    "needs_loopback": _(
        "%(value)s is the user's own machine, where any program may serve pages. Switch on “allow loopback” in an "
        "environment for development."
    ),
    "needs_subdomain_patterns": _(
        "%(value)s is a pattern. List exact origins, or switch on “allow subdomain patterns” for the environment."
    ),
    "needs_custom_schemes": _(
        "%(value)s is an app's or extension's own scheme. Switch on “allow custom schemes” for the environment."
    ),
    "not_canonical": _("“%(value)s” is not as browsers send it, so it can match no request."),
    "trusted_too_long": _(
        "The environment limits how long a grant may live (“longest trust in days”). Give an expiry within that."
    ),
    "revoked": _("%(value)s was revoked here. Reinstate it, with a reason, instead of trusting it again."),
    "invalid_expiry": _("%(value)s"),
    "any_origin_with_credentials": _(
        "“Any origin” together with credentials would let every web page in the world read what your users may read. "
        "Switch one of them off."
    ),
    "max_age_out_of_range": _("The preflight lifetime is between 0 and %(detail)s seconds."),
    "forbidden_method": _("“%(value)s” can never be allowed: browsers let no page send it."),
    "forbidden_header": _("“%(value)s” is set by the browser alone; a page can neither send nor read it."),
    "expose_any_with_credentials": _("With credentials “*” exposes nothing: list the response headers by name."),
    "not_a_list": _('Give a list of names, such as ["GET", "POST"].'),
    "not_a_token": _("%(value)s is no name of a method or header."),
}

#: Problems whose detail is what to type instead.
_SUGGESTING: Final = frozenset(
    set(PROBLEMS)
    - {
        "needs_insecure_http",
        "needs_insecure_credentials",
        "needs_loopback",
        "needs_subdomain_patterns",
        "needs_custom_schemes",
        "trusted_too_long",
        "max_age_out_of_range",
        "any_origin",
    }
)

MENDS: Final[Mapping[str, Any]] = {
    "spaces": _("spaces around it were dropped"),
    "trailing_slash": _("the slash at its end was dropped"),
    "case": _("it was put in lower case"),
    "idn": _("the international name was written in punycode"),
    "default_port": _("the default port was dropped"),
}

RISKS: Final[Mapping[str, Any]] = {
    "pattern": _("It is a pattern: it also trusts origins that do not exist yet."),
    "custom_scheme": _("Any installed app can claim the scheme “%(detail)s”."),
    "insecure_http": _("It is not encrypted: anybody on the network path can speak for it."),
    "loopback": _("Any program on the user's machine can speak for it."),
    "ip_address": _("Whoever gets that address next speaks for it."),
    "shared_hosting": _("Strangers have names under “%(detail)s”; whoever gets this one after you is trusted."),
    "credentials": _("The API group allows credentials: pages of this origin act as the signed-in user."),
    "punycode": _("In the address bar it reads “%(detail)s”."),
    "mixed_script": _("One name mixes alphabets that look alike: “%(detail)s”."),
    "look_alike": _("It looks like %(detail)s, which is trusted."),
}

REASONS: Final[Mapping[str, Any]] = {
    "trusted": _("trusted"),
    "trusted_pattern": _("trusted through a pattern"),
    "any_origin": _("the API group is open to any origin"),
    "same_origin": _("the site's own origin"),
    "no_origin": _("no Origin header: not a cross-origin request of a browser"),
    "unguarded": _("the path belongs to no API group"),
    "unknown_origin": _("nobody has trusted this origin"),
    "revoked": _("the origin was revoked"),
    "expired": _("the grant has expired"),
    "switched_off": _("the grant breaks a safety rule of the environment"),
    "other_environment": _("trusted in another environment only"),
    "other_group": _("trusted for another API group only"),
    "null_origin": _("the page has no origin of its own (“null”)"),
    "malformed_origin": _("the Origin header is malformed"),
    "method_not_allowed": _("the API group does not list the method"),
    "header_not_allowed": _("the API group does not list a request header"),
    "own_paths": _("the admin and this app's own API are closed to every origin"),
    "no_policy": _("there is no usable policy"),
}

KINDS: Final[Mapping[str, Any]] = {
    "preflight": _("preflight"),
    "actual": _("request of a script"),
    "navigation": _("link or form"),
    "no_cors": _("request without CORS"),
    "websocket": _("WebSocket"),
}

#: What happened to a row of the policy, as ``PolicyChange.action`` names it.
ACTIONS: Final[Mapping[str, Any]] = {
    "trusted": _("trusted"),
    "revoked": _("revoked"),
    "reinstated": _("reinstated"),
    "renewed": _("expiry changed"),
    "added": _("added"),
    "changed": _("changed"),
    "deleted": _("deleted"),
    "loaded": _("loaded from a fixture"),
    "migrated": _("revised after a migration"),
    "bumped": _("revised, and nothing changed"),
}

DIFFERENCES: Final[Mapping[str, Any]] = {
    "revoked": _("revoked"),
    "expired": _("expired"),
    "switched_off": _("switched off by a safety rule"),
    "other_group": _("trusted for another API group"),
    "other_environment": _("trusted in another environment"),
    "trailing_dot": _("differs in a dot behind the host"),
    "spelling": _("not spelt as browsers write it"),
    "scheme": _("differs in the scheme: http or https"),
    "port": _("differs in the port"),
    "loopback_name": _("another name of the user's own machine: localhost, 127.0.0.1 and [::1] are three origins"),
    "www": _("differs in “www.”"),
    "subdomain": _("another subdomain"),
    "look_alike": _("looks alike, and is another owner's"),
}

NULL_SOURCES: Final[Mapping[str, Any]] = {
    "sandboxed_frame": _("a sandboxed frame without allow-same-origin"),
    "file_url": _("a page opened from the disk (file:)"),
    "cross_origin_redirect": _("a request that was redirected from one origin to another"),
    "no_referrer_form": _("a form sent under Referrer-Policy: no-referrer"),
    "data_url": _("a page or worker loaded from data:"),
    "local_html": _("HTML that an app shows in a web view without a base address"),
}

#: What no revocation does, for its receipt.
RECEIPT_LIMITS: Final[Mapping[str, Any]] = {
    "sessions": _("Sessions and tokens that were given out stay valid: if the origin was taken over, end them."),
    "no_origin": _("Clients that send no Origin, such as scripts and apps, are not affected."),
    "cached_preflights": _("Until the time named, browsers may act on preflight answers that they have cached."),
}


def word_problem(problem: Problem) -> str:
    """Return what is wrong and what to do, in a sentence or two."""
    text = _fill(PROBLEMS, problem)
    if problem.detail and problem.code in _SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_risk(risk: Problem) -> str:
    """Return what may go wrong with an origin that can be trusted."""
    return _fill(RISKS, risk)


def word_mend(mend: Mend) -> str:
    """Return what was corrected, as half a sentence."""
    return str(MENDS.get(mend.code, mend.code))


def word_reason(code: str) -> str:
    """Return what a reason code means."""
    return str(REASONS.get(code, code))


def word_kind(code: str) -> str:
    """Return what sort of request a rejection's kind names."""
    return str(KINDS.get(code, code))


def word_action(code: str) -> str:
    """Return what the action of a policy change means."""
    return str(ACTIONS.get(code, code))


def word_difference(code: str) -> str:
    """Return how the nearest trusted thing differs."""
    return str(DIFFERENCES.get(code, code))


def _fill(words: Mapping[str, Any], problem: Problem) -> str:
    text = words.get(problem.code)
    if text is None:
        return f"{problem.code}: {problem.value}"
    return str(text) % {"value": problem.value, "detail": problem.detail}
