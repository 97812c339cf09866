"""Written text, cut into the pieces of an origin: forgiving, so that all problems are found and one text suggested.

Whatever had to be forgiven is a problem: ``parse_origin`` refuses then, and only suggests what was understood.
"""

from __future__ import annotations

import unicodedata
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

from django_cors_guard.core.authority import DEFAULT_PORTS, lower_ascii
from django_cors_guard.core.problems import Findings, ProblemCode
from django_cors_guard.core.spelling import is_one_slip

MIN_SCHEME_LENGTH: Final = 2
MAX_SCHEME_LENGTH: Final = 32

_SCHEME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-.")
_SOCKET_SCHEMES: Final = {"ws": "http", "wss": "https"}
# Nothing that is loaded from these has an origin of its own that browsers would send.
_REFUSED_SCHEMES: Final = frozenset(
    {
        *("about", "blob", "cid", "content", "data", "filesystem", "ftp", "ftps", "git", "gopher", "intent", "jar"),
        *("javascript", "ldap", "magnet", "mailto", "mid", "news", "nntp", "null", "sftp", "sms", "ssh", "tel", "urn"),
        *("vbscript", "view-source"),
    }
)
# Zero-width (non-)joiners: some languages need them, and the IDN rules know where.
_JOINERS: Final = "\u200c\u200d"


class Pieces(NamedTuple):
    """The pieces as written, but for the scheme: that is lower case, and one that can be read on with."""

    scheme: str
    host: str
    port: str | None


def split_origin(text: str, found: Findings) -> Pieces | None:
    """Cut ``text`` (bounded by the caller) into pieces, or None where reading on makes no sense."""
    stripped = text.strip(" ")
    if _is_no_origin(stripped, found):
        return None
    split = _split_scheme(_clean(stripped, found), found)
    if split is None:
        return None
    scheme, rest = split
    authority, tail = _split_tail(rest)
    _refuse_tail(tail, found)
    _, at, host_and_port = authority.rpartition("@")
    if at:
        found.refuse(ProblemCode.USERINFO, "@")
    return Pieces(scheme, *_split_port(host_and_port, found))


def _is_no_origin(text: str, found: Findings) -> bool:
    if not text:
        found.give_up(ProblemCode.EMPTY, "")
    elif lower_ascii(text) == "null":
        found.give_up(ProblemCode.NULL_ORIGIN, text)
    elif text == "*":
        found.give_up(ProblemCode.ANY_ORIGIN, text)
    elif sum("://" in word for word in text.replace(",", " ").replace(";", " ").split()) > 1:
        found.give_up(ProblemCode.SEVERAL_ORIGINS, text)
    return found.hopeless


def _clean(text: str, found: Findings) -> str:
    """Report characters that no origin contains, and return the text without them."""
    invisible = dict.fromkeys(char for char in text if _is_invisible(char))
    spaces = dict.fromkeys(char for char in text if char.isspace() and char not in invisible)
    if invisible:
        found.refuse(ProblemCode.CONTROL_CHARACTER, "".join(invisible))
    if spaces:
        found.refuse(ProblemCode.INNER_SPACE, "".join(spaces))
    unwanted = "".join((*invisible, *spaces))
    # Around the text they came with a paste. Within it two texts may have been meant: joining them is no suggestion.
    found.hopeless = any(_divides(char) for char in text.strip(unwanted))
    if "\\" in text:
        found.refuse(ProblemCode.BACKSLASH, "\\")
    if "%" in text:
        found.give_up(ProblemCode.PERCENT, "%")
    return text.translate(dict.fromkeys(map(ord, unwanted))).replace("\\", "/")


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co"} and char not in _JOINERS


