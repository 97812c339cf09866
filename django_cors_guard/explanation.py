"""Why an origin is let through or refused on a path: the decision itself, and what in the database it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from time import time
from typing import Any, Final

from django.db import router

from django_cors_guard import conf
from django_cors_guard.core import headers as fields
from django_cors_guard.core.csrf import SAFE_METHODS, CsrfVerdict, judge_csrf
from django_cors_guard.core.decision import Decision, Headers, Mode, PlainFacts, Reason
from django_cors_guard.core.explain import Difference, Nearest, NullSource
from django_cors_guard.core.isolation import split_metadata
from django_cors_guard.core.origins import parse_origin, pattern_candidates
from django_cors_guard.core.policy import Policy, normalise_host
from django_cors_guard.core.protocol import decide
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import Environment, PolicyState, TrustedOrigin
from django_cors_guard.models.nearby import Nearby, Refused, find_nearby
from django_cors_guard.neighbours import stands_for_csrf
from django_cors_guard.own_paths import own_paths
from django_cors_guard.store import load_about, store

#: Refusals that another spelling, another place or another grant might explain.
NEARBY_REASONS: Final = frozenset(
    {Reason.UNKNOWN_ORIGIN, Reason.REVOKED, Reason.EXPIRED, Reason.SWITCHED_OFF, Reason.MALFORMED_ORIGIN}
)

#: Requests that take no leave of CORS.
_BESIDE_CORS: Final = frozenset({Reason.NO_ORIGIN, Reason.SAME_ORIGIN})

_REFINED: Final = {
    Difference.OTHER_GROUP: str(Reason.OTHER_GROUP),
    Difference.OTHER_ENVIRONMENT: str(Reason.OTHER_ENVIRONMENT),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """The row that decided, or the nearest one, as plain values."""

    id: int
    origin: str
    environment: str
    api_group: str
    status: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str
    revoke_reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets back. ``status`` is 0 where the view runs; ``headers`` are those the guard sets."""

    reason: str
    allowed: bool
    runs_view: bool
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole story of one origin on one path. ``preflight`` is None where browsers would send none.

    Without ``has_origin`` the request has no Origin, and ``origin`` is blank. ``isolation`` is the API group's.
    ``nearest_id`` is the row of ``nearest``. ``csrf`` is what the list says to Django's CSRF check (see
    ``core.csrf``), blank where nothing can be forged: a method that changes nothing, or a group without credentials.
    """

    origin: str
    has_origin: bool
    method: str
    path: str
    host: str
    environment: str
    revision: int
    known_environment: bool
    api_group: str
    mode: str
    isolation: str
    route: str
    route_host: str
    allowed: bool
    reason: str
    request: Answer
    preflight: Answer | None
    grant: Grant | None
    nearest: Nearest | None
    nearest_id: int | None
    null_sources: tuple[str, ...]
    csrf: str

    @property
    def outcome(self) -> str:
        """``allowed``, ``refused`` or ``unguarded``."""
        if self.reason == Reason.UNGUARDED:
            return "unguarded"
        return "allowed" if self.allowed else "refused"

    @property
    def is_watched(self) -> bool:
        """Whether it would be refused, and is only recorded."""
        if self.outcome != "refused":
            return False
        return self.mode == Mode.MONITOR or (self.reason == Reason.CROSS_SITE and self.request.runs_view)

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values."""
        return {"outcome": self.outcome, **asdict(self)}


def explain(
    origin: str | None,
    *,
    path: str,
    method: str = "GET",
    headers: Iterable[str] = (),
    host: str | None = None,
    environment: Environment | str | None = None,
    nearest_in: Collection[str] | None = None,
) -> Explanation:
    """Explain what a page of ``origin`` gets for ``method`` on ``path`` with the request headers ``headers``.

    ``origin`` None is a request without Origin, such as that of an image or a link. Of ``headers`` the names count; of
    Sec-Fetch-Site, -Mode and -Dest, which browsers send by themselves, the values: ``"Sec-Fetch-Site: cross-site"``.
    Without ``environment`` it is the active one. Nothing is recorded. ``nearest_in`` are the environments whose
    grants may be named beside it (None: all). Raises UnknownName for an environment that was named and does not exist.
    """
    row = _find_row(environment)
    slug = row.slug if row is not None else conf.current().environment
    sent = _as_sent(origin or "")
    grants = _read_deciding(sent, slug)
    policy = _policy_of(slug, row, grants)
    metadata, names = split_metadata(headers)
    facts = PlainFacts(
        method=method,
        path=path,
        origin=sent if origin is not None else None,
        host=normalise_host(host or ""),
        same_origin=metadata.is_of_own_page,
        own_path=own_paths().cover(path),
        fetch_site=metadata.site,
        fetch_mode=metadata.mode,
        fetch_dest=metadata.dest,
    )
    decision = decide(facts, policy, time())
    asks_first = origin is not None and _needs_preflight(method, names)
    preflight = _preflight(facts, names, policy) if asks_first else None
    deciding = preflight if preflight is not None and preflight.reason.is_refusal else decision
    refused = [Refused(sent, slug, decision.group)] if deciding.reason in NEARBY_REASONS else []
    near = next(iter(find_nearby(refused, among=nearest_in)), None)
    nearest = near.nearest if near is not None else None
    route = policy.find_route(facts) if not facts.own_path else None
    group = policy.find_group(facts)
    return Explanation(
        origin=sent,
        has_origin=origin is not None,
        method=method,
        path=path,
        host=facts.host,
        environment=slug,
        revision=policy.revision,
        known_environment=policy.known,
        api_group=decision.group,
        # Of a decision that only records it would be ``monitor``, whatever the group's own is.
        mode=str(group.mode) if group is not None else "",
        isolation=str(group.rules.isolate) if group is not None else "",
        route=(route[0] or "/") if route else "",
        route_host=route[2] if route else "",
        # In mode ``monitor`` the guard lets nobody in or out itself: it is what it would do.
        allowed=not deciding.reason.is_refusal
        and (decision.grants_access or decision.mode is Mode.MONITOR or decision.reason in _BESIDE_CORS),
        reason=_refine(deciding.reason, nearest),
        request=_answer(decision, facts.origin),
        preflight=_answer(preflight, sent) if preflight is not None else None,
        grant=_find_deciding(sent, grants, decision.group, near),
        nearest=nearest,
        nearest_id=near.row.pk if near is not None else None,
        null_sources=tuple(str(source) for source in NullSource) if sent == fields.NULL_ORIGIN else (),
        csrf=_ask_about_csrf(facts, policy),
    )


