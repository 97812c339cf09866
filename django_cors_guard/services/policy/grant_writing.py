"""Writing the grants of a plan, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.core.policy_file import FileGrant
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.trusted_origin import CARRIED_REVOKER, REINSTATED, REVOKED
from django_cors_guard.models.write import Entry, PolicyWrite
from django_cors_guard.services.grants import mark_cards
from django_cors_guard.services.places import alias
from django_cors_guard.services.policy.here import Here
from django_cors_guard.services.policy.plans import (
    Difference,
    Key,
    Kind,
    PolicyPlan,
    Reinstatement,
    Revocation,
)
from django_cors_guard.services.transfer.grants import chunked
from django_cors_guard.services.transfer.writing import BATCH, DESCRIPTIVE, Author, NotAsSeen, rewrite
from django_cors_guard.services.trusting import RENEWED, TRUSTED

_K = TypeVar("_K", str, Key)
_V = TypeVar("_V")

#: What is no policy; rewriting it takes no revision.
_DESCRIPTIVE: Final = (*DESCRIPTIVE, "managed_by")
_REVOCATION: Final = ("revoked_at", "revoked_by", "revoke_reason")


def moves_policy(differences: Iterable[Difference]) -> bool:
    """Whether any of ``differences`` of a grant decides about requests."""
    return any(difference.field == "expires_at" for difference in differences)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that grants and routes belong to, by slug; those that are being written come in."""

    environments: dict[str, Environment]
    groups: dict[str, ApiGroup]
    front_ends: dict[str, FrontEnd]

    def environment(self, slug: str) -> Environment:
        """Return the environment; raises NotAsSeen if it has gone."""
        return _known(self.environments, slug)

    def group(self, slug: str) -> ApiGroup:
        """Return the API group; raises NotAsSeen if it has gone."""
        return _known(self.groups, slug)

    def front_end_id(self, slug: str) -> int | None:
        """Return the id of the front end, None for a blank slug; raises NotAsSeen if it has gone."""
        return _known(self.front_ends, slug).pk if slug else None


def _known(rows: Mapping[_K, _V], key: _K) -> _V:
    if key not in rows:
        raise NotAsSeen
    return rows[key]


@dataclass(frozen=True, slots=True)
class _Rewrite:
    """A grant that is here, and what becomes of it."""

    key: Key
    pk: int
    differences: tuple[Difference, ...]
    turn: Revocation | Reinstatement | None = None


