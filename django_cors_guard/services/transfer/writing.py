"""Writing a plan in bulk: one transaction, one revision, and still one entry in the story for each grant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.db.models import QuerySet

from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin, policy_write
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.revision import Source
from django_cors_guard.models.write import Entry
from django_cors_guard.services.grants import mark_cards
from django_cors_guard.services.places import alias, check_protected
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.services.transfer.grants import chunked
from django_cors_guard.services.transfer.plans import Change, Difference, ImportPlan
from django_cors_guard.services.trusting import RENEWED, TRUSTED

#: Rows in one statement.
BATCH: Final = 500
#: What grants say of themselves.
DESCRIPTIVE: Final = ("front_end", "note")


class NotAsSeen(Exception):
    """Somebody else has written since the plan was made; nothing of it was."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who imports, why, and what binds the changes together."""

    actor: AbstractBaseUser | None
    reason: str
    batch: str


def write_plan(plan: ImportPlan, author: Author) -> int | None:
    """Write ``plan`` and return the revision, None if nothing of the policy has changed; raises NotAsSeen."""
    places = _Places.read(plan)
    check_protected(author.actor, places.environments.values())
    if not plan.additions and not any(_moves_end(change) for change in plan.changes):
        # What grants say of themselves is no policy.
        with transaction.atomic(using=alias()):
            places.lock_front_ends()
            _amend(plan.changes, places)
        return None
    # Made before the lock is taken, so that it is not held for it.
    grants = _build(plan, places, author)
    entries = [Entry(TRUSTED, grant.target(), None, grant.snapshot()) for grant in grants]
    with policy_write(
        actor=author.actor, reason=author.reason, source=Source.IMPORT, batch=author.batch, using=alias()
    ) as write:
        if write.revision != plan.version.revision + 1:
            raise NotAsSeen
        places.lock_front_ends()
        with write.summarised():
            TrustedOrigin.objects.using(alias()).bulk_create(grants, batch_size=BATCH)
            renewed = _amend(plan.changes, places)
        write.record_all([*entries, *(entry for _grant, entry in renewed)])
        mark_cards([*grants, *(grant for grant, _entry in renewed)], CardStatus.TRUSTED, author.actor)
        return write.revision


@dataclass(frozen=True, slots=True)
class _Places:
    """What a plan names, by slug: environments and API groups as rows, front ends as ids."""

    environments: Mapping[str, Environment]
    groups: Mapping[str, ApiGroup]
    front_ends: Mapping[str, int]

    @classmethod
    def read(cls, plan: ImportPlan) -> _Places:
        """Return what there is of it; raises NotAsSeen if a front end has gone."""
        places = plan.list_places()
        moves = [move for change in plan.changes if (move := change.find("front_end")) is not None]
        wanted = {addition.front_end for addition in plan.additions} | {str(move.after) for move in moves}
        front_ends = _find_front_ends(wanted | {str(move.before) for move in moves})
        if not front_ends.keys() >= wanted - {""}:
            raise NotAsSeen
        slugs = {place.environment for place in places}
        return cls(
            {row.slug: row for row in Environment.objects.using(alias()).filter(slug__in=slugs)},
            {row.slug: row for row in ApiGroup.objects.using(alias())},
            front_ends,
        )

    def lock_front_ends(self) -> None:
        """Keep the front ends from being deleted, which takes no revision; raises NotAsSeen if one was."""
        if _find_front_ends(self.front_ends, lock=True) != self.front_ends:
            raise NotAsSeen

    def put(self, grant: TrustedOrigin, place: Place) -> TrustedOrigin:
        """Give ``grant`` its relations; raises NotAsSeen if one has gone."""
        try:
            grant.environment, grant.api_group = self.environments[place.environment], self.groups[place.api_group]
        except KeyError as error:
            raise NotAsSeen from error
        return grant


def _find_front_ends(slugs: Iterable[str], *, lock: bool = False) -> dict[str, int]:
    rows = FrontEnd.objects.using(alias()).order_by("pk")
    some = rows.select_for_update() if lock else rows
    return {
        slug: pk
        for chunk in chunked(set(slugs) - {""})
        for slug, pk in some.filter(slug__in=chunk).values_list("slug", "pk")
    }


def _build(plan: ImportPlan, places: _Places, author: Author) -> list[TrustedOrigin]:
    created_by = author.actor.pk if author.actor is not None else None
    return [
        places.put(
            TrustedOrigin(
                origin=addition.place.origin,
                front_end_id=places.front_ends.get(addition.front_end),
                note=addition.note,
                expires_at=addition.expires_at,
                created_by_id=created_by,
            ),
            addition.place,
        )
        for addition in plan.additions
    ]


def _amend(changes: Iterable[Change], places: _Places) -> list[tuple[TrustedOrigin, Entry]]:
    """Write ``changes`` and return those of the policy, with what the story has to say of them.

    Raises NotAsSeen if a grant is not any more as the plan has it.
    """
    grants = _lock_grants(changes)
    renewed, described = [], []
    for change in changes:
        grant = places.put(grants[change.pk], change.place)
        before = grant.snapshot()
        for difference in change.differences:
            _apply(grant, difference, places.front_ends)
        if _moves_end(change):
            renewed.append((grant, Entry(RENEWED, grant.target(), before, grant.snapshot())))
        else:
            described.append(grant)
    rewrite(TrustedOrigin.objects.all(), [grant for grant, _entry in renewed], ["expires_at", *DESCRIPTIVE])
    # What they say of themselves is no policy, and takes no revision.
    rewrite(QuerySet(TrustedOrigin), described, DESCRIPTIVE)
    return renewed


def rewrite(rows: QuerySet[TrustedOrigin], grants: list[TrustedOrigin], fields: Sequence[str]) -> None:
    """Rewrite ``fields`` of grants that are there, and locked; Django's own bulk_update takes ten times as long."""
    has_target = connections[alias()].features.supports_update_conflicts_with_target
    rows.using(alias()).bulk_create(
        grants,
        batch_size=BATCH,
        update_conflicts=True,
        update_fields=fields,
        unique_fields=["id"] if has_target else None,
    )


def _lock_grants(changes: Iterable[Change]) -> dict[int, TrustedOrigin]:
    pks = [change.pk for change in changes]
    rows = TrustedOrigin.objects.using(alias()).order_by("pk").select_for_update()
    grants = {grant.pk: grant for chunk in chunked(pks) for grant in rows.filter(pk__in=chunk)}
    if any(pk not in grants or grants[pk].revoked_at is not None for pk in pks):
        raise NotAsSeen
    return grants


def _apply(grant: TrustedOrigin, difference: Difference, front_ends: Mapping[str, int]) -> None:
    name, before, after = difference.field, difference.before, difference.after
    if name == "front_end":
        _set(grant, "front_end_id", front_ends.get(str(before)), front_ends[str(after)])
    else:
        _set(grant, name, before, after)


def _set(grant: TrustedOrigin, name: str, before: object, after: object) -> None:
    if getattr(grant, name) != before:
        raise NotAsSeen
    setattr(grant, name, after)


def _moves_end(change: Change) -> bool:
    return change.find("expires_at") is not None