def _ask_about_csrf(facts: PlainFacts, policy: Policy) -> str:
    group = policy.find_group(facts)
    if facts.origin is None or facts.method in SAFE_METHODS or group is None or not group.rules.credentials:
        return ""
    verdict = judge_csrf(facts, policy, time())
    return str(CsrfVerdict.NOT_INSTALLED if verdict is CsrfVerdict.ACCEPTED and not stands_for_csrf() else verdict)


def _refine(reason: Reason, nearest: Nearest | None) -> str:
    """Name the reason as the audit log does: there, too, it is refined by what the request path cannot know."""
    if reason is Reason.UNKNOWN_ORIGIN and nearest is not None and nearest.candidate.status == "active":
        return _REFINED.get(nearest.difference, str(reason))
    return str(reason)


def _find_row(environment: Environment | str | None) -> Environment | None:
    """Return the row of the environment that was named; None where none was."""
    if environment is None or isinstance(environment, Environment):
        return environment
    rows = Environment.objects.using(_alias())
    found = rows.filter(slug=environment).first() if conf.is_slug(environment) else None
    if found is None or found.slug != environment:
        raise UnknownName("environment", environment[:50], tuple(rows.order_by("slug").values_list("slug", flat=True)))
    return found


def _policy_of(slug: str, row: Environment | None, grants: Collection[TrustedOrigin]) -> Policy:
    if slug == conf.current().environment:
        store.nudge()
        policy = store.current()
        if policy is not None:
            return policy
    return load_about(slug, grants, row=row)


def _as_sent(origin: str) -> str:
    """Return the origin as a browser would send it, where the text can be read so; else as it was typed."""
    if origin.strip().lower() == fields.NULL_ORIGIN:
        return fields.NULL_ORIGIN
    parsed = parse_origin(origin).origin
    return parsed.text if parsed is not None else origin


def _needs_preflight(method: str, names: tuple[str, ...]) -> bool:
    return method not in fields.SAFELISTED_METHODS or bool(names)


def _preflight(facts: PlainFacts, names: tuple[str, ...], policy: Policy) -> Decision:
    asked = PlainFacts(
        method="OPTIONS",
        path=facts.path,
        origin=facts.origin,
        requested_method=facts.method,
        requested_headers=",".join(names) if names else None,
        host=facts.host,
        same_origin=facts.same_origin,
        own_path=facts.own_path,
    )
    return decide(asked, policy, time())


def _answer(decision: Decision, origin: str | None) -> Answer:
    return Answer(
        reason=str(decision.reason),
        allowed=not decision.reason.is_refusal,
        runs_view=decision.runs_view,
        status=decision.status,
        headers=decision.response_headers(origin),
    )


def _read_deciding(origin: str, environment: str) -> list[TrustedOrigin]:
    """Return the grants of ``environment`` that may decide about ``origin``, whatever the API group."""
    if not fields.is_origin_shaped(origin):
        return []  # no row can be that, and not every database takes every text
    rows = TrustedOrigin.objects.using(_alias()).filter(origin__in=[origin, *pattern_candidates(origin)])
    return list(rows.filter(environment__slug=environment).select_related("environment", "api_group", "revoked_by"))


def _find_deciding(origin: str, grants: Iterable[TrustedOrigin], group: str, near: Nearby | None) -> Grant | None:
    """Return the exact row, else the most specific pattern's."""
    rows = {row.origin: row for row in grants if row.api_group.slug == group}
    found = next((rows[text] for text in (origin, *pattern_candidates(origin)) if text in rows), None)
    if found is None:
        return None
    is_near = near is not None and near.row.pk == found.pk
    return _grant(found, near.nearest.candidate.by if near is not None and is_near else found.revoked_by_label())


def _grant(row: TrustedOrigin, revoked_by: str) -> Grant:
    return Grant(
        id=row.pk,
        origin=row.origin,
        environment=row.environment.slug,
        api_group=row.api_group.slug,
        status=row.status().value,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_by=revoked_by,
        revoke_reason=row.revoke_reason,
    )


def _alias() -> str:
    return router.db_for_write(PolicyState)
