"""One grant: whether it may be as asked, and its row, locked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import (
    Origin,
    Problem,
    check_rules,
    parse_origin,
)
from django_cors_guard.exceptions import (
    CorsGuardError,
    InvalidRequest,
    RefusedOrigin,
    RevokedOrigin,
)
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    RejectedOrigin,
    TrustedOrigin,
)
from django_cors_guard.models.rejection import CardStatus, card_key
from django_cors_guard.models.trusted_origin import rules_for
from django_cors_guard.services.places import alias

#: Environment, API group and canonical origin.
GrantKey: TypeAlias = tuple[int, int, str]
#: Within what every database takes as parameters of one statement.
ROWS_PER_QUERY: Final = 500


class Wished(Protocol):
    """A place in which something is to be trusted."""

    @property
    def environment(self) -> Environment: ...

    @property
    def api_group(self) -> ApiGroup: ...


def require_origin(
    text: str, environment: Environment, group: ApiGroup, expires_at: datetime | None, *, renewed: bool = True
) -> Origin:
    """Return the origin that ``text`` is, if it may be trusted so; raises RefusedOrigin with every problem."""
    parsed = parse_origin(text)
    problems = list(parsed.problems)
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules_for(environment, group))
    problems += _check_expiry(parsed.origin, environment, group, expires_at, renewed=renewed)
    if problems or parsed.origin is None:
        raise RefusedOrigin(text[:255], tuple(problems))
    return parsed.origin


def _check_expiry(
    origin: Origin | None,
    environment: Environment,
    group: ApiGroup,
    expires_at: datetime | None,
    *,
    renewed: bool,
    is_there: bool | None = None,
) -> list[Problem]:
    """A grant's end lies ahead, and within what the environment allows; ``is_there`` spares asking for the grant."""
    if expires_at is not None and settings.USE_TZ and timezone.is_naive(expires_at):
        raise InvalidRequest(_("Give the expiry with its time zone."))
    if renewed and expires_at is not None and expires_at <= timezone.now():
        raise InvalidRequest(_("The expiry lies in the past. To end a grant, revoke it."))
    if not environment.max_trust_days or origin is None:
        return []
    if renewed and expires_at is None:
        known = is_there if is_there is not None else find_grant(origin, environment, group) is not None
        if known:
            return []
    latest = timezone.now() + timedelta(days=environment.max_trust_days)
    if expires_at is None or expires_at > latest:
        return [Problem("trusted_too_long", origin.text, f"{environment.max_trust_days}")]
    return []


def list_expiry_problems(
    origin: Origin | None,
    environment: Environment,
    group: ApiGroup,
    expires_at: datetime | None,
    *,
    renewed: bool,
    is_there: bool | None = None,
) -> list[Problem]:
    """As ``_check_expiry``, for those who want every problem at once."""
    try:
        return _check_expiry(origin, environment, group, expires_at, renewed=renewed, is_there=is_there)
    except CorsGuardError as error:
        return [Problem("invalid_expiry", str(error))]


def find_grant(
    origin: Origin, environment: Environment, group: ApiGroup, *, lock: bool = False
) -> TrustedOrigin | None:
    """Return the grant that is there, or None; raises RevokedOrigin for one that was revoked."""
    rows = TrustedOrigin.objects.using(alias()).filter(environment=environment, api_group=group, origin=origin.text)
    # A locking read also sees past the snapshot of a transaction that began before the last commit.
    grant: TrustedOrigin | None = (rows.select_for_update() if lock else rows).first()
    if grant is not None:
        refuse_revoked(grant)
    return grant


def refuse_revoked(grant: TrustedOrigin) -> None:
    """Raise RevokedOrigin if ``grant`` was revoked."""
    if grant.revoked_at is not None:
        raise RevokedOrigin(grant.origin, by=grant.revoked_by_label(), at=grant.revoked_at, reason=grant.revoke_reason)


def mark_card(grant: TrustedOrigin, status: CardStatus, actor: AbstractBaseUser | None) -> None:
    """Set the status of the grant's card, if there is one; whoever set the same one before keeps the credit."""
    key = card_key(grant.environment.slug, grant.api_group.slug, grant.origin)
    cards = RejectedOrigin.objects.using(alias()).filter(key=key).exclude(status=status)
    cards.update(status=status, **signature_of(actor))


def mark_cards(grants: Iterable[TrustedOrigin], status: CardStatus, actor: AbstractBaseUser | None) -> None:
    """As ``mark_card`` for many, in a few queries."""
    keys = sorted({card_key(grant.environment.slug, grant.api_group.slug, grant.origin) for grant in grants})
    for start in range(0, len(keys), ROWS_PER_QUERY):
        cards = RejectedOrigin.objects.using(alias()).filter(key__in=keys[start : start + ROWS_PER_QUERY])
        others = cards.exclude(status=status)
        # In the order in which the audit log locks them, so that neither stands in the other's way.
        if list(others.order_by("key").select_for_update().values_list("pk", flat=True)):
            others.update(status=status, **signature_of(actor))


def signature_of(actor: AbstractBaseUser | None) -> dict[str, Any]:
    """Who decided about a card, and when."""
    return {"status_by": actor.pk if actor is not None else None, "status_at": timezone.now()}


def lock_grant(pk: int) -> TrustedOrigin:
    """Return the grant as it stands now, and keep others from changing it until the transaction ends."""
    grant: TrustedOrigin = TrustedOrigin.objects.using(alias()).select_for_update().get(pk=pk)
    return grant


def key_of(wish: Wished, origin: str) -> GrantKey:
    """Return what tells a grant from all others: its place and its canonical origin."""
    return (wish.environment.pk, wish.api_group.pk, origin)


def find_grants(asked: Iterable[tuple[Wished, str]], *, lock: bool = False) -> dict[GrantKey, TrustedOrigin]:
    """Return the grants that are there of these wishes with their canonical origins, also revoked ones."""
    wanted = {key_of(wish, origin): wish for wish, origin in asked}
    texts = sorted({origin for _environment, _group, origin in wanted})
    rows = TrustedOrigin.objects.using(alias()).filter(
        environment__in={wish.environment.pk for wish in wanted.values()},
        api_group__in={wish.api_group.pk for wish in wanted.values()},
    )
    found: dict[GrantKey, TrustedOrigin] = {}
    for start in range(0, len(texts), ROWS_PER_QUERY):
        some = rows.filter(origin__in=texts[start : start + ROWS_PER_QUERY]).order_by("pk")
        for row in some.select_for_update() if lock else some:
            wish = wanted.get((row.environment_id, row.api_group_id, row.origin))
            if wish is not None:
                row.environment, row.api_group = wish.environment, wish.api_group
                found[key_of(wish, row.origin)] = row
    return found
