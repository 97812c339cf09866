"""Trust, revoke, reinstate: the only writers of grants. Each is one transaction and one revision, or none at all.

Environments, API groups and front ends are given as objects or slugs. ``actor=None`` is the system; with an actor,
protected environments ask for ``change_protected_environment``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import OperationalError, connections, router
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.core.origins import (
    Mend,
    Origin,
    OriginKind,
    Problem,
    check_rules,
    parse_canonical,
    parse_origin,
    pattern_candidates,
)
from django_cors_guard.core.risks import find_risks
from django_cors_guard.exceptions import (
    CorsGuardError,
    InvalidRequest,
    ProtectedEnvironment,
    RefusedOrigin,
    RevokedOrigin,
    UnknownName,
)
from django_cors_guard.explanation import Explanation, explain
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.models.rejection import MAX_STORED, CardStatus, card_key
from django_cors_guard.models.trusted_origin import REINSTATED, REVOKED, Status, rules_for

PROTECTED_PERMISSION: Final = "cors_guard.change_protected_environment"
TRUSTED: Final = "trusted"
RENEWED: Final = "renewed"

DEADLOCK_TRIES: Final = 3
#: Trusted origins that a new one is compared with for look-alikes.
LOOK_ALIKE_SAMPLE: Final = 2000
#: Grants below a revoked pattern that a receipt lists.
MAX_REMAINING: Final = 100

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Named = TypeVar("_Named", Environment, ApiGroup, FrontEnd)


@dataclass(frozen=True, slots=True)
class Place:
    """One grant by its names."""

    environment: str
    api_group: str
    origin: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``revoke_origin`` did, and what it could not do.

    ``closed`` are the grants that were revoked; ``refused`` those of them that are new rows, left because only a
    pattern had matched. ``patterns`` still trust other origins, and where a pattern was revoked, ``remaining`` are
    grants of their own below it. ``open_groups`` let any origin read. Until
    ``preflights_until`` browsers may act on answers they have cached. Processes follow within ``refresh_seconds``.
    Sessions, tokens and clients that send no Origin are not affected by any of this.
    """

    origin: str
    revision: int
    at: datetime
    closed: tuple[Place, ...]
    refused: tuple[Place, ...]
    already_revoked: tuple[Place, ...]
    patterns: tuple[Place, ...]
    remaining: tuple[Place, ...]
    open_groups: tuple[str, ...]
    preflights_until: datetime
    refresh_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as plain values, times in ISO 8601."""
        found = asdict(self)
        return found | {"at": self.at.isoformat(), "preflights_until": self.preflights_until.isoformat()}


@dataclass(frozen=True, slots=True)
class Preview:
    """What trusting one origin in one place would mean; ``existing`` is the status of a grant that is there."""

    given: str
    environment: str
    api_group: str
    origin: str
    problems: tuple[Problem, ...]
    mended: tuple[Mend, ...]
    risks: tuple[Problem, ...]
    existing: str = ""


def retry_deadlocks(service: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run ``service`` again when the database chose it as a deadlock's victim, if the transaction is its own."""

    @wraps(service)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        tries = 1 if connections[_alias()].in_atomic_block else DEADLOCK_TRIES
        for left in reversed(range(tries)):
            try:
                return service(*args, **kwargs)
            except OperationalError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    return run


