"""Controls for lists of methods and header names: boxes for those that most APIs need, text for the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms

_SEPARATORS: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """What was entered: the boxes that were ticked, and the text beside them."""

    ticked: tuple[str, ...] = ()
    others: str = ""

    def list_tokens(self) -> list[str]:
        """Return every name, those of the boxes first; a box may hold several, from a form that had no boxes yet."""
        return [token for text in (*self.ticked, self.others) for token in split_tokens(text)]


@dataclass(frozen=True, slots=True)
class Choices:
    """The names that have a box each, with a note or blank, and what ``*`` means here."""

    names: Mapping[str, Any]
    any_label: Any
    any_note: Any
    others_label: Any
    others_hint: str = ""


def split_tokens(text: str) -> list[str]:
    """Return the names in ``text``, which commas, semicolons, spaces and lines separate."""
    return [token for token in _SEPARATORS.split(text) if token]


class TokensWidget(forms.Widget):
    """Boxes and a text. Its value is an ``Entry``; without JavaScript it is all there is."""

    template_name = "admin/cors_guard/widgets/tokens.html"
    # A group of its own says what it is about, so that the page needs no other one around it.
    use_fieldset = False

    def __init__(self, choices: Choices, label: Any, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.choices = choices
        self.label = label

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        entry = value if isinstance(value, Entry) else Entry()
        identity = context["widget"]["attrs"].get("id", f"id_{name}")
        context["widget"] |= {
            "identity": identity,
            "label": self.label,
            "choices": self.choices,
            "boxes": [
                {"value": token, "note": note, "checked": token in entry.ticked, "id": f"{identity}_{number}"}
                for number, (token, note) in enumerate(self.choices.names.items())
            ],
            "has_any": "*" in entry.ticked,
            "others": entry.others,
            "described_by": context["widget"]["attrs"].get("aria-describedby", ""),
            "is_invalid": context["widget"]["attrs"].get("aria-invalid") == "true",
        }
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Entry:
        ticked = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        known = {*self.choices.names, "*"}
        others = [data.get(f"{name}_others") or "", *(text for text in ticked if text not in known)]
        return Entry(tuple(text for text in ticked if text in known), ", ".join(text for text in others if text))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and f"{name}_others" not in data

    def id_for_label(self, id_: str) -> str:
        """No label points here: the group says its own name, and each control has a label."""
        return ""
