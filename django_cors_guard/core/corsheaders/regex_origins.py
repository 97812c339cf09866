"""Which origins and patterns a regular expression of CORS_ALLOWED_ORIGIN_REGEXES means, and how far it meant more.

Only three forms are taken: one origin spelt out, all subdomains of a domain, all ports of a loopback host. What is
taken never trusts an origin the expression did not match, except where a note of ``lines.WIDENING`` says so.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from django_cors_guard.core.authority import LOOPBACK_HOSTS, MAX_HOST_LENGTH, MAX_LABEL_LENGTH
from django_cors_guard.core.corsheaders.regexes import (
    ANY_CHARACTER,
    DIGITS,
    Piece,
    Reading,
    Run,
    Shape,
    join_texts,
)
from django_cors_guard.core.origins import Origin, OriginKind, parse_origin

_LETTERS: Final = frozenset(string.ascii_lowercase)
_LABEL_CHARACTERS: Final = _LETTERS | DIGITS | {"-", "_"}
_MAX_PORT_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one alternative of an expression means: an origin with notes, or a code of why it is none.

    ``spelt`` is the alternative for people to read, or what to type instead. ``bare``: the expression also matches the
    host alone, without a port.
    """

    origin: Origin | None
    code: str
    spelt: str = ""
    notes: tuple[str, ...] = ()
    bare: bool = False


def read_origins(reading: Reading) -> list[Candidate]:
    """Return each origin that is meant once, with the fewest notes, and each alternative that is none."""
    best: dict[str, Candidate] = {}
    for shape in reading.shapes:
        for candidate in _read_shape(shape.drop_open_end(), ignores_case=reading.ignores_case):
            key = candidate.origin.text if candidate.origin else f"{candidate.code} {candidate.spelt}"
            known = best.get(key)
            if known is None or len(candidate.notes) < len(known.notes):
                best[key] = candidate
    return list(_merge_loopback(best))


def _merge_loopback(best: dict[str, Candidate]) -> Iterator[Candidate]:
    """Leave out hosts that a pattern for all their ports covers; say where that pattern covers one more."""
    ports = {text.removesuffix(":*") for text in best if text.endswith(":*")}
    for text, candidate in best.items():
        origin = candidate.origin
        if origin is None or origin.kind is OriginKind.SUBDOMAINS:
            yield candidate
        elif origin.kind is OriginKind.LOOPBACK_PORTS:
            alone = not candidate.bare and text.removesuffix(":*") not in best
            yield replace(candidate, notes=(*candidate.notes, "bare_host")) if alone else candidate
        elif f"{origin.scheme}://{origin.host}" not in ports:
            yield candidate


def _read_shape(shape: Shape, *, ignores_case: bool) -> Iterator[Candidate]:
    pieces = tuple(join_texts("." if piece == ANY_CHARACTER else piece for piece in shape.pieces))
    notes = () if ANY_CHARACTER not in shape.pieces else ("dot_open",)
    if not shape.ends:
        notes = (*notes, "end_open")
    if ignores_case:
        pieces = tuple(piece.lower() if isinstance(piece, str) else piece for piece in pieces)
    match pieces:
        case [str() as start, *_] if "://" in start:
            yield from _read_web(pieces, start, notes, is_open=not shape.ends)
        case [str()]:
            # It may stop within the scheme (`^http`); what cannot be the start of an origin matches nothing.
            yield Candidate(None, "regex_never" if shape.ends else "regex_prefix", _spell(pieces))
        case [str(), *_]:
            yield Candidate(None, "regex_never", _spell(pieces))
        case [] | [Run()]:
            yield Candidate(None, "regex_any_origin", _spell(pieces))
        case _:
            yield Candidate(None, "regex_no_scheme", _spell(pieces))