@retry_deadlocks
def trust(
    origin: str,
    *,
    environment: Environment | str,
    api_group: ApiGroup | str,
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> TrustedOrigin:
    """Let ``origin`` call ``api_group`` in ``environment`` and return the grant.

    Raises RefusedOrigin (every problem at once), RevokedOrigin if it was revoked there, UnknownName, InvalidRequest
    and ProtectedEnvironment. On an active or expired grant nothing changes but what is passed.
    """
    place, group = find_environment(environment), find_api_group(api_group)
    owner = find_front_end(front_end) if front_end is not None else None
    check_protected(actor, [place])
    parsed = _require_origin(origin, place, group, expires_at)
    note = _tidy(note)
    existing = None if _reads_may_be_stale() else _find_grant(parsed, place, group)
    if existing is not None:
        return _renew(existing, actor, note=note, expires_at=expires_at, front_end=owner)
    with policy_write(actor=actor, action=TRUSTED, using=_alias()):
        # Looked up again under the lock: somebody may have been faster.
        existing = _find_grant(parsed, place, group, lock=True)
        if existing is not None:
            return _renew(existing, actor, note=note, expires_at=expires_at, front_end=owner)
        grant = TrustedOrigin(
            environment=place,
            api_group=group,
            origin=parsed.text,
            front_end=owner,
            note=note,
            expires_at=expires_at,
            created_by_id=actor.pk if actor is not None else None,
        )
        grant.save(using=_alias())
        _mark_card(grant, CardStatus.TRUSTED, actor)
        return grant


def check_card_origin(origin: str) -> None:
    """Raise RefusedOrigin or InvalidRequest if ``origin``, as some request sent it, cannot be trusted from its card.

    Whoever can send a request chooses what a card says, so only an exact origin, spelt as browsers send it, will do.
    """
    if len(origin) >= MAX_STORED:
        message = _("It was cut to %(limit)d characters, so it is not what was sent.")
        raise InvalidRequest(message % {"limit": MAX_STORED})
    parsed = parse_origin(origin)
    if parsed.origin is None:
        # No suggestion here: what a stranger sent is either an origin or it is not.
        raise RefusedOrigin(origin, tuple(problem._replace(detail="") for problem in parsed.problems))
    if parse_canonical(origin) is None:
        raise RefusedOrigin(origin, (Problem("not_canonical", origin),))
    if parsed.origin.is_pattern:
        raise InvalidRequest(
            _("It is a pattern. Browsers send none: somebody made it up, to be let in with more than one origin.")
        )


def trust_card(
    card: RejectedOrigin,
    *,
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> TrustedOrigin:
    """Trust the origin of ``card`` where it was refused, as ``trust`` would; raises what ``check_card_origin`` does."""
    check_card_origin(card.origin)
    grant = trust(
        card.origin,
        environment=card.environment,
        api_group=card.api_group,
        actor=actor,
        note=note,
        expires_at=expires_at,
        front_end=front_end,
    )
    # Where the grant stood already, say because only a method was refused, nothing else had marked the card.
    _mark_card(grant, CardStatus.TRUSTED, actor)
    return grant


def ignore(card: RejectedOrigin, *, actor: AbstractBaseUser | None = None) -> RejectedOrigin:
    """Set ``card`` aside and return it; it goes on counting. What is ignored already stays as it is.

    It is no change of the policy and takes no revision. Raises InvalidRequest for a card that is trusted.
    """
    rows = RejectedOrigin.objects.using(_alias()).filter(pk=card.pk)
    rows.filter(status=CardStatus.NEW).update(status=CardStatus.IGNORED, **_sign(actor))
    card.refresh_from_db(using=_alias())
    if card.status == CardStatus.TRUSTED:
        raise InvalidRequest(_("This origin is trusted here. Revoke it if it should not be."))
    return card


def preview_trust(
    origins: Iterable[str],
    *,
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    expires_at: datetime | None = None,
) -> list[Preview]:
    """Return, without writing anything, what trusting every origin in every place would mean."""
    places = [find_environment(item) for item in environments]
    groups = [find_api_group(item) for item in api_groups]
    lines = [origin for origin in origins if origin.strip()]
    samples = {place.pk: _sample_trusted(place) for place in places}
    return [
        _preview(line, place, group, expires_at, samples[place.pk])
        for line in lines
        for place in places
        for group in groups
    ]


@retry_deadlocks
def trust_many(
    origins: Iterable[str],
    *,
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> list[TrustedOrigin]:
    """Trust every origin in every place, all or none, in one revision; ``preview_trust`` shows refusals."""
    lines = [origin for origin in origins if origin.strip()]
    places = [find_environment(item) for item in environments]
    groups = [find_api_group(item) for item in api_groups]
    if not (lines and places and groups):
        raise InvalidRequest(_("Name at least one origin, one environment and one API group."))
    check_protected(actor, places)
    previews = preview_trust(lines, environments=places, api_groups=groups, expires_at=expires_at)
    problems = tuple(problem for preview in previews for problem in preview.problems)
    if problems:
        raise RefusedOrigin(", ".join(lines)[:255], tuple(dict.fromkeys(problems)))

    def trust_all() -> list[TrustedOrigin]:
        # In the order in which the audit log locks their cards, so that neither stands in the other's way.
        trusted = {
            preview: trust(
                preview.given,
                environment=preview.environment,
                api_group=preview.api_group,
                actor=actor,
                note=note,
                expires_at=expires_at,
                front_end=front_end,
            )
            for preview in sorted(previews, key=_card_key_of)
        }
        return [trusted[preview] for preview in previews]

    if expires_at is None and all(preview.existing for preview in previews):
        return trust_all()
    with policy_write(actor=actor, action=TRUSTED, using=_alias()):
        return trust_all()


def _card_key_of(preview: Preview) -> str:
    return card_key(preview.environment, preview.api_group, preview.origin)


@retry_deadlocks
def revoke(trusted_origin: TrustedOrigin, *, actor: AbstractBaseUser | None = None, reason: str = "") -> TrustedOrigin:
    """Close one grant and return it; one that is revoked already stays as it is."""
    reason = _tidy(reason)
    rows = TrustedOrigin.objects.using(_alias()).select_related("environment", "api_group")
    grant = rows.get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.api_group.any_origin:
        raise InvalidRequest(
            _(
                "The API group “%(group)s” is open to any origin, so revoking would do nothing. "
                "Switch “any origin” off first."
            )
            % {"group": grant.api_group.slug}
        )
    if grant.revoked_at is None or _reads_may_be_stale():
        with policy_write(actor=actor, reason=reason, action=REVOKED, using=_alias()):
            _close(_locked(grant.pk), actor, reason)
    trusted_origin.refresh_from_db()
    return trusted_origin


@retry_deadlocks
def revoke_origin(
    origin: str,
    *,
    environments: Iterable[Environment | str] | None = None,
    api_groups: Iterable[ApiGroup | str] | None = None,
    actor: AbstractBaseUser | None = None,
    reason: str,
) -> Receipt:
    """Close every grant of ``origin`` in the named places (None: all) in one transaction, and return the receipt.

    Where only a pattern had let the origin in, a revoked row is left that decides before the pattern.
    """
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    reason = _tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why: a revocation without a reason helps nobody later."))
    places = _chosen(environments, find_environment, Environment)
    groups = _chosen(api_groups, find_api_group, ApiGroup)
    if api_groups is not None and any(group.any_origin for group in groups):
        names = ", ".join(group.slug for group in groups if group.any_origin)
        raise InvalidRequest(
            _("Open to any origin: %(groups)s. Revoking would do nothing there; switch “any origin” off first.")
            % {"groups": names}
        )
    matches = _match(parsed.origin, places, groups)
    if not (matches.exact or matches.covered or _reads_may_be_stale()):
        return _receipt(parsed.origin, matches, groups, PolicyState.read(_alias()).revision)
    check_protected(actor, matches.environments(places))
    with policy_write(actor=actor, reason=reason, action=REVOKED, using=_alias()) as write:
        # Matched again under the lock: what was trusted in between is closed, too.
        matches = _match(parsed.origin, places, groups, lock=True)
        check_protected(actor, matches.environments(places))
        for grant in matches.exact:
            _close(_locked(grant.pk), actor, reason)
        for place, group, _pattern in matches.covered:
            _leave_revoked(parsed.origin, place, group, actor, reason)
        return _receipt(parsed.origin, matches, groups, write.revision)


def preview_revocation(
    origin: str,
    *,
    environments: Iterable[Environment | str] | None = None,
    api_groups: Iterable[ApiGroup | str] | None = None,
) -> Receipt:
    """Return, without writing anything, the receipt that ``revoke_origin`` would give now."""
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    places = _chosen(environments, find_environment, Environment)
    groups = _chosen(api_groups, find_api_group, ApiGroup)
    revision = PolicyState.read(_alias()).revision
    return _receipt(parsed.origin, _match(parsed.origin, places, groups), groups, revision)


def check_expiry(trusted_origin: TrustedOrigin, expires_at: datetime | None) -> tuple[Problem, ...]:
    """Return what stands against ``expires_at`` as the new end of a grant (None: no end), all of it."""
    environment, group = trusted_origin.environment, trusted_origin.api_group
    parsed = parse_origin(trusted_origin.origin)
    problems = list(parsed.problems)
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules_for(environment, group))
    problems += _word_expiry(parsed.origin, environment, group, expires_at, renewed=expires_at is not None)
    return tuple(problems)


@retry_deadlocks
def amend(
    trusted_origin: TrustedOrigin,
    *,
    actor: AbstractBaseUser | None = None,
    note: str,
    front_end: FrontEnd | str | None,
    expires_at: datetime | None,
) -> TrustedOrigin:
    """Rewrite what a grant says of itself, and when it ends; unlike in ``trust``, blank and None empty a field.

    A revoked grant stays revoked. Raises RefusedOrigin for an end that its environment does not allow, UnknownName
    and ProtectedEnvironment. Only another end is a change of the policy.
    """
    owner = find_front_end(front_end) if front_end is not None else None
    grant = TrustedOrigin.objects.using(_alias()).select_related("environment", "api_group").get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.expires_at == expires_at:
        _describe(grant, note, owner)
    else:
        problems = check_expiry(grant, expires_at)
        if problems:
            raise RefusedOrigin(grant.origin, problems)
        with policy_write(actor=actor, action=RENEWED, using=_alias()):
            _move_end(grant.pk, expires_at, actor)
            _describe(grant, note, owner)
    trusted_origin.refresh_from_db()
    return trusted_origin


def _move_end(pk: int, expires_at: datetime | None, actor: AbstractBaseUser | None) -> None:
    grant = _locked(pk)
    grant.expires_at = expires_at
    grant.save(using=_alias(), update_fields=["expires_at"])
    if grant.revoked_at is None:
        _mark_card(grant, CardStatus.TRUSTED, actor)


def _describe(grant: TrustedOrigin, note: str, front_end: FrontEnd | None) -> None:
    grant.note, grant.front_end = note, front_end
    grant.save(using=_alias(), update_fields=["note", "front_end"])


@retry_deadlocks
def reinstate(
    trusted_origin: TrustedOrigin, *, actor: AbstractBaseUser | None = None, reason: str = ""
) -> TrustedOrigin:
    """Undo a revocation, for a reason that is kept; the safety rules that hold now apply."""
    reason = _tidy(reason)
    if not reason.strip():
        raise InvalidRequest(_("Say why this origin may be trusted again."))
    grant = TrustedOrigin.objects.using(_alias()).select_related("environment", "api_group").get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.revoked_at is not None:
        _require_origin(grant.origin, grant.environment, grant.api_group, grant.expires_at, renewed=False)
        with policy_write(actor=actor, reason=reason, action=REINSTATED, using=_alias()):
            grant = _locked(grant.pk)
            grant.revoked_at, grant.revoked_by, grant.revoke_reason = None, None, ""
            grant.save(using=_alias())
            TrustedOrigin.objects.using(_alias()).filter(pk=grant.pk).update(revoked_by=None, revoke_reason="")
            _mark_card(grant, CardStatus.TRUSTED, actor)
    trusted_origin.refresh_from_db()
    return trusted_origin


def find_environment(given: Environment | str) -> Environment:
    """Return the environment; raises UnknownName with those that exist."""
    return _find(Environment, given, _("environment"))


def find_api_group(given: ApiGroup | str) -> ApiGroup:
    """Return the API group; raises UnknownName with those that exist."""
    return _find(ApiGroup, given, _("API group"))


def find_front_end(given: FrontEnd | str) -> FrontEnd:
    """Return the front end; raises UnknownName with those that exist."""
    return _find(FrontEnd, given, _("front end"))


def check_protected(actor: AbstractBaseUser | None, environments: Iterable[Environment]) -> None:
    """Raise ProtectedEnvironment if ``actor`` may not change one of ``environments``."""
    if actor is None or _may_change_protected(actor):
        return
    protected = tuple(sorted({environment.slug for environment in environments if environment.protected}))
    if protected:
        raise ProtectedEnvironment(protected)


def check_shared(actor: AbstractBaseUser | None) -> None:
    """Raise ProtectedEnvironment if ``actor`` may not change what all environments share: groups, routes, modes."""
    check_protected(actor, Environment.objects.using(_alias()).filter(protected=True))


def _may_change_protected(actor: AbstractBaseUser) -> bool:
    has_perm = getattr(actor, "has_perm", None)
    return bool(has_perm is not None and has_perm(PROTECTED_PERMISSION))


def _alias() -> str:
    return router.db_for_write(PolicyState)


def _reads_may_be_stale() -> bool:
    """Whether plain reads show an older state than the latest commit: MySQL's repeatable read, inside a transaction."""
    connection = connections[_alias()]
    return connection.in_atomic_block and getattr(connection, "isolation_level", None) == "repeatable read"


def _tidy(text: str) -> str:
    """Without NUL, which not every database takes."""
    return text.replace("\0", "")


def _find(model: type[_Named], given: _Named | str, noun: str) -> _Named:
    """Return the row as it stands now, also for an object, which may be older than its row."""
    rows = model._base_manager.using(_alias())
    if not isinstance(given, str):
        found, named = rows.filter(pk=given.pk).first(), given.slug
    else:
        # What is no slug is not even asked for: not every database takes every text.
        found, named = rows.filter(slug=given).first() if conf.is_slug(given) else None, given
    if found is None or (isinstance(given, str) and found.slug != given):
        raise UnknownName(noun, named[:50], tuple(rows.order_by("slug").values_list("slug", flat=True)[:20]))
    return found


def _chosen(given: Iterable[Any] | None, find: Callable[[Any], _Named], model: type[_Named]) -> list[_Named]:
    if given is None:
        return list(model._base_manager.using(_alias()).order_by("slug"))
    return [find(item) for item in given]


def _require_origin(
    text: str, environment: Environment, group: ApiGroup, expires_at: datetime | None, *, renewed: bool = True
) -> Origin:
    parsed = parse_origin(text)
    problems = list(parsed.problems)
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules_for(environment, group))
    problems += _check_expiry(parsed.origin, environment, group, expires_at, renewed=renewed)
    if problems or parsed.origin is None:
        raise RefusedOrigin(text[:255], tuple(problems))
    return parsed.origin


def _check_expiry(
    origin: Origin | None, environment: Environment, group: ApiGroup, expires_at: datetime | None, *, renewed: bool
) -> list[Problem]:
    """A grant's end lies ahead, and within what the environment allows."""
    if expires_at is not None and settings.USE_TZ and timezone.is_naive(expires_at):
        raise InvalidRequest(_("Give the expiry with its time zone."))
    if renewed and expires_at is not None and expires_at <= timezone.now():
        raise InvalidRequest(_("The expiry lies in the past. To end a grant, revoke it."))
    if not environment.max_trust_days or origin is None:
        return []
    if renewed and expires_at is None and _find_grant(origin, environment, group) is not None:
        return []
    latest = timezone.now() + timedelta(days=environment.max_trust_days)
    if expires_at is None or expires_at > latest:
        return [Problem("trusted_too_long", origin.text, f"{environment.max_trust_days}")]
    return []


def _word_expiry(
    origin: Origin | None, environment: Environment, group: ApiGroup, expires_at: datetime | None, *, renewed: bool
) -> list[Problem]:
    """As ``_check_expiry``, for those who want every problem at once."""
    try:
        return _check_expiry(origin, environment, group, expires_at, renewed=renewed)
    except CorsGuardError as error:
        return [Problem("invalid_expiry", str(error))]


def _find_grant(
    origin: Origin, environment: Environment, group: ApiGroup, *, lock: bool = False
) -> TrustedOrigin | None:
    rows = TrustedOrigin.objects.using(_alias()).filter(environment=environment, api_group=group, origin=origin.text)
    # A locking read also sees past the snapshot of a transaction that began before the last commit.
    grant: TrustedOrigin | None = (rows.select_for_update() if lock else rows).first()
    if grant is not None and grant.revoked_at is not None:
        raise RevokedOrigin(grant.origin, by=grant.revoked_by_label(), at=grant.revoked_at, reason=grant.revoke_reason)
    return grant


def _renew(
    grant: TrustedOrigin,
    actor: AbstractBaseUser | None,
    *,
    note: str,
    expires_at: datetime | None,
    front_end: FrontEnd | None,
) -> TrustedOrigin:
    """Take over what was passed; only another expiry is a change of the policy."""
    wanted = {"note": note or grant.note, "front_end_id": front_end.pk if front_end else grant.front_end_id}
    if any(getattr(grant, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(grant, name, value)
        grant.save(using=_alias(), update_fields=["note", "front_end"])
    if expires_at is not None and grant.expires_at != expires_at:
        grant.expires_at = expires_at
        with policy_write(actor=actor, action=RENEWED, using=_alias()):
            grant.save(using=_alias(), update_fields=["expires_at"])
            _mark_card(grant, CardStatus.TRUSTED, actor)
    return grant


def _mark_card(grant: TrustedOrigin, status: CardStatus, actor: AbstractBaseUser | None) -> None:
    """Set the status of the grant's card, if there is one; whoever set the same one before keeps the credit."""
    key = card_key(grant.environment.slug, grant.api_group.slug, grant.origin)
    cards = RejectedOrigin.objects.using(_alias()).filter(key=key).exclude(status=status)
    cards.update(status=status, **_sign(actor))


def _sign(actor: AbstractBaseUser | None) -> dict[str, Any]:
    return {"status_by": actor.pk if actor is not None else None, "status_at": timezone.now()}


def _locked(pk: int) -> TrustedOrigin:
    grant: TrustedOrigin = TrustedOrigin.objects.using(_alias()).select_for_update().get(pk=pk)
    return grant


def _close(grant: TrustedOrigin, actor: AbstractBaseUser | None, reason: str) -> None:
    if grant.revoked_at is not None:
        return
    grant.revoked_at = timezone.now()
    grant.revoked_by_id = actor.pk if actor is not None else None
    grant.revoke_reason = reason
    grant.save(using=_alias(), update_fields=["revoked_at", "revoked_by", "revoke_reason"])


def _leave_revoked(
    origin: Origin, environment: Environment, group: ApiGroup, actor: AbstractBaseUser | None, reason: str
) -> None:
    TrustedOrigin(
        environment=environment,
        api_group=group,
        origin=origin.text,
        created_by_id=actor.pk if actor is not None else None,
        revoked_at=timezone.now(),
        revoked_by_id=actor.pk if actor is not None else None,
        revoke_reason=reason,
    ).save(using=_alias())


@dataclass(frozen=True, slots=True)
class _Matches:
    """The grants that a revocation meets: rows of the origin itself, and places where only a pattern lets it in."""

    exact: tuple[TrustedOrigin, ...]
    revoked: tuple[TrustedOrigin, ...]
    covered: tuple[tuple[Environment, ApiGroup, TrustedOrigin], ...]
    patterns: tuple[TrustedOrigin, ...]
    remaining: tuple[TrustedOrigin, ...]

    def environments(self, chosen: Iterable[Environment]) -> list[Environment]:
        ids = {grant.environment_id for grant in self.exact} | {place.pk for place, _group, _grant in self.covered}
        return [environment for environment in chosen if environment.pk in ids]


def _match(origin: Origin, environments: list[Environment], groups: list[ApiGroup], *, lock: bool = False) -> _Matches:
    places = TrustedOrigin.objects.using(_alias()).filter(environment__in=environments, api_group__in=groups)
    places = places.select_related("environment", "api_group")
    wanted = places.filter(origin__in=[origin.text, *_list_patterns_above(origin)])
    rows = list((_lock(wanted) if lock else wanted).order_by("environment__slug", "api_group__slug", "origin"))
    own = [row for row in rows if row.origin == origin.text]
    decided = {(row.environment_id, row.api_group_id) for row in own}
    # Also those that are switched off or have expired: they may be in force again tomorrow.
    patterns = [row for row in rows if row.origin != origin.text and row.revoked_at is None]
    covered = {
        (row.environment_id, row.api_group_id): (row.environment, row.api_group, row)
        for row in patterns
        if (row.environment_id, row.api_group_id) not in decided
    }
    return _Matches(
        exact=tuple(row for row in own if row.revoked_at is None),
        revoked=tuple(row for row in own if row.revoked_at is not None),
        covered=tuple(covered.values()),
        patterns=tuple(patterns),
        remaining=tuple(_find_below(origin, places)) if origin.is_pattern else (),
    )


def _lock(rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Lock the grants alone where the database can; a locking read also sees past an older snapshot."""
    only = ("self",) if connections[_alias()].features.has_select_for_update_of else ()
    return rows.select_for_update(of=only)


def _list_patterns_above(origin: Origin) -> list[str]:
    """The patterns that let ``origin`` in, or, for a pattern, all that it matches."""
    if origin.kind is OriginKind.LOOPBACK_PORTS:
        return []
    return list(pattern_candidates(origin.text.replace("://*.", "://", 1)))


def _find_below(pattern: Origin, places: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Grants of their own that a revoked pattern leaves in force: they were trusted one by one."""
    if pattern.kind is OriginKind.LOOPBACK_PORTS:
        plain = pattern.text.removesuffix(":*")
        below = Q(origin=plain) | Q(origin__startswith=f"{plain}:")
    else:
        scheme, _separator, rest = pattern.text.partition("://*")
        below = Q(origin__startswith=f"{scheme}://", origin__endswith=rest)
    return places.filter(below, revoked_at=None).exclude(origin=pattern.text).order_by("origin")[:MAX_REMAINING]


def _place(grant: TrustedOrigin) -> Place:
    return Place(grant.environment.slug, grant.api_group.slug, grant.origin)


def _receipt(origin: Origin, matches: _Matches, groups: list[ApiGroup], revision: int) -> Receipt:
    at = timezone.now()
    left = tuple(Place(place.slug, group.slug, origin.text) for place, group, _grant in matches.covered)
    touched = {grant.api_group_id for grant in (*matches.exact, *matches.revoked)}
    touched |= {group.pk for _place, group, _grant in matches.covered}
    longest = max((group.max_age for group in groups if group.pk in touched), default=0)
    refresh = conf.current().refresh_seconds
    return Receipt(
        origin=origin.text,
        revision=revision,
        at=at,
        closed=(*(_place(grant) for grant in matches.exact), *left),
        refused=left,
        already_revoked=tuple(_place(grant) for grant in matches.revoked),
        patterns=tuple(_place(grant) for grant in matches.patterns),
        remaining=tuple(_place(grant) for grant in matches.remaining),
        open_groups=tuple(group.slug for group in groups if group.any_origin),
        preflights_until=at + timedelta(seconds=refresh + longest),
        refresh_seconds=refresh,
    )


def _preview(
    line: str, environment: Environment, group: ApiGroup, expires_at: datetime | None, sample: list[str]
) -> Preview:
    parsed = parse_origin(line)
    rules = rules_for(environment, group)
    problems, existing = list(parsed.problems), ""
    risks: tuple[Problem, ...] = ()
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules)
        risks = find_risks(parsed.origin, rules=rules, trusted=sample)
        row = TrustedOrigin.objects.using(_alias()).filter(
            environment=environment, api_group=group, origin=parsed.origin.text
        ).select_related("environment", "api_group").first()  # fmt: skip
        existing = row.status().value if row is not None else ""
        if existing == Status.REVOKED:
            problems.append(Problem("revoked", parsed.origin.text))
    if existing != Status.REVOKED:
        problems += _word_expiry(parsed.origin, environment, group, expires_at, renewed=True)
    return Preview(
        given=line,
        environment=environment.slug,
        api_group=group.slug,
        origin=parsed.origin.text if parsed.origin is not None else "",
        problems=tuple(problems),
        mended=parsed.mended,
        risks=risks,
        existing=existing,
    )


def _sample_trusted(environment: Environment) -> list[str]:
    rows = TrustedOrigin.objects.using(_alias()).filter(environment=environment, revoked_at=None)
    return list(rows.order_by("-pk").values_list("origin", flat=True)[:LOOK_ALIKE_SAMPLE])


__all__ = [
    "Explanation",
    "Place",
    "Preview",
    "Receipt",
    "amend",
    "check_card_origin",
    "check_expiry",
    "check_protected",
    "check_shared",
    "explain",
    "find_api_group",
    "find_environment",
    "find_front_end",
    "ignore",
    "preview_revocation",
    "preview_trust",
    "reinstate",
    "revoke",
    "revoke_origin",
    "trust",
    "trust_card",
    "trust_many",
]
