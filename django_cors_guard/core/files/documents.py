"""JSON: a list of objects, or an object that has the list as ``trusted_origins``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from django_cors_guard.core.files.columns import READ, find_unknown
from django_cors_guard.core.files.problems import MAX_LISTED, BadFile, FileProblem, problem
from django_cors_guard.core.files.records import Record

FORMAT: Final = "django-cors-guard/trusted-origins"
VERSION: Final = "1"
LIST: Final = "trusted_origins"

_HEAD: Final = frozenset({"format", "version", LIST})


class _Object(NamedTuple):
    """An object with the names it has more than once, of which a dict keeps the last."""

    values: dict[str, Any]
    repeated: tuple[str, ...]


class _Number(str):
    """A number as it was written: one of a million digits need not be computed."""

    __slots__ = ()


def read_json(text: str) -> Iterator[Record]:
    """Yield the entries of the list, counted from 1; raises BadFile."""
    entries = _find_list(_parse(text))
    objects = [entry for entry in entries if isinstance(entry, _Object)]
    unknown = find_unknown(name for entry in objects for name in entry.values)
    if unknown:
        raise BadFile(*unknown)
    for number, entry in enumerate(entries, 1):
        yield _read_record(number, entry)


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_keep_pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise BadFile(problem(FileProblem.TOO_DEEP)) from error
    except json.JSONDecodeError as error:
        raise BadFile(problem(FileProblem.BAD_JSON, str(error.lineno), str(error.colno))) from error


def _keep_pairs(pairs: list[tuple[str, Any]]) -> _Object:
    values = dict(pairs)
    if len(values) == len(pairs):
        return _Object(values, ())
    counts = Counter(name for name, _value in pairs)
    return _Object(values, tuple(name for name, count in counts.items() if count > 1)[:MAX_LISTED])


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's own; no other program reads them."""
    raise json.JSONDecodeError(f"{name} is no JSON", "", 0)


def _find_list(document: Any) -> list[Any]:
    if isinstance(document, _Object):
        version = document.values.get("version", _Number(VERSION))
        if version != VERSION:
            raise BadFile(problem(FileProblem.NEWER_VERSION, version if isinstance(version, str) else ""))
        if document.repeated or not _HEAD.issuperset(document.values):
            raise BadFile(problem(FileProblem.NO_LIST))
        document = document.values.get(LIST)
    if not isinstance(document, list):
        raise BadFile(problem(FileProblem.NO_LIST))
    return document


def _read_record(number: int, entry: Any) -> Record:
    if not isinstance(entry, _Object):
        return Record(number, {}, (problem(FileProblem.NO_OBJECT),))
    read = {name: entry.values[name] for name in READ if entry.values.get(name) is not None}
    odd = [name for name, value in read.items() if type(value) is not str]
    problems = (
        *(problem(FileProblem.REPEATED_NAME, name) for name in entry.repeated),
        *(problem(FileProblem.NOT_TEXT, name) for name in odd),
    )
    return Record(number, {name: value for name, value in read.items() if name not in odd}, problems)