def _divides(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in {"Cc", "Cs", "Co"}


def _split_scheme(text: str, found: Findings) -> tuple[str, str] | None:
    head, separator, rest = text.partition("://")
    if not (separator and head) or not {"/", "?", "#"}.isdisjoint(head):
        return _guess_scheme(text, found)
    scheme = _read_scheme(head, found)
    if scheme is None:
        return None
    if scheme in DEFAULT_PORTS:
        rest = _drop_repeated(rest, found)
    return scheme, rest


def _drop_repeated(rest: str, found: Findings) -> str:
    """``https://https://app.example.com`` and ``https:///app.example.com``: keep what was meant."""
    repeated = lower_ascii(rest).startswith(("http://", "https://"))
    if repeated:
        found.refuse(ProblemCode.REPEATED_SCHEME, rest.partition("//")[0])
        rest = rest.partition("//")[2]
    elif rest.startswith("/"):
        found.refuse(ProblemCode.BAD_SLASHES, "//" + rest[: len(rest) - len(rest.lstrip("/"))])
        rest = rest.lstrip("/")
    return rest


def _read_scheme(raw: str, found: Findings) -> str | None:
    """Return the scheme to read on with; None where the rest would only be noise."""
    scheme = lower_ascii(raw)
    if scheme in DEFAULT_PORTS:
        return scheme
    if scheme == "file":
        found.give_up(ProblemCode.FILE_SCHEME, raw)
        return None
    if scheme in _REFUSED_SCHEMES:
        found.give_up(ProblemCode.REFUSED_SCHEME, raw)
        return None
    if ":" in scheme:
        return _read_nested(scheme, found)
    return _read_other_scheme(scheme, found)


def _read_nested(raw: str, found: Findings) -> str | None:
    """``blob:https``, ``view-source:https``: the origin is that of the inner URL."""
    outer, _, inner = raw.rpartition(":")
    found.refuse(ProblemCode.REFUSED_SCHEME, outer)
    if inner in DEFAULT_PORTS and outer in _REFUSED_SCHEMES:
        return inner
    found.hopeless = True
    return None


def _read_other_scheme(scheme: str, found: Findings) -> str:
    if scheme in _SOCKET_SCHEMES:
        found.refuse(ProblemCode.WEBSOCKET_SCHEME, scheme)
        return _SOCKET_SCHEMES[scheme]
    if "*" in scheme:
        found.refuse(ProblemCode.WILDCARD_SCHEME, scheme)
        return "https"
    for web_scheme in ("https", "http"):
        if is_one_slip(scheme, web_scheme):
            found.refuse(ProblemCode.MISSPELT_SCHEME, scheme)
            return web_scheme
    if not _is_scheme(scheme):
        found.give_up(ProblemCode.BAD_SCHEME, scheme)
        return "https"
    return scheme


def _is_scheme(scheme: str) -> bool:
    return (
        MIN_SCHEME_LENGTH <= len(scheme) <= MAX_SCHEME_LENGTH
        and "a" <= scheme[0] <= "z"
        and _SCHEME_CHARACTERS.issuperset(scheme)
    )


def _guess_scheme(text: str, found: Findings) -> tuple[str, str] | None:
    lowered = lower_ascii(text)
    for scheme in ("https", "http"):
        if lowered.startswith((scheme + ":", scheme + "//")):
            rest = text[len(scheme) :]
            host = rest.lstrip(":/")
            found.refuse(ProblemCode.BAD_SLASHES, rest[: len(rest) - len(host)])
            return scheme, host
    head, colon, rest = lowered.partition(":")
    if colon and not rest[:1].isdecimal() and (head == "file" or head in _REFUSED_SCHEMES):
        _read_scheme(head, found)
        return None
    found.refuse(ProblemCode.MISSING_SCHEME, text)
    bare = text.removeprefix("://").removeprefix("//")
    # Development servers rarely have a certificate; nobody else should be told to do without.
    return "http" if _is_local(lower_ascii(bare)) else "https", bare


def _is_local(text: str) -> bool:
    name = _split_tail(text)[0].partition(":")[0]
    return name == "localhost" or name.endswith(".localhost") or name.startswith("127.") or text.startswith("[::1]")


def _split_tail(rest: str) -> tuple[str, str]:
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return rest[:end], rest[end:]


def _refuse_tail(tail: str, found: Findings) -> None:
    before_fragment, hash_sign, _ = tail.partition("#")
    path, question_mark, _ = before_fragment.partition("?")
    if path not in {"", "/"}:
        found.refuse(ProblemCode.PATH, path)
    # Their contents may be secrets (tokens of a sign-in, mostly) and are not repeated.
    if question_mark:
        found.refuse(ProblemCode.QUERY, question_mark)
    if hash_sign:
        found.refuse(ProblemCode.FRAGMENT, hash_sign)


def _split_port(text: str, found: Findings) -> tuple[str, str | None]:
    if text.startswith(("[", "*.[")):
        inner, bracket, after = text.partition("]")
        if after and not after.startswith(":"):
            return text, None
        return inner + bracket, after[1:] if after else None
    if text.count(":") > 1 and _is_ipv6(text):
        found.refuse(ProblemCode.RESPELT_IP, text)
        return f"[{text}]", None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
