"""What can be wrong with a written origin, as codes and values; shells (admin, API, command) find the words.

A value is never prose. ``Problem.value`` is the piece that is wrong, made printable and cut to 255 characters; user
names, passwords, queries and fragments are never repeated in it. ``Problem.detail`` is what to type instead, ready to
be used as it is, or one extra fact that the code's comment names, or "".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

MAX_VALUE_LENGTH: Final = 255


class ProblemCode(StrEnum):
    """Every code of ``parse_origin`` and ``check_rules``: the reasons an origin is not accepted."""

    # The text as a whole.
    EMPTY = "empty"  # nothing was typed
    TOO_LONG = "too_long"  # longer than any origin; it was not read
    NULL_ORIGIN = "null_origin"  # `null` stands for every sandboxed frame and local file there is
    ANY_ORIGIN = "any_origin"  # `*`, `https://*`: that is the group's any_origin switch, not an origin
    SEVERAL_ORIGINS = "several_origins"  # more than one origin in one field

    # Characters that no origin contains.
    CONTROL_CHARACTER = "control_character"  # line breaks, tabs, zero-width and direction marks, surrogates
    INNER_SPACE = "inner_space"  # white space other than ordinary spaces around the text
    BACKSLASH = "backslash"  # browsers read it as a slash
    PERCENT = "percent"  # browsers decode it, so the text is not what they send

    # The scheme.
    MISSING_SCHEME = "missing_scheme"  # app.example.com
    BAD_SLASHES = "bad_slashes"  # https:app.example.com, https//app.example.com, https:///app.example.com
    REPEATED_SCHEME = "repeated_scheme"  # https://https://app.example.com
    MISSPELT_SCHEME = "misspelt_scheme"  # htps://, one slip away from http or https
    BAD_SCHEME = "bad_scheme"  # outside [a-z][a-z0-9+.-]{1,31}
    WEBSOCKET_SCHEME = "websocket_scheme"  # a socket is opened by a page: the page's http(s) origin is what is sent
    FILE_SCHEME = "file_scheme"  # browsers send `null` for local files
    REFUSED_SCHEME = "refused_scheme"  # ftp, data, blob, javascript, …: pages of theirs have no origin of their own

    # What follows the host in a URL and is not part of an origin.
    USERINFO = "userinfo"  # user:password@
    PATH = "path"
    QUERY = "query"
    FRAGMENT = "fragment"

    # The host.
    EMPTY_HOST = "empty_host"
    BAD_HOST = "bad_host"  # value: characters other than letters, digits, hyphen, underscore, dot
    BAD_IDN = "bad_idn"  # no valid international domain name, or punycode that stands for none
    EMPTY_LABEL = "empty_label"  # a..b, .example.com
    LABEL_TOO_LONG = "label_too_long"  # more than 63 characters between two dots
    HOST_TOO_LONG = "host_too_long"  # more than 253 characters in all
    TRAILING_DOT = "trailing_dot"  # a different origin to browsers, and never the one that is meant
    BAD_IP = "bad_ip"  # ends in a number and is no IP address
    RESPELT_IP = "respelt_ip"  # 1.1, 0x7f.1, [0:0::1]: an address, but not as browsers write it

    # The port.
    EMPTY_PORT = "empty_port"  # https://app.example.com:
    BAD_PORT = "bad_port"  # not a number, or with leading zeros
    PORT_OUT_OF_RANGE = "port_out_of_range"  # not within 1 to 65535

    # Patterns.
    WILDCARD_SCHEME = "wildcard_scheme"  # *://app.example.com
    WILDCARD_HOST = "wildcard_host"  # a `*` that is not the whole first label
    WILDCARD_PORT = "wildcard_port"  # only localhost, 127.0.0.1 and [::1] may have `:*`
    PATTERN_SCHEME = "pattern_scheme"  # only http and https may have patterns
    PATTERN_BASE_IP = "pattern_base_ip"  # addresses have no subdomains
    PATTERN_BASE_SHORT = "pattern_base_short"  # https://*.com, https://*.localhost
    PUBLIC_SUFFIX = "public_suffix"  # https://*.co.uk, https://*.github.io: anyone can have a name there

    # The environment's safety switches; the detail names the switch that is off.
    NEEDS_INSECURE_HTTP = "needs_insecure_http"
    NEEDS_INSECURE_CREDENTIALS = "needs_insecure_credentials"
    NEEDS_LOOPBACK = "needs_loopback"
    NEEDS_SUBDOMAIN_PATTERNS = "needs_subdomain_patterns"
    NEEDS_CUSTOM_SCHEMES = "needs_custom_schemes"


class MendCode(StrEnum):
    """What ``parse_origin`` corrects by itself, and reports."""

    SPACES = "spaces"  # around the text
    TRAILING_SLASH = "trailing_slash"  # one
    CASE = "case"
    IDN = "idn"  # an international domain name in punycode
    DEFAULT_PORT = "default_port"


class Problem(NamedTuple):
    """One thing that is wrong: a code, the offending piece, and what to type instead (or "")."""

    code: str
    value: str
    detail: str = ""


class Mend(NamedTuple):
    """One correction: the whole text before and after it. The first ``before`` is what was typed."""

    code: str
    before: str
    after: str


class Findings:
    """Collects problems while an origin is read; ``hopeless`` once nothing can be suggested any more."""

    __slots__ = ("hopeless", "problems")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.hopeless = False

    def refuse(self, code: ProblemCode, value: str) -> None:
        """Note a problem that the reader can repair, so that reading on leads to a suggestion."""
        self.problems.append(Problem(code.value, show(value)))

    def give_up(self, code: ProblemCode, value: str) -> None:
        """Note a problem that nobody but the writer can repair."""
        self.refuse(code, value)
        self.hopeless = True

    def suggest(self, text: str) -> tuple[Problem, ...]:
        """Return the problems, each with ``text`` as what to type instead."""
        return tuple(problem._replace(detail=text) for problem in self.problems)


def show(text: str) -> str:
    """Return ``text`` cut to 255 characters, with everything invisible or unprintable escaped as Python would."""
    visible = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:MAX_VALUE_LENGTH])
    return visible[:MAX_VALUE_LENGTH]
