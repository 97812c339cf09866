"""The blast radius of a revocation: what it closes, whose that is, and what it was used for lately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django_cors_guard import conf
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.exceptions import RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.services.places import alias
from django_cors_guard.services.revoking.matches import find_matches, matched_by
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.services.revoking.selection import Selection
from django_cors_guard.services.usage import Usage, Use, read_usage


@dataclass(frozen=True, slots=True)
class Closing:
    """One place that a revocation closes.

    ``grant`` is the row that lets the origin in there: the one that is revoked or, with ``is_covered``, the pattern's,
    which stays. ``use`` is what the place was used for lately, None where nothing was seen; ``a_day`` requests a day.
    """

    place: Place
    grant: TrustedOrigin
    is_covered: bool
    use: Use | None
    a_day: float


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What revoking would close now, and what it would not; ``window`` is what "lately" means.

    ``revoked`` are closed already. ``patterns`` go on trusting others, and ``remaining`` were trusted one by one below
    a pattern; ``open_groups`` let any origin read.
    """

    closings: tuple[Closing, ...]
    window: timedelta
    revoked: tuple[TrustedOrigin, ...]
    patterns: tuple[TrustedOrigin, ...]
    remaining: tuple[TrustedOrigin, ...]
    open_groups: tuple[ApiGroup, ...]

    def environments(self) -> list[Environment]:
        """Return the environments that would change."""
        return [closing.grant.environment for closing in self.closings]

    def longest_preflight(self) -> float:
        """Return for how many seconds browsers may go on acting on preflights that they have cached."""
        longest = max((closing.grant.api_group.max_age for closing in self.closings), default=0)
        return conf.current().refresh_seconds + longest


def survey_revocation(
    origin: str,
    *,
    environments: Iterable[Environment] | None = None,
    api_groups: Iterable[ApiGroup] | None = None,
) -> BlastRadius:
    """Return, without writing anything, what ``revoke_origin`` would close; raises RefusedOrigin for what is none."""
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    places = list(environments if environments is not None else Environment.objects.using(alias()).all())
    groups = list(api_groups if api_groups is not None else ApiGroup.objects.using(alias()).order_by("slug"))
    matches = find_matches(parsed.origin, places, groups)
    usage = read_usage(
        matches.exact, through=[pattern for *_place, pattern in matches.covered], origin=matched_by(parsed.origin)
    )
    covered = (
        _close(usage, pattern, Place(place.slug, group.slug, parsed.origin.text))
        for place, group, pattern in matches.covered
    )
    return BlastRadius(
        closings=(*(_close(usage, grant) for grant in matches.exact), *covered),
        window=usage.window,
        revoked=matches.revoked,
        patterns=matches.patterns,
        remaining=matches.remaining,
        open_groups=tuple(group for group in groups if group.any_origin),
    )


def survey_selection(selection: Selection) -> BlastRadius:
    """Return, without writing anything, what ``revoke_many`` would close of these grants."""
    usage = read_usage(selection.closing)
    return BlastRadius(
        closings=tuple(_close(usage, grant) for grant in selection.closing),
        window=usage.window,
        revoked=selection.revoked,
        patterns=(),
        remaining=(),
        open_groups=tuple({grant.api_group_id: grant.api_group for grant in selection.pointless}.values()),
    )


def _close(usage: Usage, grant: TrustedOrigin, place: Place | None = None) -> Closing:
    """What closing ``grant`` takes away or, with ``place``, closing that place although the pattern ``grant`` stays."""
    return Closing(
        place=place or Place.of(grant),
        grant=grant,
        is_covered=place is not None,
        use=usage.by_grant.get(grant.pk),
        a_day=usage.a_day(grant),
    )
