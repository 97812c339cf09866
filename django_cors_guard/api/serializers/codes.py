"""The fixed lists of codes that answers choose from, each under one name of the schema."""

from __future__ import annotations

from functools import partial
from typing import Final

from django_cors_guard.api.serializers.fields import CodeField
from django_cors_guard.core.csrf import CsrfVerdict
from django_cors_guard.core.decision import Isolation, Kind, Reason, ResourcePolicy
from django_cors_guard.core.explain import Difference
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import DueReason, ProcessStanding, Unsure
from django_cors_guard.services import Outcome as IssuingOutcome
from django_cors_guard.services.reviewing.listing import STATUSES

ReasonField: Final = partial(CodeField, name="Reason", codes=Reason)
#: Blank where nothing can be forged.
CsrfField: Final = partial(CodeField, name="CsrfVerdict", codes=["", *CsrfVerdict])
#: Blank in overflow rows, and on cards that were never counted.
RefusalField: Final = partial(CodeField, name="Refusal", codes=["", *(code for code in Reason if code.is_refusal)])
KindField: Final = partial(CodeField, name="Kind", codes=["", *Kind])
OutcomeOfGrantField: Final = partial(CodeField, name="IssuingOutcome", codes=IssuingOutcome)
IsolationField: Final = partial(CodeField, name="Isolation", codes=Isolation)
#: Blank where the path belongs to no API group.
AnyIsolationField: Final = partial(CodeField, name="AppliedIsolation", codes=["", *Isolation])
#: Blank where none is sent.
ResourcePolicyField: Final = partial(CodeField, name="ResourcePolicy", codes=["", *ResourcePolicy])
ModeField: Final = partial(CodeField, name="Mode", codes=ModeChoice.values)
#: Blank where none is in force.
AnyModeField: Final = partial(CodeField, name="AppliedMode", codes=["", *ModeChoice.values])
#: Of a moment that has gone it may not be known.
ReviewStatusField: Final = partial(CodeField, name="ReviewStatus", codes=STATUSES)
DueField: Final = partial(CodeField, name="DueReason", codes=DueReason)
UnsureField: Final = partial(CodeField, name="Unsure", codes=Unsure)
StatusField: Final = partial(CodeField, name="GrantStatus", codes=Status.values)
CardStatusField: Final = partial(CodeField, name="CardStatus", codes=CardStatus.values)
SourceField: Final = partial(CodeField, name="Source", codes=Source.values)
DifferenceField: Final = partial(CodeField, name="Difference", codes=Difference)
OutcomeField: Final = partial(CodeField, name="Outcome", codes=["allowed", "refused", "unguarded"])
IntervalField: Final = partial(CodeField, name="Interval", codes=["minute", "hour", "day"])
ProcessStandingField: Final = partial(CodeField, name="ProcessStanding", codes=ProcessStanding)
