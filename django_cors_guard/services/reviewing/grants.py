"""One grant as an auditor sees it: as of a date, with what is not known of it said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from django_cors_guard.services.reviewing.due import DueReason

#: The status of a grant of which nobody knows what it was worth.
UNKNOWN: Final = "unknown"


class Unsure(StrEnum):
    """What is not known of a grant as of a moment that has gone."""

    EXISTENCE = "existence"  # whether it was there at all
    STATE = "state"  # when it was to end, whether it was revoked: a bulk change or raw SQL came between
    RULES = "rules"  # whether a safety rule switched it off
    REASON = "reason"  # why it was trusted: the story has no entry of that
    NOTE = "note"  # it was rewritten at an unknown time
    FRONT_END = "front_end"  # the same
    MANAGED_BY = "managed_by"  # the same
    FRONT_END_DETAILS = "front_end_details"  # owner, contact, external and day of review are those of today
    USE = "use"  # what is known of its use has been deleted, or was never recorded


@dataclass(frozen=True, slots=True)
class GrantReview:
    """A grant, all of it as of the moment of the list; moments are aware, blank and None: there is none.

    ``status`` is one of ``Status`` or ``unknown``. ``id`` is None where the row is not there any more. ``reason`` is
    that of the change which opened it last, beside the ``note`` of the grant itself. ``uses`` are requests of the
    ``USE_DAYS`` before, None where nothing is known of them. ``is_changed``: renewed or reinstated since its review.
    ``unsure`` says which of all this could not be made out; what it names is blank.
    """

    id: int | None
    environment: str
    api_group: str
    origin: str
    unicode: str
    status: str
    front_end: str = ""
    front_end_name: str = ""
    owner: str = ""
    contact: str = ""
    external: bool | None = None
    review_by: date | None = None
    note: str = ""
    reason: str = ""
    trusted_at: datetime | None = None
    trusted_by: str = ""
    reinstated_at: datetime | None = None
    reinstated_by: str = ""
    age_days: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoke_reason: str = ""
    last_used: datetime | None = None
    uses: int | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str = ""
    is_changed: bool = False
    due: tuple[DueReason, ...] = ()
    managed_by: str = ""
    unsure: tuple[Unsure, ...] = ()
    #: Where it stands in the list, to go on behind it.
    position: str = ""
