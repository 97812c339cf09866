"""Planning changes of access: what each means as things stand, shown before anything is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db.models import Max, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.core.origins import Problem, check_rules, parse_origin
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, OriginUsage, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services.access.cells import read_grants, state_of
from django_cors_guard.services.access.plans import AccessPlan, Change, Kind, Step, Use
from django_cors_guard.services.places import alias, find_api_group, find_environment
from django_cors_guard.services.previews import Wish, preview_wishes
from django_cors_guard.services.revoking.revocation import list_reinstating_problems
from django_cors_guard.services.transfer.grants import label_revokers

#: Changes that are saved at once: while they are written, everybody else who writes has to wait.
MAX_CHANGES: Final = 300
#: How far back requests are counted.
USED_WITHIN: Final = timedelta(days=30)


def plan_access(environment: Environment | str, wanted: Iterable[Change], *, risks: bool = True) -> AccessPlan:
    """Return, without writing anything, what the changes mean as things stand; of two for one cell the last counts.

    Whoever only applies the plan need not look for ``risks``, which takes its time. Raises UnknownName, and
    InvalidRequest for more changes than can be applied at once.
    """
    place = find_environment(environment)
    changes = {(_spell(change.origin), change.api_group): change for change in wanted}
    if len(changes) > MAX_CHANGES:
        raise InvalidRequest(
            _("These are %(count)d changes. At most %(limit)d can be saved at a time: clear some, and go on later.")
            % {"count": len(changes), "limit": MAX_CHANGES}
        )
    groups = _find_groups(change.api_group for change in changes.values())
    grants = read_grants(place, groups.values(), {origin for origin, _group in changes})
    facts = _gather(place, groups, grants, changes, risks=risks)
    steps = tuple(_plan(place, facts, origin, groups[slug], change) for (origin, slug), change in changes.items())
    touched = {step.api_group for step in steps if step.kind is not Kind.KEEP}
    return AccessPlan(place, steps, digest_rules(place, touched))


def digest_rules(environment: Environment, groups: Iterable[ApiGroup]) -> str:
    """Return what tells these rules from others: everything of the environment and the groups that is policy."""
    rows = [environment, *sorted(groups, key=lambda group: group.slug)]
    values = [{name: getattr(row, name) for name in sorted(row.policy_fields)} for row in rows]
    return sha256(json.dumps(values, default=str).encode()).hexdigest()[:32]


_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was looked up for all changes together, by origin and slug of the API group or by the grant's id."""

    grants: Mapping[tuple[str, int], TrustedOrigin]
    risks: Mapping[_Key, tuple[Problem, ...]]
    front_ends: Mapping[str, FrontEnd]
    revokers: Mapping[int, str]
    uses: Mapping[int, Use]


def _gather(
    environment: Environment,
    groups: Mapping[str, ApiGroup],
    grants: Mapping[tuple[str, int], TrustedOrigin],
    changes: Mapping[_Key, Change],
    *,
    risks: bool,
) -> _Facts:
    keys = [key for key, change in changes.items() if change.trusted and risks]
    previews = preview_wishes(Wish(origin, environment, groups[slug]) for origin, slug in keys)
    touched = [grant for origin, slug in changes if (grant := grants.get((origin, groups[slug].pk))) is not None]
    slugs = {change.front_end for change in changes.values() if conf.is_slug(change.front_end)}
    front_ends = FrontEnd.objects.using(alias()).filter(slug__in=slugs) if slugs else ()
    return _Facts(
        grants=grants,
        risks={key: preview.risks for key, preview in zip(keys, previews, strict=True)},
        front_ends={front_end.slug: front_end for front_end in front_ends},
        revokers=label_revokers(touched),
        uses=count_uses(grant.pk for grant in touched if grant.revoked_at is None),
    )


def count_uses(grants: Iterable[int]) -> dict[int, Use]:
    """Return what these grants, given by id, were used for of late; those that were not are left out."""
    ids = list(grants)
    if not ids:
        return {}
    rows = OriginUsage.objects.using(alias()).filter(
        trusted_origin__in=ids, last_seen__gte=timezone.now() - USED_WITHIN
    )
    sums = rows.order_by().values_list("trusted_origin").annotate(Sum("count"), Max("last_seen"))
    return {pk: Use(count, last_seen) for pk, count, last_seen in sums}


def _plan(environment: Environment, facts: _Facts, origin: str, group: ApiGroup, change: Change) -> Step:
    grant = facts.grants.get((origin, group.pk))
    kind = _kind_of(change, grant)
    return Step(
        change=change,
        kind=kind,
        origin=origin,
        api_group=group,
        state=state_of(grant),
        grant=grant,
        front_end=facts.front_ends.get(change.front_end) if kind is Kind.TRUST else None,
        problems=tuple(_list_problems(kind, origin, environment, group)),
        risks=facts.risks.get((origin, group.slug), ()) if kind is not Kind.KEEP else (),
        needs_end=_needs_end(kind, grant),
        revoked_by=facts.revokers.get(grant.pk, "") if grant is not None else "",
        use=facts.uses.get(grant.pk, Use()) if grant is not None else Use(),
    )


def _kind_of(change: Change, grant: TrustedOrigin | None) -> Kind:
    status = grant.status() if grant is not None else None
    if not change.trusted:
        return Kind.KEEP if status in {None, Status.REVOKED} else Kind.REVOKE
    if status is None:
        return Kind.TRUST
    kinds = {Status.ACTIVE: Kind.KEEP, Status.REVOKED: Kind.REINSTATE}
    return kinds.get(status, Kind.RENEW)


def _needs_end(kind: Kind, grant: TrustedOrigin | None) -> bool:
    """Whether the grant gets the end that is chosen for all; one that is reinstated only if its own will not do."""
    if kind is not Kind.REINSTATE or grant is None:
        return kind in {Kind.TRUST, Kind.RENEW}
    has_ended = grant.expires_at is not None and grant.expires_at <= timezone.now()
    return has_ended or any(problem.code == "trusted_too_long" for problem in list_reinstating_problems(grant))


def _list_problems(kind: Kind, origin: str, environment: Environment, group: ApiGroup) -> Iterator[Problem]:
    """What stands against a change; the end, which is chosen for all of them, is another matter."""
    if kind is Kind.KEEP:
        return
    if group.any_origin:
        yield Problem("open_group", group.slug)
    if kind is not Kind.REVOKE:
        parsed = parse_origin(origin)
        yield from parsed.problems
        if parsed.origin is not None:
            yield from check_rules(parsed.origin, rules_for(environment, group))


def _spell(origin: str) -> str:
    """As it is stored, if it is an origin."""
    parsed = parse_origin(origin).origin
    return parsed.text if parsed is not None else origin


def _find_groups(slugs: Iterable[str]) -> dict[str, ApiGroup]:
    wanted = set(slugs)
    rows = ApiGroup.objects.using(alias()).filter(slug__in=filter(conf.is_slug, wanted))
    found = {group.slug: group for group in rows}
    return {slug: found.get(slug) or find_api_group(slug) for slug in wanted}
