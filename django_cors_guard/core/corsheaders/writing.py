"""The way back: one environment of a policy document as settings for django-cors-headers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.corsheaders import values
from django_cors_guard.core.decision import Isolation
from django_cors_guard.core.origins import Origin, OriginKind, OriginRules, check_rules, parse_canonical
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, PolicyFile
from django_cors_guard.core.problems import Problem

#: One or more labels as patterns have them, each with its dot.
_LABELS: Final = r"([a-z0-9_-]{1,63}\.)+"
_ANY_PORT: Final = "(:[0-9]{1,5})?"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings by name, and what they cannot say (``losses``); with a ``problem`` there are none.

    Nothing among the settings lets in an origin that the policy does not, except where a loss says so.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    losses: tuple[Problem, ...] = ()
    problem: Problem | None = None


def write_settings(document: PolicyFile, environment: str, group: str = "", *, now: datetime) -> Settings:
    """Return the settings that mean what ``document`` means in ``environment`` for ``group``.

    Without ``group`` the document's groups have to have the same rules and the same grants, for these settings know one
    policy. ``now`` (aware) tells which grants have expired.
    """
    place = next((entry for entry in document.environments if entry.slug == environment), None)
    if place is None:
        return Settings(problem=Problem("unknown_environment", environment))
    groups = [entry for entry in document.api_groups if group in {"", entry.slug}]
    if not groups:
        return Settings(problem=Problem("unknown_group", group))
    policies = [_Policy(entry, place, document, now) for entry in groups]
    first = policies[0]
    if any(not first.is_like(other) for other in policies[1:]):
        return Settings(problem=Problem("several_groups", ", ".join(entry.slug for entry in groups)))
    losses = _Losses()
    written = dict(_write(first, groups, document, losses))
    return Settings(written, tuple(losses.found))


@dataclass(slots=True)
class _Losses:
    found: list[Problem] = field(default_factory=list)

    def add(self, code: str, value: str = "", detail: str = "") -> None:
        self.found.append(Problem(code, value, detail))


class _Policy:
    """One group's rules and its grants in force in one environment."""

    def __init__(self, group: FileGroup, place: FileEnvironment, document: PolicyFile, now: datetime) -> None:
        self.group = group
        self.grants: dict[Origin, FileGrant] = {}
        self.left_out: list[tuple[str, FileGrant]] = []
        switches = {item.name: getattr(place, item.name) for item in fields(OriginRules) if item.name != "credentials"}
        rules = OriginRules(credentials=group.allow_credentials, **switches)
        for grant in document.trusted_origins:
            if (grant.environment, grant.api_group) == (place.slug, group.slug):
                self._enter(grant, rules, now)

    def _enter(self, grant: FileGrant, rules: OriginRules, now: datetime) -> None:
        origin = parse_canonical(grant.origin)
        if grant.revoked_at is not None:
            self.left_out.append(("revoked", grant))
        elif grant.expires_at is not None and grant.expires_at <= now:
            self.left_out.append(("expired", grant))
        elif origin is None or check_rules(origin, rules):
            self.left_out.append(("switched_off", grant))
        else:
            self.grants[origin] = grant

    def is_like(self, other: _Policy) -> bool:
        """Whether one set of settings can say both."""
        return self._rules() == other._rules() and self.grants.keys() == other.grants.keys()

    def _rules(self) -> tuple[object, ...]:
        group = self.group
        return (
            *(group.any_origin, group.allow_credentials, group.trusted_for_csrf, group.max_age),
            *map(frozenset, (group.allow_methods, group.allow_headers, group.expose_headers)),
        )


