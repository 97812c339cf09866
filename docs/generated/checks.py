"""The system checks: every id with what it says and what to do about it."""

import re
from typing import Final

from django_cors_guard.checks.rules import RULES, Rule
from docs.generated.markdown import anchor, escape

SEVERITIES: Final = {"E": "Error", "W": "Warning"}
#: Where the hint is made of values alone, what it says.
HINTS: Final = {"cors_guard.E002": "The hint names the key that was probably meant, or those that there are."}
_VALUE: Final = re.compile(r"%\((\w+)\)[sd]")


def describe() -> str:
    """Return a section for each id."""
    return "\n\n".join(map(_describe_rule, sorted(RULES.values(), key=lambda rule: rule.id)))


def _describe_rule(rule: Rule) -> str:
    severity = SEVERITIES[rule.id.partition(".")[2][0]]
    return "\n\n".join(
        [
            f"{anchor(rule.id.replace('.', '-'))}\n## {rule.id}",
            f"*{severity}.* {_with_names(rule.message)}",
            HINTS.get(rule.id) or _with_names(rule.hint),
        ]
    )


def _with_names(text: object) -> str:
    """Return a message with the names of its values in the places of the values."""
    pieces = _VALUE.split(str(text))
    named = (f"*{piece}*" if index % 2 else escape(piece) for index, piece in enumerate(pieces))
    return "".join(named).replace("%%", "%")
