"""What changing an environment or the modes of API groups in it brings about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django_cors_guard import conf
from django_cors_guard.core.answers import GroupRules
from django_cors_guard.core.decision import Mode
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services.consequences.codes import (
    Change,
    Consequence,
    ConsequenceCode,
    Weighed,
    list_changes,
    tell_fates,
)
from django_cors_guard.services.consequences.fates import (
    MAX_SAMPLES,
    TOO_LONG,
    Fates,
    Terms,
    compare,
    narrow,
    read_grants,
)
from django_cors_guard.services.consequences.modes import Step, find_steps, list_isolating, list_modes
from django_cors_guard.services.consequences.outlook import Outlook, look_ahead

SWITCHES: Final[Mapping[str, tuple[ConsequenceCode, str]]] = {
    "allow_insecure_http": (ConsequenceCode.INSECURE_HTTP_ON, "needs_insecure_http"),
    "allow_insecure_credentials": (ConsequenceCode.INSECURE_CREDENTIALS_ON, "needs_insecure_credentials"),
    "allow_loopback": (ConsequenceCode.LOOPBACK_ON, "needs_loopback"),
    "allow_subdomain_patterns": (ConsequenceCode.SUBDOMAIN_PATTERNS_ON, "needs_subdomain_patterns"),
    "allow_custom_schemes": (ConsequenceCode.CUSTOM_SCHEMES_ON, "needs_custom_schemes"),
}


def weigh_environment(
    before: Environment | None,
    after: Environment,
    *,
    modes_before: Mapping[str, str],
    modes_after: Mapping[str, str],
    groups: Sequence[ApiGroup],
) -> Weighed:
    """Return what it means to make the stored environment ``before`` (None: a new one) into ``after``.

    The modes are those that API groups have of their own, by slug. At most five queries.
    """
    was = before or Environment(slug=after.slug)
    slugs = [group.slug for group in groups]
    steps = find_steps(
        list_modes(was, dict(modes_before), slugs),
        list_modes(after, dict(modes_after), slugs),
        list_isolating(groups),
    )
    outlook = look_ahead(after.slug, steps) if any(step.is_stricter for step in steps) else None
    changes = [*list_changes(before, after), *_list_mode_changes(modes_before, modes_after)]
    found = [
        *_weigh_modes(steps, outlook, is_new=before is None),
        *_weigh_methods(steps, groups),
        *_weigh_cap(was, after, modes_before, modes_after),
        *_weigh_rules(was, after, groups),
        *(_weigh_protection(was, after) if before is not None else ()),
    ]
    return Weighed(tuple(changes), tuple(found), outlook)


def _weigh_rules(before: Environment, after: Environment, groups: Sequence[ApiGroup]) -> Iterator[Consequence]:
    for switch, (code, _need) in SWITCHES.items():
        if getattr(after, switch) and not getattr(before, switch):
            yield Consequence(code)
    fates = _compare_environment(before, after, groups)
    for switch, (_code, need) in SWITCHES.items():
        if getattr(before, switch) and not getattr(after, switch) and fates.closed_by[need]:
            yield Consequence(ConsequenceCode.SWITCH_OFF, fates.closed_by[need], values={"switch": switch})
    if fates.closed_by[TOO_LONG]:
        days = {"days": after.max_trust_days}
        yield Consequence(ConsequenceCode.TRUST_SHORTENED, fates.closed_by[TOO_LONG], values=days)
    slugs = {group.pk: group.slug for group in groups}
    yield from tell_fates(fates, lambda grant: slugs[grant.api_group])


def _compare_environment(before: Environment, after: Environment, groups: Sequence[ApiGroup]) -> Fates:
    if not (before.pk and groups):
        return Fates()
    terms = {group.pk: (Terms.of(before, group), Terms.of(after, group)) for group in groups}
    # The rules of all groups change alike, but for what credentials ask.
    condition = narrow(*next(iter(terms.values())))
    if condition is None:
        return Fates()
    grants = read_grants(condition, environment=after.pk)
    return compare((grant for grant in grants if grant.api_group in terms), lambda grant: terms[grant.api_group])


def _weigh_protection(before: Environment, after: Environment) -> Iterator[Consequence]:
    if before.protected != after.protected:
        yield Consequence(ConsequenceCode.PROTECTED_ON if after.protected else ConsequenceCode.PROTECTED_OFF)


def _weigh_modes(steps: Sequence[Step], outlook: Outlook | None, *, is_new: bool) -> Iterator[Consequence]:
    for mode in (Mode.BLOCK, Mode.ENFORCE):
        slugs = [step.api_group for step in steps if step.after is mode and step.is_stricter]
        if slugs:
            yield _name_groups(ConsequenceCode.MODE_STRICTER, slugs, mode=mode.value)
    if any(step.after is Mode.BLOCK for step in steps):
        yield Consequence(
            ConsequenceCode.BLOCK_NAVIGATIONS, sum(item.count for item in outlook.callbacks) if outlook else 0
        )
    passive = [step.api_group for step in steps if step.after is Mode.MONITOR]
    # A new environment is best begun so.
    if passive and not is_new:
        yield _name_groups(ConsequenceCode.MODE_PASSIVE, passive, mode=Mode.MONITOR.value)


def _weigh_methods(steps: Sequence[Step], groups: Sequence[ApiGroup]) -> Iterator[Consequence]:
    """Only *block* checks the methods that browsers send without asking, so no log of another mode tells of them."""
    blocking = {step.api_group for step in steps if step.after is Mode.BLOCK}
    missing = [
        f"{group.slug}: {method}" for group in groups if group.slug in blocking for method in _list_unlisted(group)
    ]
    if missing:
        yield Consequence(ConsequenceCode.BLOCK_METHODS, len(missing), tuple(missing[:MAX_SAMPLES]))


def _list_unlisted(group: ApiGroup) -> list[str]:
    listed = group.allow_methods if isinstance(group.allow_methods, list) else []
    rules = GroupRules(group.slug, shown_methods=tuple(listed))
    return [method for method in ("GET", "HEAD", "POST") if not rules.allows_method(method)]


def _weigh_cap(
    before: Environment, after: Environment, modes_before: Mapping[str, str], modes_after: Mapping[str, str]
) -> Iterator[Consequence]:
    limit = conf.current().max_mode
    chosen = {mode for slug, mode in modes_after.items() if modes_before.get(slug) != mode}
    if before.mode != after.mode:
        chosen.add(after.mode)
    for mode in sorted(chosen & set(Mode)):
        if Mode(mode).strictness > limit.strictness:
            yield Consequence(ConsequenceCode.MODE_CAPPED, values={"mode": mode, "limit": limit.value})


def _name_groups(code: ConsequenceCode, slugs: Sequence[str], **values: str) -> Consequence:
    groups = [slug for slug in slugs if slug != OWN_GROUP]
    return Consequence(code, len(groups), tuple(groups[:MAX_SAMPLES]), values)


def _list_mode_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for slug in sorted({*before, *after}):
        if before.get(slug) != after.get(slug):
            yield Change(f"mode of {slug}", before.get(slug), after.get(slug))
