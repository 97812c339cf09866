"""The words for every code of ``core``: said once, so that admin, API and command say the same.

Functions return finished text in the active language. Values in it are plain text: whoever shows it as HTML escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

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
    "open_group": _(
        "The API group “%(value)s” is open to any origin, so this would do nothing. Switch “any origin” off first."
    ),
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

#: How much a risk weighs (``core.risks.Severity``).
SEVERITIES: Final[Mapping[int, Any]] = {3: _("Serious"), 2: _("Caution"), 1: _("Note")}

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
    "reverted": _("reverted"),
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

#: The same as above of a grant that is named: its ``origin``, and ``places``, ``by``, ``at`` or the schemes, where
#: it needs them.
NEAREST: Final[Mapping[str, Any]] = {
    "revoked": _("revoked by %(by)s on %(at)s"),
    "expired": _("expired on %(at)s"),
    "switched_off": _("trusted here, but a safety rule of the environment has switched it off"),
    "other_group": _("trusted for %(places)s only"),
    "other_environment": _("trusted in %(places)s only"),
    "other_group_ended": _("once trusted for %(places)s: %(status)s"),
    "other_environment_ended": _("once trusted in %(places)s: %(status)s"),
    "trailing_dot": _("with a dot behind the host: %(origin)s"),
    "spelling": _("not spelt as browsers write it: %(origin)s"),
    "scheme": _("%(sent)s instead of %(scheme)s: %(origin)s"),
    "port": _("another port: %(origin)s"),
    "loopback_name": _("another name of the user's own machine: %(origin)s"),
    "www": _("differs in “www.”: %(origin)s"),
    "subdomain": _("another name of the same owner: %(origin)s"),
    "look_alike": _("looks like %(origin)s, and is another owner's"),
}

NULL_SOURCES: Final[Mapping[str, Any]] = {
    "sandboxed_frame": _("a sandboxed frame without allow-same-origin"),
    "file_url": _("a page opened from the disk (file:)"),
    "cross_origin_redirect": _("a request that was redirected from one origin to another"),
    "no_referrer_form": _("a form sent under Referrer-Policy: no-referrer"),
    "data_url": _("a page or worker loaded from data:"),
    "local_html": _("HTML that an app shows in a web view without a base address"),
}

#: What keeps the guard from its work in one process (``services.standing``). %(environment)s is the active one's slug.
TROUBLES: Final[Mapping[str, Any]] = {
    "no_policy": _(
        "This process has no policy, so it sends no CORS header. Is the guard's middleware installed, and does the "
        "database answer?"
    ),
    "lapsed": _("The database did not answer for so long that every grant has lapsed: no origin is let in."),
    "unconfirmed": _("The database did not answer of late, so the last policy that was read serves on."),
    "environment_missing": _(
        "The active environment “%(environment)s” is not in the database, so no origin is trusted."
    ),
    "no_group": _("There is no API group, so nothing is guarded."),
    "no_route": _("No API group has a route, so nothing is guarded."),
}

#: What no revocation does, for its receipt.
RECEIPT_LIMITS: Final[Mapping[str, Any]] = {
    "sessions": _("Sessions and tokens that were given out stay valid: if the origin was taken over, end them."),
    "no_origin": _("Clients that send no Origin, such as scripts and apps, are not affected."),
    "cached_preflights": _("Until the time named, browsers may act on preflight answers that they have cached."),
}

#: What is wrong with a file of trusted origins, or with one of its rows (``core.files.problems``).
FILE_PROBLEMS: Final[Mapping[str, Any]] = {
    "empty_file": _("There is nothing in it."),
    "file_too_large": _("It is larger than %(detail)s. Split it, and import the parts one after the other."),
    "not_utf8": _("Line %(value)s is not in UTF-8. Save the file as “CSV UTF-8”, and try again."),
    "utf16": _("It is in UTF-16, which some programs call “Unicode text”. Save it as “CSV UTF-8”, and try again."),
    "no_text": _("It is no text. A workbook has to be saved as “CSV UTF-8” first, an archive to be unpacked."),
    "too_many_rows": _("It has more than %(detail)s rows. Split it, and import the parts one after the other."),
    "no_rows": _("There are no trusted origins in it."),
    "no_header": _(
        "The first line has to name the columns, such as “environment,api_group,origin”. It says: %(value)s"
    ),
    "unknown_column": _("There is no column “%(value)s”."),
    "repeated_column": _("The column “%(value)s” is there twice."),
    "missing_column": _("The column “%(value)s” is missing."),
    "bad_quotes": _(
        "In the row that begins in line %(value)s there is a quotation mark too many, or one is missing: a cell with "
        "a comma or a quotation mark stands in quotation marks, and those in it are doubled."
    ),
    "cell_too_long": _("In line %(value)s there is a cell that is longer than any note."),
    "bad_json": _("It is not valid JSON from line %(value)s, character %(detail)s."),
    "too_deep": _("It is no list of trusted origins: there are far too many brackets within brackets."),
    "no_list": _("It is JSON, but no list of trusted origins. An export shows what one looks like."),
    "newer_version": _("It is of version “%(value)s”, which this version of the guard cannot read."),
    "too_many_cells": _(
        "It has %(value)s cells, and the header names %(detail)s. A cell with a comma stands in quotation marks."
    ),
    "too_few_cells": _("It has %(value)s cells, and the header names %(detail)s. Leave cells blank, but not out."),
    "no_object": _("It is no object with the names “environment”, “api_group” and “origin”."),
    "repeated_name": _("It says “%(value)s” twice."),
    "not_text": _("What “%(value)s” says has to be text in quotation marks."),
    "bad_character": _("In “%(value)s” there is a character that no database stores."),
    "too_long_value": _("What “%(value)s” says is longer than %(detail)s characters."),
    "empty_cell": _("The cell “%(value)s” is blank."),
    "bad_time": _("“%(value)s” is no time. Write it as in 2030-12-31T18:00Z, or “never”."),
    "no_zone": _("“%(value)s” has no time zone. For UTC, type %(detail)s."),
    "year_out_of_range": _("%(value)s is too far away to be stored. Write “never” for a grant without an end."),
    "unknown_status": _("“%(value)s” is no status."),
    "unknown_environment": _("There is no environment “%(value)s”."),
    "unknown_api_group": _("There is no API group “%(value)s”."),
    "unknown_front_end": _("There is no front end “%(value)s”."),
    "contradiction": _("No. %(value)s says something else about the same grant. Keep one of the two."),
    "protected": _(
        "%(value)s is protected: changes there need the permission “Can change protected environments”. Ask "
        "somebody who has it."
    ),
    "may_not_change": _("There is a grant, which you may not change. Ask somebody who may, or leave the line out."),
}

#: Why an import leaves a row alone that is not wrong (``services.Leaving``).
LEAVINGS: Final[Mapping[str, Any]] = {
    "revoked_here": _("It was revoked here. An import reinstates nothing: do that by hand, with a reason."),
    "revoked_there": _("The file says “revoked”, and here it is not. An import revokes nothing: do that by hand."),
    "revoked_new": _("The file says “revoked”, and here it was never trusted. It is not added."),
    "expired_here": _("Its grant has expired here. To renew it, give it an end that lies ahead, or “never”."),
    "expired_there": _("The file says “expired”, and here it goes on. An import ends no grant: revoke it by hand."),
    "expired_new": _("The file says “expired”, and here there is no grant. It is not added."),
    "switched_off_here": _("There is a grant, and a safety rule of the environment has switched it off."),
}

#: Problems of files whose detail is what to type instead, or a choice of it.
_FILE_SUGGESTING: Final = frozenset(
    {"unknown_column", "unknown_status", "unknown_environment", "unknown_api_group", "unknown_front_end"}
)


#: The safety switches of an environment, as its page calls them.
SWITCHES: Final[Mapping[str, Any]] = {
    "allow_insecure_http": _("allow insecure http"),
    "allow_insecure_credentials": _("allow insecure http with credentials"),
    "allow_loopback": _("allow loopback"),
    "allow_subdomain_patterns": _("allow subdomain patterns"),
    "allow_custom_schemes": _("allow custom schemes"),
}

#: What a change of an environment or an API group brings about; values as the code's comment names them.
CONSEQUENCES: Final[Mapping[str, Any]] = {
    "credentials_on": ngettext_lazy(
        "%(count)d active trusted origin (front ends: %(front_ends)d, patterns: %(patterns)d) will be able to act as "
        "the signed-in user: its pages call with cookies and read whatever that user may read.",
        "%(count)d active trusted origins (front ends: %(front_ends)d, patterns: %(patterns)d) will be able to act as "
        "the signed-in user: their pages call with cookies and read whatever that user may read.",
        "count",
    ),
    "credentials_off": ngettext_lazy(
        "%(count)d active trusted origin goes on without cookies: whatever its pages do as the signed-in user fails.",
        "%(count)d active trusted origins go on without cookies: whatever their pages do as the signed-in user fails.",
        "count",
    ),
    "insecure_closed": ngettext_lazy(
        "%(count)d http origin may not have credentials, since its environment does not “allow insecure http with "
        "credentials”.",
        "%(count)d http origins may not have credentials, since their environments do not “allow insecure http with "
        "credentials”.",
        "count",
    ),
    "any_method_with_credentials": _(
        "“Every method” with credentials: trusted pages may also change, overwrite and delete as the signed-in user, "
        "with any method that a view takes, also one that is written tomorrow."
    ),
    "any_header_with_credentials": _(
        "“Every header” with credentials: each request header that is asked for is allowed by name, Authorization "
        "included."
    ),
    "any_origin_on": ngettext_lazy(
        "Every web page in the world will be able to read the answers of %(count)d URL pattern.",
        "Every web page in the world will be able to read the answers of %(count)d URL patterns.",
        "count",
    ),
    "any_origin_wider": ngettext_lazy(
        "The API group is open to any origin: every web page in the world will be able to read the answers of "
        "%(count)d URL pattern more.",
        "The API group is open to any origin: every web page in the world will be able to read the answers of "
        "%(count)d URL patterns more.",
        "count",
    ),
    "any_origin_grants": ngettext_lazy(
        "%(count)d trusted origin makes no difference any more, and revoking it does nothing.",
        "%(count)d trusted origins make no difference any more, and revoking them does nothing.",
        "count",
    ),
    "any_origin_revoked": ngettext_lazy(
        "%(count)d origin that was revoked may read again.",
        "%(count)d origins that were revoked may read again.",
        "count",
    ),
    "any_origin_off": ngettext_lazy(
        "Every web page that could read so far is refused, but for %(count)d active trusted origin.",
        "Every web page that could read so far is refused, but for %(count)d active trusted origins.",
        "count",
    ),
    "insecure_http_on": _(
        "Pages on http can be trusted: anybody on the network path of such a page can change it, and so read and do "
        "what it may."
    ),
    "insecure_credentials_on": _(
        "Pages on http can be trusted with cookies: anybody on the network path can act as the signed-in user."
    ),
    "loopback_on": _(
        "localhost and other addresses of the user's own machine can be trusted: any program there may serve such "
        "pages."
    ),
    "subdomain_patterns_on": _(
        "Patterns such as https://*.example.com can be trusted: whoever takes over one forgotten subdomain is trusted, "
        "too."
    ),
    "custom_schemes_on": _(
        "Origins such as capacitor://localhost can be trusted: any app can claim such a scheme, and its name is the "
        "same in every app."
    ),
    "switch_off": ngettext_lazy(
        "Without “%(switch)s”: %(count)d active grant needs it.",
        "Without “%(switch)s”: %(count)d active grants need it.",
        "count",
    ),
    "trust_shortened": ngettext_lazy(
        "%(count)d active grant lives longer than %(days)d days from now, or has no end.",
        "%(count)d active grants live longer than %(days)d days from now, or have no end.",
        "count",
    ),
    "protected_on": _(
        "Only who has the permission “Can change protected environments” may trust and revoke here from then on, and "
        "change API groups, their routes and modes, which all environments share."
    ),
    "protected_off": _(
        "Whoever may change trusted origins may trust and revoke here from then on. Where no other environment is "
        "protected, API groups, their routes and modes are free to change, too."
    ),
    "mode_stricter": ngettext_lazy(
        "%(count)d API group will %(mode)s.", "%(count)d API groups will %(mode)s.", "count"
    ),
    "mode_passive": ngettext_lazy(
        "%(count)d API group will only be watched: the guard sends no CORS headers, answers no preflight and stops "
        "nobody, revoked origins included.",
        "%(count)d API groups will only be watched: the guard sends no CORS headers, answers no preflight and stops "
        "nobody, revoked origins included.",
        "count",
    ),
    "mode_capped": _(
        'CORS_GUARD["MAX_MODE"] is %(limit)s where this page is served, and nothing is stricter than that: '
        "“%(mode)s” counts as %(limit)s there."
    ),
    "block_navigations": ngettext_lazy(
        "Form posts from other sites get 403, too, such as the callback of a SAML or OAuth login: %(count)d on record. "
        "Give such paths an API group of their own that enforces.",
        "Form posts from other sites get 403, too, such as the callbacks of SAML and OAuth logins: %(count)d on "
        "record. Give such paths an API group of their own that enforces.",
        "count",
    ),
    "block_methods": ngettext_lazy(
        "Once it blocks, also trusted pages get 403 for %(count)d method that needs no preflight and is not listed.",
        "Once they block, also trusted pages get 403 for %(count)d methods that need no preflight and are not listed.",
        "count",
    ),
    "grants_closed": ngettext_lazy(
        "%(count)d grant is switched off at once: its origin is refused.",
        "%(count)d grants are switched off at once: their origins are refused.",
        "count",
    ),
    "grants_opened": ngettext_lazy(
        "%(count)d grant that is switched off now lets its origin in again.",
        "%(count)d grants that are switched off now let their origins in again.",
        "count",
    ),
}

#: What a stricter mode does to a request that was recorded as refused.
EFFECTS: Final[Mapping[str, Any]] = {
    "blocked": _("gets 403 before any view runs"),
    "not_sent": _("its preflight is refused, so that the browser does not send it"),
    "unreadable": _("the view runs, and the page cannot read the answer"),
}


def word_problem(problem: Problem) -> str:
    """Return what is wrong and what to do, in a sentence or two."""
    text = _fill(PROBLEMS, problem)
    if problem.detail and problem.code in _SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_file_problem(problem: Problem) -> str:
    """Return what is wrong with a file of trusted origins, or with what one of its rows says."""
    if problem.code not in FILE_PROBLEMS:
        return word_problem(problem)
    text = _fill(FILE_PROBLEMS, problem)
    if problem.detail and problem.code in _FILE_SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_leaving(code: str) -> str:
    """Return why an import leaves a row alone."""
    return str(LEAVINGS.get(code, code))


def word_risk(risk: Problem) -> str:
    """Return what may go wrong with an origin that can be trusted."""
    return _fill(RISKS, risk)


def word_severity(severity: int) -> str:
    """Return how much a risk weighs, in one word."""
    return str(SEVERITIES.get(severity, severity))


def word_mend(mend: Mend) -> str:
    """Return what was corrected, as half a sentence."""
    return str(MENDS.get(mend.code, mend.code))


def word_reason(code: str) -> str:
    """Return what a reason code means."""
    return str(REASONS.get(code, code))


def word_trouble(code: str, environment: str) -> str:
    """Return what keeps the guard from its work in ``environment``, the active one."""
    return str(TROUBLES.get(code, code)) % {"environment": environment}


def word_kind(code: str) -> str:
    """Return what sort of request a rejection's kind names."""
    return str(KINDS.get(code, code))


def word_action(code: str) -> str:
    """Return what the action of a policy change means."""
    return str(ACTIONS.get(code, code))


def word_difference(code: str) -> str:
    """Return how the nearest trusted thing differs."""
    return str(DIFFERENCES.get(code, code))


def word_consequence(code: str, count: int = 0, values: Mapping[str, Any] | None = None) -> str:
    """Return what a change brings about, in a sentence or two."""
    text = CONSEQUENCES.get(code)
    if text is None:
        return f"{code}: {count}"
    filled = {"count": count, **(values or {})}
    if "switch" in filled:
        filled["switch"] = SWITCHES.get(filled["switch"], filled["switch"])
    return str(text % filled)


def word_effect(code: str) -> str:
    """Return what a stricter mode does to a request."""
    return str(EFFECTS.get(code, code))


def word_nearest(code: str, **values: str) -> str:
    """Return how the nearest grant differs, and which one it is."""
    return str(NEAREST.get(code, code)) % values


def _fill(words: Mapping[str, Any], problem: Problem) -> str:
    text = words.get(problem.code)
    if text is None:
        return f"{problem.code}: {problem.value}"
    return str(text) % {"value": problem.value, "detail": problem.detail}
