"""Plain values, understood: a document, and everything that is wrong with them, each thing with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple, TypeVar

from django_cors_guard.core.decision import Isolation, Mode
from django_cors_guard.core.files import suggest
from django_cors_guard.core.files.moments import STORABLE_YEARS, read_moment
from django_cors_guard.core.origins import Mend, Problem, parse_canonical, parse_origin
from django_cors_guard.core.policy_file import (
    FORMAT,
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)
from django_cors_guard.core.policy_files.problems import Finding, PolicyProblem, finding

_E = TypeVar("_E", FileEnvironment, FileGroup, FileFrontEnd)

#: More findings are not collected: the first of them say what to do.
MAX_FINDINGS: Final = 1000
#: The longest text that is read; a note of this length fills a book.
MAX_TEXT: Final = 100_000
#: As long as the columns that hold them.
MAX_MANAGER: Final = 100
MAX_LABEL: Final = 150
#: What an expiry may say that is none.
NEVER: Final = "never"

_SLUG: Final = re.compile("[-a-zA-Z0-9_]{1,50}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: NUL and halves of characters.
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")
_MODES: Final = tuple(str(mode) for mode in Mode)


class MendedOrigin(NamedTuple):
    """An origin that was put right, and its place."""

    place: str
    mend: Mend


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. With ``findings`` the document is what could be understood of it."""

    document: PolicyFile
    findings: tuple[Finding, ...] = ()
    mended: tuple[MendedOrigin, ...] = ()


class Odd(NamedTuple):
    """A number that no policy has: a fraction, or one of too many digits. It need not be computed."""

    text: str


def from_plain(plain: Any) -> Reading:
    """Return the document that ``plain`` says, in canonical form and order. Nothing raises."""
    notes = _Notes()
    top = notes.read_mapping(plain, "")
    notes.check_keys(top, ("format", "name", "environments", "api_groups", "front_ends", "trusted_origins"), "")
    _check_format(notes, top.get("format"))
    document = PolicyFile(
        name=notes.read_text(top.get("name"), "name", MAX_MANAGER) or "",
        environments=_read_keyed(notes, FileEnvironment, _ENVIRONMENT, top.get("environments"), "environments"),
        api_groups=_read_keyed(notes, FileGroup, _API_GROUP, top.get("api_groups"), "api_groups"),
        front_ends=_read_keyed(notes, FileFrontEnd, _FRONT_END, top.get("front_ends"), "front_ends"),
        trusted_origins=_read_grants(notes, top.get("trusted_origins")),
    )
    return Reading(document, tuple(notes.findings), tuple(notes.mended))


