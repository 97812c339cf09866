"""A translation beside the policy that is there already: it only ever adds, and says what it leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from django_cors_guard.core.corsheaders.lines import Line, Translation, Verdict
from django_cors_guard.core.origins import OriginRules, check_rules, parse_canonical
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, FileRoute, PolicyFile
from django_cors_guard.core.problems import show

#: What a group that is there may have otherwise than the settings; of isolation, timing and resources they say nothing.
_RULES = (
    *("any_origin", "allow_credentials", "trusted_for_csrf"),
    *("allow_methods", "allow_headers", "expose_headers", "max_age"),
)


@dataclass(frozen=True, slots=True)
class _Present:
    """What is there of the environment, the API group and the origins that a translation names."""

    environment: FileEnvironment | None
    group: FileGroup | None
    owners: dict[str, str]
    grants: dict[str, FileGrant]


def fit(translation: Translation, existing: PolicyFile) -> Translation:
    """Return ``translation`` without what ``existing`` has, forbids or has decided otherwise; each with a line.

    An environment that is there keeps its mode and switches, an API group its rules, a grant all of its fields. So the
    document changes nothing, and fitted to the policy that it has made it adds nothing. API groups are everywhere, so
    where an environment is stricter a new one gets the mode monitor of its own: nobody is refused because of it.
    """
    environment, group = translation.document.environments[0], translation.document.api_groups[0]
    present = _find(existing, environment.slug, group.slug)
    lines = [line for line in translation.lines if present.environment is None or line.code != "switch"]
    routes = list(_fit_routes(group, present, lines))
    grants = list(_fit_grants(translation, present, lines))
    kept_group = group
    if present.group is not None:
        lines += _compare_groups(present.group, group)
        kept_group = present.group
        routes = sorted({*present.group.routes, *routes})
    if present.environment is not None:
        lines.append(Line("", environment.slug, Verdict.NOTED, "environment_there", present.environment.mode))
    places = {entry.slug: entry for entry in (present.environment or environment, *existing.environments)}
    if present.group is None:
        places = {slug: _let_watch(entry, group.slug, lines) for slug, entry in places.items()}
    else:
        places = {environment.slug: places[environment.slug]}
    document = replace(
        translation.document,
        environments=tuple(places.values()),
        api_groups=(replace(kept_group, routes=tuple(routes)),),
        trusted_origins=tuple(grants),
    )
    return Translation(document, tuple(lines))


def _let_watch(place: FileEnvironment, group: str, lines: list[Line]) -> FileEnvironment:
    """Return ``place`` as one where the new ``group`` only watches."""
    if place.mode == "monitor":
        return place
    lines.append(Line("", place.slug, Verdict.NOTED, "group_watches", group))
    return replace(place, group_modes=tuple(sorted((*place.group_modes, (group, "monitor")))))


def _find(existing: PolicyFile, environment: str, group: str) -> _Present:
    return _Present(
        environment=next((entry for entry in existing.environments if entry.slug == environment), None),
        group=next((entry for entry in existing.api_groups if entry.slug == group), None),
        owners={
            route.path_prefix: entry.slug for entry in existing.api_groups for route in entry.routes if not route.host
        },
        grants={
            grant.origin: grant
            for grant in existing.trusted_origins
            if (grant.environment, grant.api_group) == (environment, group)
        },
    )


def _fit_routes(group: FileGroup, present: _Present, lines: list[Line]) -> Iterator[FileRoute]:
    for route in group.routes:
        owner = present.owners.get(route.path_prefix, group.slug)
        if owner == group.slug:
            yield route
        else:
            lines.append(Line("", route.path_prefix, Verdict.REFUSED, "route_taken", owner))


def _fit_grants(translation: Translation, present: _Present, lines: list[Line]) -> Iterator[FileGrant]:
    credentials = (present.group or translation.document.api_groups[0]).allow_credentials
    for grant in translation.document.trusted_origins:
        known = present.grants.get(grant.origin)
        if known is not None:
            lines += _tell_known(known)
            continue
        code, detail = _judge(grant, present.environment, credentials=credentials)
        if code:
            lines.append(Line("", grant.origin, Verdict.REFUSED, code, detail))
        else:
            yield grant


def _tell_known(known: FileGrant) -> Iterator[Line]:
    if known.revoked_at is not None:
        yield Line("", known.origin, Verdict.REFUSED, "revoked_here", show(known.revoke_reason))
    elif known.expires_at is not None:
        yield Line("", known.origin, Verdict.NOTED, "expires_here", f"{known.expires_at:%Y-%m-%d}")


def _judge(grant: FileGrant, place: FileEnvironment | None, *, credentials: bool) -> tuple[str, str]:
    """Return the code and detail of why an environment that is there keeps ``grant`` out, or blanks."""
    origin = parse_canonical(grant.origin)
    if place is None or origin is None:
        return "", ""
    switches = {item.name: getattr(place, item.name) for item in fields(OriginRules) if item.name != "credentials"}
    problems = check_rules(origin, OriginRules(credentials=credentials, **switches))
    if problems:
        return "switch_off", problems[0].detail
    return ("needs_expiry", str(place.max_trust_days)) if place.max_trust_days is not None else ("", "")


def _compare_groups(present: FileGroup, wanted: FileGroup) -> Iterator[Line]:
    for name in _RULES:
        there, here = getattr(present, name), getattr(wanted, name)
        if _plain(there) != _plain(here):
            yield Line(name, _tell(here), Verdict.REFUSED, "group_there", _tell(there))


def _plain(value: object) -> object:
    return set(value) if isinstance(value, tuple) else value


def _tell(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
