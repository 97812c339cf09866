"""A change in words: which fields differ, from what to what, as a table and in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.admin.display import shown, with_plain_spaces
from django_cors_guard.admin.names import Names
from django_cors_guard.models import PolicyChange, TrustedOrigin
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services import REVERTED
from django_cors_guard.services.history.snapshots import Unreadable, model_of, read_side, read_value, told_fields
from django_cors_guard.wording import word_action

#: Longest value in a table, and in a line.
MAX_VALUE: Final = 255
MAX_SHORT: Final = 40
#: Fields that a table and a line tell of.
MAX_ROWS: Final = 60
MAX_PARTS: Final = 3
#: Longest text of an operator that a page shows.
MAX_TEXT: Final = 2000

#: What stands for nothing.
BLANK: Final = "—"

#: What a line leaves out, since the target, the time or the reason says it beside it.
_SAID_BESIDE: Final = frozenset(
    {
        "environment",
        "api_group",
        "origin",
        "slug",
        "host",
        "path_prefix",
        "created_at",
        "created_by",
        "revoked_at",
        "revoked_by",
        "revoke_reason",
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a row, before and after, in words."""

    name: str
    label: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        return self.before != self.after


def readable(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text of several lines with everything invisible escaped, and cut."""
    whole = with_plain_spaces(text[:limit])
    visible = "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in whole)
    return visible if len(visible) <= limit and len(text) <= limit else f"{visible[: limit - 1]}…"


def list_fields(change: PolicyChange, names: Names) -> list[Difference]:
    """Return every field that ``change`` tells of, those that differ and those that do not."""
    if find_reverted(change) is not None:
        return []
    try:
        before, after = read_side(change, "before"), read_side(change, "after")
    except Unreadable as error:
        return [Difference("", _("What was recorded"), BLANK, shown(error.text, MAX_VALUE) or BLANK)]
    model = model_of(change.target)
    if model is not None and is_bulk(change):
        return list(_tell_bulk(model, before, after, names))
    if not all(side is None or isinstance(side, Mapping) for side in (before, after)):
        return [Difference("", _("What was recorded"), word_value(before), word_value(after))]
    known = dict.fromkeys((*(before or {}), *(after or {})))
    return [_tell(name, model, before or {}, after or {}, names) for name in [*known][:MAX_ROWS]]


def summarise(change: PolicyChange, names: Names) -> str:
    """Return what ``change`` changed, in one short line."""
    if change.action == REVERTED:
        return _word_link(change)
    told = [item for item in list_fields(change, names) if item.differs]
    if not is_bulk(change):
        told = [item for item in told if item.name not in _SAID_BESIDE and not _is_usual(change, item)]
    parts = [text for text in (_word_state(change), *(_shorten(item) for item in told)) if text]
    if len(parts) > MAX_PARTS:
        rest = len(parts) - MAX_PARTS
        parts = [*parts[:MAX_PARTS], ngettext("%(count)d more", "%(count)d more", rest) % {"count": rest}]
    return "; ".join(parts) or BLANK


def is_bulk(change: PolicyChange) -> bool:
    """Whether ``change`` sums up a write of many rows."""
    model = model_of(change.target)
    return model is not None and change.target == model.bulk_target()


def find_reverted(change: PolicyChange) -> int | None:
    """Return the number of the change that ``change`` took back, if it is such an entry and says so."""
    try:
        link = read_side(change, "after") if change.action == REVERTED else None
    except Unreadable:
        return None
    number = link.get("change") if isinstance(link, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63 else None


def word_value(value: Any, field: models.Field[Any, Any] | None = None, names: Names | None = None) -> str:
    """Return one JSON value as a person would write it; what points at another row by that row's name."""
    if value is None or value in ("", []):
        return BLANK
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, timedelta):
        # As the story writes one.
        value = str(value)
    if isinstance(field, models.ForeignKey) and isinstance(value, int | str):
        return (names or Names()).of_key(field.remote_field.model, value)
    if isinstance(field, models.DateTimeField):
        return _word_time(field, value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return shown(", ".join(value), MAX_VALUE)
    return shown(value if isinstance(value, str) else _as_json(value), MAX_VALUE)


def word_moment(at: datetime) -> str:
    """Return a time as the pages show it."""
    try:
        return date_format(timezone.localtime(at) if timezone.is_aware(at) else at, "DATETIME_FORMAT")
    except (OverflowError, ValueError):
        # At the ends of the calendar there is no other zone.
        return at.isoformat()


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return _("(cannot be read)")


def _word_time(field: models.Field[Any, Any], value: Any) -> str:
    try:
        return word_moment(read_value(field, value))
    except Unreadable:
        return shown(value if isinstance(value, str) else _as_json(value), MAX_VALUE)


def _tell(
    name: str, model: type[PolicyModel] | None, before: Mapping[str, Any], after: Mapping[str, Any], names: Names
) -> Difference:
    field = _field_of(model, name)
    old, new = (word_value(side.get(name), field, names) for side in (before, after))
    return Difference(name, _label(field or _list_field_of(model, name), name), old, new)


def _tell_bulk(model: type[PolicyModel], before: Any, after: Any, names: Names) -> Iterator[Difference]:
    sides = [side if isinstance(side, Mapping) else {} for side in (after, before)]
    count, targets, values = (
        next((side[name] for side in sides if name in side), None) for name in ("count", "targets", "values")
    )
    yield Difference("count", _("Number of rows"), BLANK, word_value(count))
    for name, value in [*values.items()][:MAX_ROWS] if isinstance(values, Mapping) else []:
        field = _field_of(model, name)
        yield Difference(name, _label(field, name), _("(various)"), word_value(value, field, names))
    rows = [item for item in targets if isinstance(item, str)] if isinstance(targets, list) else []
    if rows:
        words = ", ".join(shown(names.of_target(row), MAX_VALUE) for row in rows[:MAX_ROWS])
        yield Difference("targets", _("Rows"), BLANK, words)


def _shorten(item: Difference) -> str:
    """A field in a line: from what to what, or the one side that says something."""
    before, after = (shown(text, MAX_SHORT) for text in (item.before, item.after))
    if BLANK in (item.before, item.after):
        return f"{item.label}: {after if item.before == BLANK else before}"
    return f"{item.label}: {before} → {after}"


def _word_state(change: PolicyChange) -> str:
    """What a grant was worth and is worth: the words of the list's status."""
    if model_of(change.target) is not TrustedOrigin:
        return ""
    try:
        before, after = (_state_of(read_side(change, side)) for side in ("before", "after"))
    except Unreadable:
        return ""
    return f"{before} → {after}" if before != after else ""


def _state_of(side: Any) -> str:
    if not isinstance(side, Mapping):
        return BLANK
    return _("revoked") if side.get("revoked_at") else _("trusted")


def _is_usual(change: PolicyChange, item: Difference) -> bool:
    """Whether a row that came or went said no more than rows say by themselves."""
    field = _field_of(model_of(change.target), item.name)
    if field is None or BLANK not in (item.before, item.after):
        return False
    said = item.after if item.before == BLANK else item.before
    return (
        field.has_default()
        and word_value(field.get_default(), field) == said
        and not isinstance(field, models.DateTimeField)
    )


def _word_link(change: PolicyChange) -> str:
    link = read_side(change, "after") if find_reverted(change) is not None else {}
    action, revision = link.get("action"), link.get("revision")
    if not isinstance(action, str) or not isinstance(revision, int):
        return BLANK
    return _("“%(action)s” of revision %(revision)d") % {
        "action": shown(word_action(action), MAX_SHORT),
        "revision": revision,
    }


def _label(field: models.Field[Any, Any] | None, name: str) -> str:
    return capfirst(str(field.verbose_name)) if field is not None else shown(str(name), MAX_SHORT)


def _list_field_of(model: type[PolicyModel] | None, name: str) -> models.Field[Any, Any] | None:
    """Rows of another table that snapshots list by their slugs."""
    fields = model._meta.many_to_many if model is not None else ()
    return next((field for field in fields if field.name == name), None)


def _field_of(model: type[PolicyModel] | None, name: str) -> models.Field[Any, Any] | None:
    fields = told_fields(model) if model is not None else []
    return next((field for field in fields if field.name == name), None)
