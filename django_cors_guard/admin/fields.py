"""A form field for lists of methods or header names: people type text, the database holds a JSON list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget

_SEPARATORS: Final = re.compile(r"[\s,;]+")

#: Longer texts are no list of names.
MAX_TEXT: Final = 4000


class TokenListField(forms.CharField):
    """Names separated by commas, spaces or lines. ``tidy`` takes the list and returns it as it is stored."""

    def __init__(self, *, tidy: Callable[[Any], Any], **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", MAX_TEXT)
        super().__init__(widget=AdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false"}), **kwargs)
        self.tidy = tidy

    def prepare_value(self, value: Any) -> Any:
        """Show a list as text; a stored value that is none shows as the JSON it is, to be put right."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return ", ".join(value)
        return json.dumps(value)

    def to_python(self, value: Any) -> str:
        return str(value) if value is not None else ""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return self.tidy([token for token in _SEPARATORS.split(text) if token])

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another spelling of the same list is no change, so that it costs no revision."""
        return bool(self.tidy(_SEPARATORS.split(str(data or ""))) != self.tidy(initial or []))
