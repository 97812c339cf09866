"""What became of each setting: one line a value, as codes; the shell finds the words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.core.problems import show


class Verdict(StrEnum):
    """What became of a value."""

    TOOK = "took"  # it is in the document, and means the same there
    MENDED = "mended"  # it is in the document, and means a little less or more: the notes say what
    REFUSED = "refused"  # it is not in the document, and somebody relies on it
    NOTED = "noted"  # nothing is lost, but the reader should know


#: Notes that say: the document trusts or guards a little more than the setting did.
WIDENING: Final = frozenset(
    {
        "one_label",  # theirs is one label, ours one or more
        "alphabet",  # ours also takes letters, digits, hyphens or underscores that theirs does not
        "spelling",  # no browser ever sent it as it was written; what was meant is trusted
        "bare_host",  # the loopback pattern covers the host without a port, too
        "port_counted",  # the loopback pattern covers every port
        "path_itself",  # the route covers the path without its slash, too
        "paths_below",  # the route covers what is below the path, too
    }
)

#: Notes that say: the setting let in more than it seems to mean, and the document does not.
NARROWING: Final = frozenset(
    {
        "end_open",  # nothing anchors the end: https://app.example.com.evil.net matched
        "dot_open",  # a dot without a backslash matched any character
        "dot_missing",  # no dot before the domain: https://evilexample.com matched
        "segment",  # /api matched /apix, too
        "path_case",  # letters of the path compared without regard to case
        "dropped",  # names that browsers never let through were left out
        "star_with_credentials",  # with credentials a browser takes * for a name that nobody has
        "cut_to_a_day",  # longer than any browser keeps a preflight
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One value of one setting. ``detail`` is what it became, or what the code's words need; ``notes`` are codes."""

    setting: str
    value: str
    verdict: Verdict
    code: str
    detail: str = ""
    notes: tuple[str, ...] = ()

    @property
    def widens(self) -> bool:
        """Whether the document trusts or guards more than the setting did, if only a little."""
        return not WIDENING.isdisjoint(self.notes)


@dataclass(frozen=True, slots=True)
class Translation:
    """The document that means the same, and the account of how it came about."""

    document: PolicyFile
    lines: tuple[Line, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was refused."""
        return all(line.verdict is not Verdict.REFUSED for line in self.lines)


@dataclass(slots=True)
class Account:
    """Collects the lines."""

    # In the order they came; a dict, so that ten thousand of them are still told apart quickly.
    _lines: dict[Line, None] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return the lines so far."""
        return tuple(self._lines)

    def take(self, setting: str, value: object, code: str, detail: str = "", notes: tuple[str, ...] = ()) -> None:
        """Note what is in the document; with notes on its meaning it counts as mended."""
        changed = not (WIDENING | NARROWING).isdisjoint(notes)
        self.add(Line(setting, spell(value), Verdict.MENDED if changed else Verdict.TOOK, code, detail, notes))

    def refuse(self, setting: str, value: object, code: str, detail: str = "") -> None:
        """Note what is not in the document, and why."""
        self.add(Line(setting, spell(value), Verdict.REFUSED, code, detail))

    def note(self, setting: str, value: object, code: str, detail: str = "") -> None:
        """Note what the reader should know."""
        self.add(Line(setting, spell(value), Verdict.NOTED, code, detail))

    def add(self, line: Line) -> None:
        """Add a line, once."""
        self._lines.setdefault(line)


def spell(value: object) -> str:
    """Return a setting's value as one bounded line, whatever it is."""
    if isinstance(value, str):
        return show(value)
    try:
        return show(repr(value))
    except Exception:  # noqa: BLE001 - settings may hold anything, and an object's repr may do anything
        return f"<{type(value).__name__}>"