@dataclass(slots=True)
class _Notes:
    """Collects what is wrong. Each ``read_`` returns None for what is left out or wrong."""

    findings: list[Finding] = field(default_factory=list)
    mended: list[MendedOrigin] = field(default_factory=list)

    def add(self, found: Finding) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(found)

    def note(self, place: str, code: PolicyProblem, value: str = "", detail: str = "") -> None:
        self.add(finding(place, code, value, detail))

    def read_mapping(self, value: Any, place: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.note(place, PolicyProblem.EXPECTED_MAPPING, describe(value))
        return {}

    def read_list(self, value: Any, place: str) -> list[Any]:
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.note(place, PolicyProblem.EXPECTED_LIST, describe(value))
        return []

    def read_text(self, value: Any, place: str, limit: int = MAX_TEXT) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self.note(place, PolicyProblem.EXPECTED_TEXT, describe(value))
        elif len(value) > limit:
            self.note(place, PolicyProblem.TEXT_TOO_LONG, "", str(limit))
        elif _UNFIT.search(value):
            self.note(place, PolicyProblem.UNFIT_TEXT)
        else:
            return value
        return None

    def check_keys(self, given: Mapping[str, Any], known: Iterable[str], place: str) -> None:
        names = tuple(known)
        if len(self.findings) >= MAX_FINDINGS:
            return
        for key in given.keys() - set(names):
            self.note(place, PolicyProblem.UNKNOWN_KEY, key, suggest(key, names))


def describe(value: Any) -> str:
    """Return what sort of value ``value`` is, and a short one itself, as a document would say it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Odd):
        return value.text[:20]
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    return str(value)[:20] if isinstance(value, int) else f'"{str(value)[:20]}"'


#: Reads one value of one key; None for what is wrong, which is noted.
_Reader = Callable[[_Notes, Any, str], Any]


def _text(notes: _Notes, value: Any, place: str) -> str | None:
    return notes.read_text(value, place)


def _slug(notes: _Notes, value: Any, place: str) -> str | None:
    text = notes.read_text(value, place)
    if text is not None and _SLUG.fullmatch(text) is None:
        notes.note(place, PolicyProblem.BAD_SLUG, text)
        return None
    return text


def _mode(notes: _Notes, value: Any, place: str) -> str | None:
    text = notes.read_text(value, place)
    if text is not None and text not in _MODES:
        notes.note(place, PolicyProblem.UNKNOWN_MODE, text, suggest(text, _MODES))
        return None
    return text


def _isolation(notes: _Notes, value: Any, place: str) -> str | None:
    """Whether it is a known one is for the rules of API groups to say; YAML of old takes ``off`` for false."""
    return str(Isolation.OFF) if value is False else notes.read_text(value, place)


def _switch(notes: _Notes, value: Any, place: str) -> bool | None:
    if isinstance(value, bool):
        return value
    notes.note(place, PolicyProblem.EXPECTED_SWITCH, describe(value))
    return None


def _number(notes: _Notes, value: Any, place: str) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    notes.note(place, PolicyProblem.EXPECTED_NUMBER, describe(value))
    return None


def _day(notes: _Notes, value: Any, place: str) -> date | None:
    text = notes.read_text(value, place)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        notes.note(place, PolicyProblem.BAD_DAY, text)
    return day


def _moment(notes: _Notes, value: Any, place: str) -> datetime | None:
    text = notes.read_text(value, place)
    if text is None or text == NEVER:
        return None
    at = read_moment(text, STORABLE_YEARS)
    if isinstance(at, Problem):
        notes.add(Finding(place, at))
        return None
    return at


def _tokens(notes: _Notes, value: Any, place: str) -> tuple[str, ...]:
    items = (
        notes.read_text(item if item is not None else Odd("null"), f"{place}[{number}]")
        for number, item in enumerate(notes.read_list(value, place))
    )
    return tuple(item for item in items if item is not None)


def _group_modes(notes: _Notes, value: Any, place: str) -> tuple[tuple[str, str], ...]:
    found = []
    for key, item in notes.read_mapping(value, place).items():
        group, mode = _slug(notes, key, place), _mode(notes, item, f"{place}.{key}")
        if group is not None and mode is not None:
            found.append((group, mode))
    return tuple(sorted(found))


def _routes(notes: _Notes, value: Any, place: str) -> tuple[FileRoute, ...]:
    found = []
    for number, item in enumerate(notes.read_list(value, place)):
        given = _read_entry(notes, _ROUTE, item, f"{place}[{number}]", required=("path_prefix",))
        if "path_prefix" in given:
            found.append(FileRoute(**given))
    return tuple(sorted(set(found)))


def _manager(notes: _Notes, value: Any, place: str) -> str | None:
    return notes.read_text(value, place, MAX_MANAGER)


def _label(notes: _Notes, value: Any, place: str) -> str | None:
    return notes.read_text(value, place, MAX_LABEL)


def _origin(notes: _Notes, value: Any, place: str) -> str | None:
    text = notes.read_text(value, place)
    if text is None or parse_canonical(text) is not None:
        return text
    parsed = parse_origin(text)
    for problem in parsed.problems:
        notes.add(Finding(place, problem))
    notes.mended += [MendedOrigin(place, mend) for mend in parsed.mended]
    return parsed.origin.text if parsed.origin is not None else None


_ENVIRONMENT: Final[Mapping[str, _Reader]] = {
    "name": _text,
    "description": _text,
    "mode": _mode,
    "allow_insecure_http": _switch,
    "allow_insecure_credentials": _switch,
    "allow_loopback": _switch,
    "allow_subdomain_patterns": _switch,
    "allow_custom_schemes": _switch,
    "max_trust_days": _number,
    "protected": _switch,
    "group_modes": _group_modes,
}
_API_GROUP: Final[Mapping[str, _Reader]] = {
    "name": _text,
    "description": _text,
    "any_origin": _switch,
    "allow_credentials": _switch,
    "trusted_for_csrf": _switch,
    "allow_methods": _tokens,
    "allow_headers": _tokens,
    "expose_headers": _tokens,
    "max_age": _number,
    "isolate": _isolation,
    "timing_allow_origin": _switch,
    "cross_origin_resource_policy": _text,
    "routes": _routes,
}
_ROUTE: Final[Mapping[str, _Reader]] = {"path_prefix": _text, "host": _text}
_FRONT_END: Final[Mapping[str, _Reader]] = {
    "name": _text,
    "owner": _text,
    "contact": _text,
    "external": _switch,
    "review_by": _day,
}
_GRANT: Final[Mapping[str, _Reader]] = {
    "environment": _slug,
    "api_group": _slug,
    "origin": _origin,
    "front_end": _slug,
    "note": _text,
    "expires_at": _moment,
    "revoked_at": _moment,
    "revoked_by": _label,
    "revoke_reason": _text,
    "managed_by": _manager,
}
_PLACE: Final = ("environment", "api_group", "origin")


def _check_format(notes: _Notes, value: Any) -> None:
    if value is None:
        notes.note("", PolicyProblem.MISSING_KEY, f"format: {FORMAT}")
    elif value != FORMAT:
        notes.note("format", PolicyProblem.UNKNOWN_FORMAT, describe(value).strip('"'), FORMAT)


def _read_entry(
    notes: _Notes, readers: Mapping[str, _Reader], value: Any, place: str, *, required: Iterable[str] = ()
) -> dict[str, Any]:
    """Return what an entry says and makes sense; null is as if it were left out."""
    given = notes.read_mapping(value, place)
    notes.check_keys(given, readers, place)
    for key in required:
        if given.get(key) is None:
            notes.note(place, PolicyProblem.MISSING_KEY, key)
    read = {
        key: readers[key](notes, item, f"{place}.{key}")
        for key, item in given.items()
        if key in readers and item is not None
    }
    return {key: item for key, item in read.items() if item is not None}


def _read_keyed(
    notes: _Notes, kind: type[_E], readers: Mapping[str, _Reader], value: Any, place: str
) -> tuple[_E, ...]:
    """Return the entries of a mapping of slugs, in order."""
    found = []
    for key, item in notes.read_mapping(value, place).items():
        slug = _slug(notes, key, place)
        if slug is not None:
            found.append(kind(slug=slug, **_read_entry(notes, readers, item, f"{place}.{slug}")))
    return tuple(sorted(found, key=lambda entry: entry.slug))


def _read_grants(notes: _Notes, value: Any) -> tuple[FileGrant, ...]:
    found = dict[tuple[str, str, str], tuple[FileGrant, str]]()
    for number, item in enumerate(notes.read_list(value, "trusted_origins")):
        place = f"trusted_origins[{number}]"
        given = _read_entry(notes, _GRANT, item, place, required=_PLACE)
        if any(key not in given for key in _PLACE):
            continue
        grant = FileGrant(**given)
        _check_revocation(notes, grant, place)
        key = (grant.environment, grant.api_group, grant.origin)
        _grant, first = found.setdefault(key, (grant, place))
        if first != place:
            notes.note(place, PolicyProblem.REPEATED_GRANT, first)
    return tuple(found[key][0] for key in sorted(found))


def _check_revocation(notes: _Notes, grant: FileGrant, place: str) -> None:
    """What tells of a revocation without its time would be read as trust."""
    if grant.revoked_at is not None:
        return
    for key in ("revoked_by", "revoke_reason"):
        if getattr(grant, key):
            notes.note(f"{place}.{key}", PolicyProblem.REVOKED_WITHOUT_TIME, key)
