"""The fixed lists of codes that answers choose from, each under one name of the schema."""

from __future__ import annotations

from functools import partial
from typing import Final

from django_cors_guard.api.serializers.fields import CodeField
from django_cors_guard.core.decision import Kind, Reason
from django_cors_guard.core.explain import Difference
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status

ReasonField: Final = partial(CodeField, name="Reason", codes=Reason)
#: Blank in overflow rows, and on cards that were never counted.
RefusalField: Final = partial(CodeField, name="Refusal", codes=["", *(code for code in Reason if code.is_refusal)])
KindField: Final = partial(CodeField, name="Kind", codes=["", *Kind])
ModeField: Final = partial(CodeField, name="Mode", codes=ModeChoice.values)
#: Blank where none is in force.
AnyModeField: Final = partial(CodeField, name="AppliedMode", codes=["", *ModeChoice.values])
StatusField: Final = partial(CodeField, name="GrantStatus", codes=Status.values)
CardStatusField: Final = partial(CodeField, name="CardStatus", codes=CardStatus.values)
SourceField: Final = partial(CodeField, name="Source", codes=Source.values)
DifferenceField: Final = partial(CodeField, name="Difference", codes=Difference)
OutcomeField: Final = partial(CodeField, name="Outcome", codes=["allowed", "refused", "unguarded"])
IntervalField: Final = partial(CodeField, name="Interval", codes=["minute", "hour", "day"])
