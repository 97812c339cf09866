"""YAML to plain values: the part of it that a policy needs, and nothing that runs, refers or guesses.

PyYAML only cuts the text into events; no object is ever made of a tag. ``true``, ``false``, ``null`` and whole numbers
are what they say; everything else is text: ``on``, ``no``, ``12:30`` and ``2030-12-31`` stay as they were written. Keys
are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django_cors_guard.core.policy_files.json_text import MAX_DIGITS
from django_cors_guard.core.policy_files.problems import BadDocument, PolicyProblem, finding

try:
    import yaml
except ModuleNotFoundError:  # pragma: no cover - an extra; its tests set None
    yaml = None  # type: ignore[assignment]  # as above

#: Mappings and lists within one another; a policy has five levels.
MAX_DEPTH: Final = 20

_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


def is_there() -> bool:
    """Whether PyYAML is installed."""
    return yaml is not None


def read(text: str) -> Any:
    """Return the plain values of the one document in ``text``; raises BadDocument."""
    if not is_there():
        raise BadDocument(finding("", PolicyProblem.NO_YAML_READER))
    try:
        return _Builder().build(yaml.parse(text, Loader=_loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = str(mark.line + 1) if mark is not None else "?"
        told = error.problem or error.context or ""
        if "nesting" in told:
            # The reader in C looks ahead, and meets the depth before the builder does.
            raise BadDocument(finding("", PolicyProblem.TOO_NESTED, "", str(MAX_DEPTH))) from error
        raise BadDocument(finding("", PolicyProblem.BROKEN_YAML, line, told)) from error
    except yaml.YAMLError as error:
        # A character that may not stand in YAML; its position is in characters.
        position = getattr(error, "position", 0)
        line, told = str(text.count("\n", 0, position) + 1), str(getattr(error, "reason", error))
        raise BadDocument(finding("", PolicyProblem.BROKEN_YAML, line, told.splitlines()[0])) from error


def _loader() -> Any:
    """Of the same grammar; the one in C is ten times as fast."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being filled; ``key`` is that of the value that comes next."""

    values: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Fills mappings and lists from events, without recursion."""

    open: list[_Open] = field(default_factory=list)
    result: Any = None
    has_result: bool = False

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            line = str(event.start_mark.line + 1)
            if isinstance(event, yaml.DocumentStartEvent) and self.has_result:
                raise BadDocument(finding("", PolicyProblem.SEVERAL_DOCUMENTS, line))
            if isinstance(event, yaml.NodeEvent):
                _refuse_reference(event, line)
                self._take_node(event, line)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self.open.pop()
        if not self.has_result:
            raise BadDocument(finding("", PolicyProblem.EMPTY_DOCUMENT))
        return self.result

    def _take_node(self, event: Any, line: str) -> None:
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.values, dict) and parent.key is None:
            parent.key = self._read_key(event, parent.values, line)
            return
        if isinstance(event, yaml.ScalarEvent):
            self._add(_read_scalar(event))
            return
        values: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._add(values)
        self.open.append(_Open(values))
        if len(self.open) > MAX_DEPTH:
            raise BadDocument(finding("", PolicyProblem.TOO_NESTED, "", str(MAX_DEPTH)))

    def _read_key(self, event: Any, values: dict[str, Any], line: str) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise BadDocument(finding(self._place(), PolicyProblem.YAML_KEY, line))
        key = str(event.value)
        if key in values:
            raise BadDocument(finding(self._place(), PolicyProblem.REPEATED_KEY, key, line))
        return key

    def _add(self, value: Any) -> None:
        if not self.open:
            self.result, self.has_result = value, True
            return
        parent = self.open[-1]
        if isinstance(parent.values, list):
            parent.values.append(value)
        else:
            parent.values[parent.key or ""] = value
            parent.key = None

    def _place(self) -> str:
        """Return where the innermost mapping is."""
        return "".join(_last_step(outer) for outer in self.open[:-1]).removeprefix(".")


def _last_step(outer: _Open) -> str:
    """Return the step from ``outer`` to what was added to it last."""
    if isinstance(outer.values, list):
        return f"[{len(outer.values) - 1}]"
    return f".{next(reversed(outer.values))}"


def _refuse_reference(event: Any, line: str) -> None:
    """Anchors and aliases make a bomb of a small file, tags a program of a text."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise BadDocument(finding("", PolicyProblem.YAML_ALIAS, line, str(event.anchor)))
    if event.tag is not None:
        raise BadDocument(finding("", PolicyProblem.YAML_TAG, line, str(event.tag)))


def _read_scalar(event: Any) -> Any:
    text = str(event.value)
    if not event.implicit[0]:  # in quotation marks, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if len(text) <= MAX_DIGITS and _NUMBER.fullmatch(text) else text
