"""The review as auditors take it away: CSV for spreadsheets, JSON for programs, block by block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from django_cors_guard.core.files import write_csv, write_moment
from django_cors_guard.services.reviewing.grants import GrantReview
from django_cors_guard.services.reviewing.listing import GrantList
from django_cors_guard.wording import word_review_limit

#: What a sheet says of each grant, in this order.
COLUMNS: Final = (
    "id",
    "environment",
    "api_group",
    "origin",
    "unicode",
    "status",
    "due",
    "front_end",
    "front_end_name",
    "owner",
    "contact",
    "external",
    "review_by",
    "note",
    "reason",
    "trusted_at",
    "trusted_by",
    "reinstated_at",
    "reinstated_by",
    "age_days",
    "expires_at",
    "revoked_at",
    "revoked_by",
    "revoke_reason",
    "last_used",
    "uses",
    "reviewed_at",
    "reviewed_by",
    "changed_since_review",
    "managed_by",
    "unsure",
)
#: Columns by the permission that they take beside the one to see grants.
BY_PERMISSION: Final[Mapping[str, tuple[str, ...]]] = {
    "view_frontend": ("front_end_name", "owner", "contact", "external", "review_by"),
    "view_originusage": ("last_used", "uses"),
    "view_policychange": ("reason", "reinstated_at", "reinstated_by"),
}

#: Without it spreadsheets read UTF-8 as the letters of their country.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def choose_columns(may: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the columns that somebody may see, who has the permissions (by codename) for which ``may`` is true."""
    hidden = {name for codename, names in BY_PERMISSION.items() if not may(codename) for name in names}
    return tuple(name for name in COLUMNS if name not in hidden)


def as_values(grant: GrantReview, columns: Iterable[str] = COLUMNS) -> dict[str, Any]:
    """Return a grant by column: texts, numbers, moments, lists of codes."""
    values: dict[str, Any] = {
        "due": [code.value for code in grant.due],
        "unsure": [code.value for code in grant.unsure],
        "changed_since_review": grant.is_changed,
    }
    return {name: values[name] if name in values else getattr(grant, name) for name in columns}


def encode_csv(blocks: Iterable[Sequence[GrantReview]], columns: Sequence[str] = COLUMNS) -> Iterator[bytes]:
    """Yield a CSV file with its header. Cells that a spreadsheet would run are guarded."""
    yield _BYTE_ORDER_MARK + write_csv([columns])
    for block in blocks:
        if block:
            yield write_csv([_cell(value) for value in as_values(grant, columns).values()] for grant in block)


def encode_json(
    found: GrantList, blocks: Iterable[Sequence[GrantReview]], columns: Sequence[str] = COLUMNS, **head: Any
) -> Iterator[bytes]:
    """Yield a JSON document: what the list is and cannot tell, whatever else is in ``head``, and a grant a line."""
    opened = json.dumps({**describe_list(found), **head}, default=_plain).removesuffix("}")
    yield f'{opened}, "grants": ['.encode("ascii")
    separator = "\n"
    for block in blocks:
        lines = ",\n".join(json.dumps(as_values(grant, columns), default=_plain) for grant in block)
        if lines:
            yield f"{separator}{lines}".encode("ascii")
            separator = ",\n"
    yield b"\n]}\n"


def describe_list(found: GrantList) -> dict[str, Any]:
    """Return what a list is about, and what it as a whole cannot tell."""
    return {
        "as_of": found.moment,
        "older_than_days": found.due.older_than,
        "limits": [
            {"code": caveat.code.value, "text": word_review_limit(caveat.code, caveat.detail)}
            for caveat in found.list_caveats()
        ],
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return _plain(value) if isinstance(value, date | datetime) else str(value)


def _plain(value: date | datetime) -> str:
    return write_moment(value) if isinstance(value, datetime) else value.isoformat()
