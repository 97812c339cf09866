"""What a change of an environment or an API group brings about, before it is made: codes and numbers, no prose.

``wording.word_consequence`` finds the words. Nothing is written here, and nothing is refused: whoever saves weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.consequences.fates import Fates, Grant
from django_cors_guard.services.consequences.outlook import Outlook


class ConsequenceCode(StrEnum):
    """Everything that a change may bring about. ``count`` is how many it concerns, ``samples`` name some of them."""

    # API groups.
    CREDENTIALS_ON = "credentials_on"  # count: grants in force. values: front_ends, patterns
    CREDENTIALS_OFF = "credentials_off"  # count: grants in force
    CSRF_ON = "csrf_on"  # count: grants in force
    CSRF_OFF = "csrf_off"  # count: grants in force
    ISOLATION_ON = "isolation_on"  # count: requests on record that would have been refused
    ISOLATION_UNWATCHED = "isolation_unwatched"  # it enforces, and nothing was recorded before
    ISOLATION_OFF = "isolation_off"
    RESOURCES_KEPT = "resources_kept"  # browsers keep responses from pages of others. values: policy
    INSECURE_CLOSED = "insecure_closed"  # count: grants in force that credentials switch off
    ANY_METHOD_WITH_CREDENTIALS = "any_method_with_credentials"
    ANY_HEADER_WITH_CREDENTIALS = "any_header_with_credentials"
    ANY_ORIGIN_ON = "any_origin_on"  # count and samples: URL patterns
    ANY_ORIGIN_WIDER = "any_origin_wider"  # it is on, and routes are added. count and samples: URL patterns
    ANY_ORIGIN_GRANTS = "any_origin_grants"  # count: grants that make no difference any more
    ANY_ORIGIN_REVOKED = "any_origin_revoked"  # count: revoked origins that are let in
    ANY_ORIGIN_OFF = "any_origin_off"  # count: grants in force
    # Environments.
    INSECURE_HTTP_ON = "insecure_http_on"
    INSECURE_CREDENTIALS_ON = "insecure_credentials_on"
    LOOPBACK_ON = "loopback_on"
    SUBDOMAIN_PATTERNS_ON = "subdomain_patterns_on"
    CUSTOM_SCHEMES_ON = "custom_schemes_on"
    SWITCH_OFF = "switch_off"  # count: grants in force that need it. values: switch
    TRUST_SHORTENED = "trust_shortened"  # count: grants in force that live longer. values: days
    PROTECTED_ON = "protected_on"
    PROTECTED_OFF = "protected_off"
    # Modes. samples: API groups (slugs). values: mode
    MODE_STRICTER = "mode_stricter"
    MODE_PASSIVE = "mode_passive"  # to monitor, where the guard does nothing
    MODE_CAPPED = "mode_capped"  # values: mode, limit
    BLOCK_NAVIGATIONS = "block_navigations"  # count: those on record that would have been stopped
    BLOCK_METHODS = "block_methods"  # samples: methods that browsers send without asking, and the group does not list
    # Both.
    GRANTS_CLOSED = "grants_closed"  # count and samples: grants that are switched off at once
    GRANTS_OPENED = "grants_opened"  # count and samples: grants that are in force again


#: Good to know, and no reason to ask.
_HARMLESS: Final = frozenset({ConsequenceCode.MODE_CAPPED})


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that a change brings about."""

    code: ConsequenceCode
    count: int = 0
    samples: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def more(self) -> int:
        """How many are not named."""
        return max(self.count - len(self.samples), 0) if self.samples else 0


@dataclass(frozen=True, slots=True)
class Change:
    """What changes: the name of a field or of a row below it, and its values before and after."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Weighed:
    """A change and all that it brings about. ``outlook`` is there if an API group becomes stricter."""

    changes: tuple[Change, ...]
    consequences: tuple[Consequence, ...] = ()
    outlook: Outlook | None = None

    @property
    def is_grave(self) -> bool:
        """Whether somebody has to know of it before it is saved."""
        return any(found.code not in _HARMLESS for found in self.consequences)


def list_changes(before: PolicyModel | None, after: PolicyModel) -> list[Change]:
    """Return the fields of the policy that differ."""
    was = before if before is not None else type(after)()
    pairs = [(name, getattr(was, name), getattr(after, name)) for name in sorted(after.policy_fields)]
    return [Change(name, old, new) for name, old, new in pairs if old != new]


def tell_fates(fates: Fates, place_of: Callable[[Grant], str]) -> Iterator[Consequence]:
    """Return how many grants close and open, if any do, and some of them, each with its place."""
    for code, count, samples in (
        (ConsequenceCode.GRANTS_CLOSED, fates.closed, fates.closed_samples),
        (ConsequenceCode.GRANTS_OPENED, fates.opened, fates.opened_samples),
    ):
        if count:
            yield Consequence(code, count, tuple(f"{grant.origin} ({place_of(grant)})" for grant in samples))
