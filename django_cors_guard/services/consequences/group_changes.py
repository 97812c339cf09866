"""What changing an API group or its routes brings about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Isolation, ResourcePolicy
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.services.consequences.codes import (
    Change,
    Consequence,
    ConsequenceCode,
    Weighed,
    list_changes,
    tell_fates,
)
from django_cors_guard.services.consequences.counts import count_cross_site
from django_cors_guard.services.consequences.fates import MAX_SAMPLES, Fates, Terms, compare, read_grants
from django_cors_guard.services.places import alias
from django_cors_guard.url_patterns import ListedPattern, Route, list_claimed

#: Resource policies by which browsers keep responses from pages of other sites, or of other origins.
_KEEPING: Final = (ResourcePolicy.SAME_ORIGIN, ResourcePolicy.SAME_SITE)


def weigh_group(
    before: ApiGroup | None, after: ApiGroup, *, routes_before: Sequence[Route], routes_after: Sequence[Route]
) -> Weighed:
    """Return what it means to make the stored group ``before`` (None: a new one) into ``after``.

    The routes are those of all groups. At most five queries.
    """
    was = before or ApiGroup(slug=after.slug)
    changes = [*list_changes(before, after), *_list_route_changes(after.slug, routes_before, routes_after)]
    found = [
        *_weigh_credentials(was, after),
        *_weigh_csrf(was, after),
        *_weigh_openness(was, after, routes_before, routes_after),
        *_weigh_isolation(was, after),
    ]
    return Weighed(tuple(changes), tuple(found))


def _weigh_credentials(before: ApiGroup, after: ApiGroup) -> Iterator[Consequence]:
    credentials = after.allow_credentials
    if credentials != before.allow_credentials:
        environments = {row.pk: row for row in Environment.objects.using(alias())}
        fates = _compare_group(before, after, environments)
        if credentials:
            values = {"front_ends": len(fates.front_ends), "patterns": fates.kept_patterns}
            yield Consequence(ConsequenceCode.CREDENTIALS_ON, fates.kept, values=values)
        elif fates.kept:
            yield Consequence(ConsequenceCode.CREDENTIALS_OFF, fates.kept)
        if fates.closed:
            yield Consequence(ConsequenceCode.INSECURE_CLOSED, fates.closed)
        yield from tell_fates(fates, lambda grant: environments[grant.environment].slug)
    for name, code in (
        ("allow_methods", ConsequenceCode.ANY_METHOD_WITH_CREDENTIALS),
        ("allow_headers", ConsequenceCode.ANY_HEADER_WITH_CREDENTIALS),
    ):
        was_so = before.allow_credentials and _has_any(getattr(before, name))
        if credentials and _has_any(getattr(after, name)) and not was_so:
            yield Consequence(code)


def _weigh_csrf(before: ApiGroup, after: ApiGroup) -> Iterator[Consequence]:
    if after.trusted_for_csrf != before.trusted_for_csrf:
        code = ConsequenceCode.CSRF_ON if after.trusted_for_csrf else ConsequenceCode.CSRF_OFF
        yield Consequence(code, _count_grants(after, is_revoked=False))


def _weigh_isolation(before: ApiGroup, after: ApiGroup) -> Iterator[Consequence]:
    """What other sites may load no longer, or may load again; only what was recorded tells who does."""
    if after.isolate == Isolation.ENFORCE != before.isolate:
        yield Consequence(ConsequenceCode.ISOLATION_ON, count_cross_site(before.slug))
        if before.isolate == Isolation.OFF:
            yield Consequence(ConsequenceCode.ISOLATION_UNWATCHED)
    elif before.isolate == Isolation.ENFORCE != after.isolate:
        yield Consequence(ConsequenceCode.ISOLATION_OFF)
    policy = after.cross_origin_resource_policy
    if policy != before.cross_origin_resource_policy and policy in _KEEPING:
        yield Consequence(ConsequenceCode.RESOURCES_KEPT, values={"policy": policy})


def _has_any(tokens: Any) -> bool:
    """Whether a stored list, which may be anything, holds a “*”."""
    return isinstance(tokens, list) and headers.ANY in tokens


def _compare_group(before: ApiGroup, after: ApiGroup, environments: Mapping[int, Environment]) -> Fates:
    if not after.pk:
        return Fates()
    terms = {pk: (Terms.of(row, before), Terms.of(row, after)) for pk, row in environments.items()}
    grants = (grant for grant in read_grants(api_group=after.pk) if grant.environment in terms)
    return compare(grants, lambda grant: terms[grant.environment])


def _weigh_openness(
    before: ApiGroup, after: ApiGroup, routes_before: Sequence[Route], routes_after: Sequence[Route]
) -> Iterator[Consequence]:
    if not after.any_origin:
        if before.any_origin:
            yield Consequence(ConsequenceCode.ANY_ORIGIN_OFF, _count_grants(after, is_revoked=False))
        return
    patterns = list_claimed(after.slug, routes_after)
    if not before.any_origin:
        yield _name_patterns(ConsequenceCode.ANY_ORIGIN_ON, patterns)
        for code, is_revoked in (
            (ConsequenceCode.ANY_ORIGIN_GRANTS, False),
            (ConsequenceCode.ANY_ORIGIN_REVOKED, True),
        ):
            count = _count_grants(after, is_revoked=is_revoked)
            if count:
                yield Consequence(code, count)
        return
    known = set(list_claimed(after.slug, routes_before))
    added = [pattern for pattern in patterns if pattern not in known]
    if added:
        yield _name_patterns(ConsequenceCode.ANY_ORIGIN_WIDER, added)


def _name_patterns(code: ConsequenceCode, patterns: Sequence[ListedPattern]) -> Consequence:
    return Consequence(code, len(patterns), tuple(pattern.text for pattern in patterns[:MAX_SAMPLES]))


def _count_grants(group: ApiGroup, *, is_revoked: bool) -> int:
    if not group.pk:
        return 0
    rows = TrustedOrigin.objects.using(alias()).filter(api_group=group.pk)
    return int((rows.revoked() if is_revoked else rows.active()).count())


def _list_route_changes(group: str, before: Sequence[Route], after: Sequence[Route]) -> Iterator[Change]:
    was, now = (
        sorted(f"{route.host}{route.prefix}" for route in routes if route.group == group) for routes in (before, after)
    )
    if was != now:
        yield Change("routes", was, now)