@dataclass(frozen=True, slots=True)
class GrantWriter:
    """The grants of one plan, ready to be written."""

    author: Author
    additions: tuple[tuple[Key, FileGrant, TrustedOrigin], ...]
    rewrites: tuple[_Rewrite, ...]
    prune_reason: str

    @classmethod
    def prepare(cls, plan: PolicyPlan, here: Here, author: Author) -> GrantWriter:
        """Make what can be made without the lock; raises NotAsSeen if a grant has gone."""
        changes = [step for step in plan.changes if step.kind is Kind.GRANT]
        turns: list[Revocation | Reinstatement] = [*plan.revocations, *plan.reinstatements]
        found = here.find_grants({*(step.key[2] for step in changes), *(step.key[2] for step in turns)})
        return cls(
            author=author,
            additions=tuple(
                (step.key, step.after, _build(step.after, author))
                for step in plan.additions
                if isinstance(step.after, FileGrant)
            ),
            rewrites=(
                *(_Rewrite(step.key, _known(found, step.key).pk, step.differences) for step in changes),
                *(_Rewrite(step.key, _known(found, step.key).pk, step.differences, step) for step in turns),
            ),
            prune_reason=_("no longer in %(name)s") % {"name": plan.document.name},
        )

    def write(self, rows: Rows, write: PolicyWrite | None = None) -> None:
        """Write them; without ``write`` nothing of it is policy. Raises NotAsSeen."""
        self._lock_front_ends(rows)
        grants, added = self._relate(rows)
        changed, entries, described = self._apply(rows)
        if write is not None:
            with write.summarised():
                TrustedOrigin.objects.using(alias()).bulk_create(grants, batch_size=BATCH)
                rewrite(TrustedOrigin.objects.all(), changed, ["expires_at", *_REVOCATION, *_DESCRIPTIVE])
            write.record_all([*added, *entries])
        # What they say of themselves is no policy, and takes no revision.
        rewrite(QuerySet(TrustedOrigin), described, _DESCRIPTIVE)
        now = timezone.now()
        in_force = [grant for grant in [*grants, *changed] if _is_in_force(grant, now)]
        mark_cards(in_force, CardStatus.TRUSTED, self.author.actor)

    def _lock_front_ends(self, rows: Rows) -> None:
        """Keep the front ends from being deleted, which takes no revision."""
        moves = (move.after for item in self.rewrites for move in item.differences if move.field == "front_end")
        slugs = {*(wanted.front_end for _key, wanted, _grant in self.additions), *moves} - {""}
        ids = {rows.front_end_id(slug) for slug in slugs}
        locked = FrontEnd.objects.using(alias()).order_by("pk").select_for_update()
        there = {
            pk
            for chunk in chunked(pk for pk in ids if pk)
            for pk in locked.filter(pk__in=chunk).values_list("pk", flat=True)
        }
        if there != ids:
            raise NotAsSeen

    def _relate(self, rows: Rows) -> tuple[list[TrustedOrigin], list[Entry]]:
        """Return the new grants with their relations, and what the story has to say of them."""
        entries = []
        for (place, group, _origin), wanted, grant in self.additions:
            grant.environment, grant.api_group = rows.environment(place), rows.group(group)
            grant.front_end_id = rows.front_end_id(wanted.front_end)
            if grant.revoked_at is None:
                entries.append(Entry(TRUSTED, grant.target(), None, grant.snapshot()))
            else:
                carried = {CARRIED_REVOKER: wanted.revoked_by}
                entries.append(Entry(REVOKED, grant.target(), None, grant.snapshot() | carried))
        return [grant for _key, _wanted, grant in self.additions], entries

    def _apply(self, rows: Rows) -> tuple[list[TrustedOrigin], list[Entry], list[TrustedOrigin]]:
        """Apply what changes to the locked grants: those of the policy, their story, and those that are described."""
        grants = _lock({item.pk for item in self.rewrites})
        changed, entries, described = list[TrustedOrigin](), list[Entry](), list[TrustedOrigin]()
        for item in self.rewrites:
            grant = grants[item.pk]
            grant.environment, grant.api_group = rows.environment(item.key[0]), rows.group(item.key[1])
            before = grant.snapshot()
            for difference in item.differences:
                _set(grant, difference, rows)
            action, carried = self._turn(grant, item.turn)
            if action or moves_policy(item.differences):
                changed.append(grant)
                entries.append(Entry(action or RENEWED, grant.target(), before, grant.snapshot() | carried))
            else:
                described.append(grant)
        return changed, entries, described

    def _turn(self, grant: TrustedOrigin, turn: Revocation | Reinstatement | None) -> tuple[str, dict[str, str]]:
        """Revoke or reinstate; return what the story calls that, and what it says besides."""
        if turn is None:
            return "", {}
        if (grant.revoked_at is None) is isinstance(turn, Reinstatement):
            raise NotAsSeen
        if isinstance(turn, Reinstatement):
            grant.revoked_at, grant.revoked_by_id, grant.revoke_reason = None, None, ""
            return REINSTATED, {}
        author = self.author
        grant.revoked_at = turn.at or timezone.now()
        grant.revoke_reason = self.prune_reason if turn.pruned else turn.reason or author.reason
        if turn.by:
            # Of the same name here may be somebody else.
            grant.revoked_by_id = None
            return REVOKED, {CARRIED_REVOKER: turn.by}
        grant.revoked_by_id = author.actor.pk if author.actor is not None else None
        return REVOKED, {}


def _build(wanted: FileGrant, author: Author) -> TrustedOrigin:
    """Return the grant, but for its relations. Its moments are as the database takes them."""
    return TrustedOrigin(
        origin=wanted.origin,
        note=wanted.note,
        expires_at=wanted.expires_at,
        revoked_at=wanted.revoked_at,
        revoke_reason=wanted.revoke_reason,
        managed_by=wanted.managed_by,
        created_by_id=author.actor.pk if author.actor is not None else None,
    )


def _lock(pks: set[int]) -> dict[int, TrustedOrigin]:
    rows = TrustedOrigin.objects.using(alias()).order_by("pk").select_for_update()
    grants = {grant.pk: grant for chunk in chunked(pks) for grant in rows.filter(pk__in=chunk)}
    if grants.keys() != pks:
        raise NotAsSeen
    return grants


def _set(grant: TrustedOrigin, difference: Difference, rows: Rows) -> None:
    """Write one field; raises NotAsSeen if it is not any more as the plan has it."""
    name, before, after = difference.field, difference.before, difference.after
    if name == "front_end":
        name, before, after = "front_end_id", rows.front_end_id(before), rows.front_end_id(after)
    if getattr(grant, name) != before:
        raise NotAsSeen
    setattr(grant, name, after)


def _is_in_force(grant: TrustedOrigin, now: Any) -> bool:
    return grant.revoked_at is None and (grant.expires_at is None or grant.expires_at > now)
