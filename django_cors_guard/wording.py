"""The words for every code of ``core``: said once, so that admin, API and command say the same.

Functions return finished text in the active language. Values in it are plain text: whoever shows it as HTML escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

from django_cors_guard.core.policy_files.problems import Finding
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
    "csrf_without_credentials": _(
        "“Trusted for CSRF” without “allow credentials” would mean nothing: without cookies there is nothing to forge. "
        "Switch credentials on, or this off."
    ),
    "unknown_isolation": _("“%(value)s” is no way to isolate: it is one of %(detail)s."),
    "any_origin_isolated": _(
        "“Any origin” is for data that every page may load, and isolation keeps pages of other sites from loading it. "
        "Switch one of them off."
    ),
    "unknown_resource_policy": _("“%(value)s” is no resource policy: it is blank, or one of %(detail)s."),
    "max_age_out_of_range": _("The preflight lifetime is between 0 and %(detail)s seconds."),
    "forbidden_method": _("“%(value)s” can never be allowed: browsers let no page send it."),
    "forbidden_header": _("“%(value)s” is set by the browser alone; a page can neither send nor read it."),
    "expose_any_with_credentials": _("With credentials “*” exposes nothing: list the response headers by name."),
    "not_a_list": _('Give a list of names, such as ["GET", "POST"].'),
    "not_a_token": _("%(value)s is no name of a method or header."),
}

#: Shapes of hosts that CI may have trusted by itself (``core.shapes``): what is wrong, and what may go wrong.
SHAPES: Final[Mapping[str, Any]] = {
    "shape_characters": _(
        "“%(value)s”: give it literally, in lower-case letters, digits, hyphens and dots; no scheme, port or “*”."
    ),
    "shape_no_suffix": _("Say what the hosts end with, such as --mysite.netlify.app or .preview.example.com."),
    "shape_no_host": _("No browser can be at %(value)s, whatever stands for the dots."),
    "shape_anybody": _(
        "At %(value)s anybody could register a name of their own and be trusted. What is fixed has to contain a domain "
        "of yours, or at a hosting company, a part of its customers' names."
    ),
    "shape_shared": _(
        "Under %(detail)s strangers choose names, too: whoever gets one that looks like %(value)s can be trusted by "
        "whoever holds this account. Safer is a domain of your own for previews."
    ),
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
        "unknown_isolation",
        "unknown_resource_policy",
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
SEVERITIES: Final[Mapping[int, Any]] = {3: _("Serious"), 2: _("Caution"), 1: pgettext_lazy("severity", "Note")}

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
    "cross_site": _("another site sent it without Origin, and the API group is isolated"),
    "no_group": _("no API group covers the path of the WebSocket"),
    "own_paths": _("the admin and this app's own API are closed to every origin"),
    "no_policy": _("there is no usable policy"),
}

#: What the list says to Django's CSRF check, as ``core.csrf`` has it.
CSRF: Final[Mapping[str, Any]] = {
    "accepted": _("the origin is trusted for CSRF; cookie and token are still needed"),
    "unguarded": _("left to Django: the path belongs to no API group"),
    "own_paths": _("left to Django: the admin and this app's own API are closed"),
    "not_offered": _("left to Django: the API group is not trusted for CSRF"),
    "monitored": _("left to Django: the guard only monitors there"),
    "not_trusted": _("left to Django: the origin is not trusted"),
    "no_policy": _("left to Django: there is no usable policy"),
    "not_installed": _("left to Django: the guard's CSRF middleware is not in MIDDLEWARE"),
}

PROCESSES: Final[Mapping[str, Any]] = {
    "confirmed": _("confirmed"),
    "idle": _("idle"),
    "unconfirmed": _("unconfirmed"),
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
    "ended": _("ended"),
    "reviewed": _("reviewed"),
    "unreviewed": _("review taken back"),
    "added": _("added"),
    "changed": _("changed"),
    "deleted": _("deleted"),
    "reverted": _("reverted"),
    "loaded": _("loaded from a fixture"),
    "migrated": _("revised after a migration"),
    "bumped": _("revised, and nothing changed"),
}

#: Why a grant is due for review.
DUE: Final[Mapping[str, Any]] = {
    "front_end": _("its front end is past its review"),
    "never": _("never reviewed"),
    "long_ago": _("reviewed long ago"),
    "changed": _("changed since its review"),
}

#: What is not known of a grant as of a moment that has gone.
UNSURE: Final[Mapping[str, Any]] = {
    "existence": _("whether it was there"),
    "state": _("when it was to end, and whether it was revoked: it was written in bulk or past the guard"),
    "rules": _("whether a safety rule switched it off: the rules were written in bulk or past the guard"),
    "reason": _("why it was trusted: the history has no entry of it"),
    "note": _("what its note said: it was rewritten at a time that nobody recorded"),
    "front_end": _("which front end it belonged to: that was changed at a time that nobody recorded"),
    "managed_by": _("what managed it: that was changed at a time that nobody recorded"),
    "front_end_details": _("owner, contact and day of review then: those of today are shown"),
    "use": _("its use: the rows that told of it have been deleted, or it was not recorded"),
}

#: What a list of grants as a whole cannot tell.
REVIEW_LIMITS: Final[Mapping[str, Any]] = {
    "front_ends_today": _("Owners, contacts and days of review are those of today: the history does not keep them."),
    "use_kept_since": _("Use is known since %(detail)s. It shows use and proves none."),
    "story_begins": _("The history begins at %(detail)s: what was deleted before then is not known."),
    "unnamed_deletions": _("Deleted in bulk since then, without being named: %(detail)s grants."),
    "clocks_disagree": _("The clocks of the hosts disagree around that moment: what was changed then is not sure."),
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

#: What is wrong with a policy file (``core.policy_files.problems``).
POLICY_PROBLEMS: Final[Mapping[str, Any]] = {
    "empty_document": _("There is nothing in it."),
    "document_too_large": _("It is larger than %(detail)s. Split it: what a document does not list stays as it is."),
    "document_not_utf8": _("Line %(value)s is not in UTF-8."),
    "document_no_text": _("It is no text: there are NUL bytes in it."),
    "broken_json": _("It is not valid JSON from line %(value)s, character %(detail)s."),
    "not_a_json_number": _("%(value)s is no number in JSON."),
    "broken_yaml": _("It is not valid YAML at line %(value)s: %(detail)s."),
    "no_yaml_reader": _(
        'To read YAML, install PyYAML: pip install "django-cors-guard[yaml]". JSON needs nothing: --format json.'
    ),
    "too_nested": _("It is no policy: it nests deeper than %(detail)s levels."),
    "repeated_key": _("“%(value)s” is there twice."),
    "yaml_alias": _("Line %(value)s has an anchor or an alias (“%(detail)s”). Write out what is meant."),
    "yaml_tag": _("Line %(value)s has a tag (“%(detail)s”). Write plain values."),
    "yaml_key": _("The key in line %(value)s is no plain text."),
    "several_documents": _("A second document begins at line %(value)s. Put each in a file of its own."),
    "unknown_format": _("The format “%(value)s” is not known here. This version reads: format: %(detail)s"),
    "expected_mapping": _("There has to be a mapping of names to values, not %(value)s."),
    "expected_list": _("There has to be a list, not %(value)s."),
    "expected_text": _("There has to be a text, not %(value)s. Put it in quotation marks."),
    "expected_switch": _("It is true or false, not %(value)s."),
    "expected_number": _("There has to be a whole number, not %(value)s."),
    "unknown_key": _("There is no key “%(value)s”."),
    "missing_key": _("The key “%(value)s” is missing."),
    "unfit_text": _("There is a character in it that no database stores."),
    "text_too_long": _("It is longer than %(detail)s characters."),
    "bad_slug": _("“%(value)s” is no slug: letters, digits, hyphens and underscores, 50 at most."),
    "reserved_name": _("“%(value)s” is the name of an issuer's grants. Give the document another one."),
    "unknown_mode": _("“%(value)s” is no mode."),
    "bad_day": _("“%(value)s” is no day. Write it as in 2030-12-31."),
    "invalid_value": _("%(value)s"),
    "revoked_without_time": _("“%(value)s” tells of a revocation. Say when it was: revoked_at: 2030-12-31T18:00Z"),
    "repeated_grant": _("The same grant is there before (%(value)s). Keep one of the two."),
    "repeated_route": _("The same route is there before, of the API group “%(value)s”. Keep one of the two."),
    "needs_allow_protected": _("%(value)s is protected. To change what concerns it: --allow-protected."),
    "name_needed": _(
        "Only a document with a name can prune: it revokes what the name manages. Add, for example: name: my-policy"
    ),
    "environment_not_listed": _("The document has no environment “%(value)s”. It has: %(detail)s."),
    "several_environments": _("Say which environment of the document is meant, with --environment. It has: %(value)s."),
    "origin_not_listed": _("%(value)s is to be reinstated, and the document does not trust it."),
}

#: Why a document and the policy cannot both be right (``services.policy.ConflictCode``).
CONFLICTS: Final[Mapping[str, Any]] = {
    "revoked_here": _("It was revoked here. To trust it again all the same: --reinstate %(origin)s"),
    "managed_elsewhere": _("“%(detail)s” manages it, and has it otherwise. Change it there."),
    "route_taken": _("The API group “%(detail)s”, which the document does not list, has this route."),
}

#: Problems of files whose detail is what to type instead, or a choice of it.
_FILE_SUGGESTING: Final = frozenset(
    {"unknown_column", "unknown_status", "unknown_environment", "unknown_api_group", "unknown_front_end"}
)
_POLICY_SUGGESTING: Final = frozenset({"unknown_key", "unknown_mode"})


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
    "csrf_on": ngettext_lazy(
        "%(count)d active trusted origin may then also send what changes something with the user's cookies: Django "
        "takes it as if it stood in CSRF_TRUSTED_ORIGINS, for these paths, until it is revoked.",
        "%(count)d active trusted origins may then also send what changes something with the user's cookies: Django "
        "takes them as if they stood in CSRF_TRUSTED_ORIGINS, for these paths, until they are revoked.",
        "count",
    ),
    "csrf_off": ngettext_lazy(
        "%(count)d active trusted origin may still read, but Django refuses what its pages send with the user's "
        "cookies to change something, unless it stands in CSRF_TRUSTED_ORIGINS.",
        "%(count)d active trusted origins may still read, but Django refuses what their pages send with the user's "
        "cookies to change something, unless they stand in CSRF_TRUSTED_ORIGINS.",
        "count",
    ),
    "isolation_on": ngettext_lazy(
        "Pages of other sites get 403 for images, scripts and media of these paths. In the last 7 days %(count)d such "
        "request was recorded.",
        "Pages of other sites get 403 for images, scripts and media of these paths. In the last 7 days %(count)d such "
        "requests were recorded.",
        "count",
    ),
    "isolation_unwatched": _(
        "As long as isolation is off nothing is recorded, so nobody knows what this stops. Let it monitor first."
    ),
    "isolation_off": _("Pages of other sites may load these paths again, as images, scripts and media."),
    "resources_kept": _(
        "Browsers keep these paths from pages elsewhere that load them without CORS (“%(policy)s”), and nothing "
        "records what that stops."
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


#: What another CORS middleware and the guard would do differently.
DISPARITIES: Final[Mapping[str, Any]] = {
    "unguarded": _("the other one lets the page in on a path that belongs to no API group"),
    "guard_refuses": _("the other one lets the page in, and the guard would refuse it"),
    "guard_admits": _("the other one refuses the page, and the guard would let it in"),
    "credentials": _("both let the page in, and only one of them with the user's cookies"),
    "method": _("both let the page in, and only one of them with this method"),
    "header": _("both let the page in, and only one of them with these request headers"),
    "exposed": _("both let the page in, and not to the same response headers"),
}


def word_problem(problem: Problem) -> str:
    """Return what is wrong and what to do, in a sentence or two."""
    text = _fill(PROBLEMS, problem)
    if problem.detail and problem.code in _SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_shape(problem: Problem) -> str:
    """Return what is wrong with a shape of hosts, or what may go wrong with it."""
    return _fill(SHAPES, problem)


def word_file_problem(problem: Problem) -> str:
    """Return what is wrong with a file of trusted origins, or with what one of its rows says."""
    if problem.code not in FILE_PROBLEMS:
        return word_problem(problem)
    text = _fill(FILE_PROBLEMS, problem)
    if problem.detail and problem.code in _FILE_SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_finding(found: Finding) -> str:
    """Return what is wrong with a policy file, after its place."""
    text = word_policy_problem(found.problem)
    return f"{found.place}: {text}" if found.place else text


def word_policy_problem(problem: Problem) -> str:
    """Return what is wrong with a policy file, or with one of its values."""
    if problem.code not in POLICY_PROBLEMS:
        return word_file_problem(problem)
    text = _fill(POLICY_PROBLEMS, problem)
    if problem.detail and problem.code in _POLICY_SUGGESTING:
        text = str(_("%(text)s Type %(suggestion)s.")) % {"text": text, "suggestion": problem.detail}
    return text


def word_conflict(code: str, *, origin: str = "", detail: str = "") -> str:
    """Return why a document and the policy contradict one another, and what settles it."""
    return str(CONFLICTS.get(code, code)) % {"origin": origin, "detail": detail}


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


def word_csrf(code: str) -> str:
    """Return what the list of trusted origins says to Django's CSRF check."""
    return str(CSRF.get(code, code))


def word_kind(code: str) -> str:
    """Return what sort of request a rejection's kind names."""
    return str(KINDS.get(code, code))


def word_process(code: str) -> str:
    """Return how a process stands to a revision."""
    return str(PROCESSES.get(code, code))


def word_action(code: str) -> str:
    """Return what the action of a policy change means."""
    return str(ACTIONS.get(code, code))


def word_due(code: str) -> str:
    """Return why a grant is due for review."""
    return str(DUE.get(code, code))


def word_unsure(code: str) -> str:
    """Return what is not known of a grant, to stand behind "not known"."""
    return str(UNSURE.get(code, code))


def word_review_limit(code: str, detail: str = "") -> str:
    """Return what a list of grants cannot tell; ``detail`` is a moment or a number, in words."""
    return str(REVIEW_LIMITS.get(code, code)) % {"detail": detail}


def word_difference(code: str) -> str:
    """Return how the nearest trusted thing differs."""
    return str(DIFFERENCES.get(code, code))


def word_disparity(code: str) -> str:
    """Return what another CORS middleware and the guard would do differently, in half a sentence."""
    return str(DISPARITIES.get(code, code))


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