def _read_web(pieces: tuple[Piece, ...], start: str, notes: tuple[str, ...], *, is_open: bool) -> Iterator[Candidate]:
    """Read what begins with a scheme."""
    at_host = start.endswith("://")
    match pieces[1:]:
        case []:
            yield _read_exact(start, notes, is_open=is_open)
        case [Run() as run] if at_host:
            yield Candidate(None, "regex_any_origin" if "." in run.chars else "regex_shape", _spell(pieces))
        case [Run() as run] if start.endswith(":"):
            yield _read_ports(start, run, notes)
        case [Run() as run, str() as rest] if at_host:
            yield from _read_subdomains(start, run, rest, notes)
        case [Run(), str() as rest, Run()] if rest.endswith(":"):
            yield Candidate(None, "regex_ports", _spell(pieces))
        case [Run()] | [Run(), str()]:
            in_port = ":" in start.partition("://")[2]
            yield Candidate(None, "regex_port_part" if in_port else "regex_partial_label", _spell(pieces))
        case _:
            yield Candidate(None, "regex_shape", _spell(pieces))


def _spell(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece if isinstance(piece, str) else "*" for piece in pieces)


def _parse(text: str, code: str, notes: tuple[str, ...]) -> Candidate:
    parsed = parse_origin(text)
    if parsed.origin is None:
        return Candidate(None, parsed.problems[0].code, text, notes)
    if parsed.mended:
        notes = (*notes, "spelling")
    return Candidate(parsed.origin, code, parsed.origin.text, notes)


def _read_exact(text: str, notes: tuple[str, ...], *, is_open: bool) -> Candidate:
    found = _parse(text.removesuffix(":") if is_open else text, "exact", notes)
    if not is_open:
        return found
    if text.endswith("://"):
        return Candidate(None, "regex_any_origin", text)
    origin = found.origin
    if origin is None:
        return Candidate(None, "regex_prefix", text)
    if text.endswith(":") and origin.host not in LOOPBACK_HOSTS:
        # Any port but the scheme's own, which no origin says.
        return Candidate(None, "regex_ports", f"{text}*")
    if origin.port is None and origin.host in LOOPBACK_HOSTS and not text.endswith("/"):
        return replace(_parse(f"{origin.text}:*", "loopback_ports", notes), bare=not text.endswith(":"))
    # `^https://app` is the beginning of many names, and meant none of them.
    is_name = "." in origin.host or origin.is_ip or origin.port is not None
    return found if is_name or text.endswith("/") else Candidate(None, "regex_prefix", text)


def _read_ports(start: str, run: Run, notes: tuple[str, ...]) -> Candidate:
    if run.low > 1 or run.high < _MAX_PORT_DIGITS or not run.chars >= DIGITS:
        notes = (*notes, "port_counted")
    found = _parse(f"{start}*", "loopback_ports", notes)
    return found if found.origin is not None else replace(found, code="regex_ports")


def _read_subdomains(start: str, run: Run, rest: str, notes: tuple[str, ...]) -> Iterator[Candidate]:
    spelt = f"{start}*{rest}"
    is_dotted = "." in run.chars
    trouble = _judge_label(run)
    if trouble:
        yield Candidate(None, trouble, spelt)
        return
    if not is_dotted:
        notes = (*notes, "one_label")
    if not run.chars >= _LABEL_CHARACTERS:
        notes = (*notes, "alphabet")
    if rest.startswith("."):
        yield _parse(f"{start}*{rest}", "subdomains", notes)
    elif is_dotted:
        notes = (*notes, "dot_missing")
        yield _parse(f"{start}*.{rest}", "subdomains", notes)
        if run.low == 0:
            yield _parse(start + rest, "exact", tuple(note for note in notes if note != "alphabet"))
    else:
        yield Candidate(None, "regex_partial_label", spelt)


def _judge_label(run: Run) -> str:
    """Return why ``run`` is no stand-in for the names before a domain, or ""."""
    if not run.chars >= _LETTERS:
        return "regex_class"
    longest = MAX_HOST_LENGTH if "." in run.chars else MAX_LABEL_LENGTH
    return "regex_counted" if run.low > 1 or run.high < longest else ""