def _write(
    policy: _Policy, groups: Sequence[FileGroup], document: PolicyFile, losses: _Losses
) -> Iterator[tuple[str, object]]:
    group = policy.group
    if group.any_origin:
        yield values.ALL_ORIGINS, True
    else:
        yield from _write_origins(policy, losses)
    yield values.CREDENTIALS, group.allow_credentials
    yield values.METHODS, _write_names(group.allow_methods, group, losses, values.METHODS)
    yield values.HEADERS, _write_names(group.allow_headers, group, losses, values.HEADERS)
    yield values.EXPOSED, list(group.expose_headers)
    yield values.MAX_AGE, group.max_age
    if group.max_age == 0:
        losses.add("max_age_zero")
    yield values.URLS, _write_urls(groups, document, losses)
    for code, is_set in (
        ("isolation", group.isolate != Isolation.OFF),
        ("timing", group.timing_allow_origin),
        ("resource_policy", bool(group.cross_origin_resource_policy)),
    ):
        if is_set:
            losses.add(code, group.slug)
    if group.trusted_for_csrf:
        yield values.CSRF, list(_write_csrf(policy, losses))


def _write_names(names: Sequence[str], group: FileGroup, losses: _Losses, setting: str) -> list[str]:
    if headers.ANY in names and group.allow_credentials:
        # Ours answers each name that is asked for. A literal asterisk would be a name that nobody has.
        losses.add("star", setting)
        return [name for name in names if name != headers.ANY]
    return list(names)


def _write_origins(policy: _Policy, losses: _Losses) -> Iterator[tuple[str, object]]:
    ordered = sorted(policy.grants, key=lambda origin: origin.text)
    yield values.ORIGINS, [origin.text for origin in ordered if not origin.is_pattern]
    patterns = [origin for origin in ordered if origin.is_pattern]
    if patterns:
        yield values.REGEXES, [_as_regex(origin) for origin in patterns]
    for origin in ordered:
        expires_at = policy.grants[origin].expires_at
        if expires_at is not None:
            losses.add("expires", origin.text, f"{expires_at:%Y-%m-%d %H:%M %Z}")
    for code, grant in policy.left_out:
        losses.add(code, grant.origin)
        covering = [origin.text for origin in patterns if _covers(origin, grant.origin)]
        if covering:
            losses.add("covered", grant.origin, covering[0])


def _covers(pattern: Origin, text: str) -> bool:
    origin = parse_canonical(text)
    return origin is not None and re.match(_as_regex(pattern), text) is not None


def _as_regex(origin: Origin) -> str:
    """Return an expression for ``re.match`` that matches exactly what the pattern does, but for ports above 65535."""
    host = _escape(origin.host)
    if origin.kind is OriginKind.LOOPBACK_PORTS:
        return rf"^{origin.scheme}://{host}{_ANY_PORT}\Z"
    port = "" if origin.port is None else f":{origin.port}"
    return rf"^{origin.scheme}://{_LABELS}{host}{port}\Z"


def _escape(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_/~-]", r"\\\g<0>", text)


def _write_urls(groups: Sequence[FileGroup], document: PolicyFile, losses: _Losses) -> str:
    """Return an expression for the paths of ``groups`` that leaves out what other groups have below them."""
    chosen = {entry.slug for entry in groups}
    prefixes = sorted({route.path_prefix.rstrip("/") for entry in groups for route in entry.routes})
    for host in sorted({route.host for entry in groups for route in entry.routes if route.host}):
        losses.add("host", host)
    if not prefixes:
        losses.add("no_route")
        return "(?!)"
    others = sorted(
        {
            route.path_prefix
            for entry in document.api_groups
            if entry.slug not in chosen
            for route in entry.routes
            if any(f"{route.path_prefix}/".startswith(f"{prefix}/") for prefix in prefixes)
        }
    )
    except_for = ""
    if others:
        losses.add("other_groups", ", ".join(others))
        except_for = rf"(?!({'|'.join(map(_escape, others))})(/|\Z))"
    if "" in prefixes:
        return f"^{except_for}/.*"
    return rf"^{except_for}({'|'.join(map(_escape, prefixes))})(/.*)?\Z"


def _write_csrf(policy: _Policy, losses: _Losses) -> Iterator[str]:
    for origin in sorted(policy.grants, key=lambda origin: origin.text):
        if origin.kind is OriginKind.LOOPBACK_PORTS:
            losses.add("csrf_ports", origin.text)
            continue
        if origin.kind is OriginKind.SUBDOMAINS:
            losses.add("csrf_domain", origin.text, f"{origin.scheme}://{origin.host}")
        yield origin.text
