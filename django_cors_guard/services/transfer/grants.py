"""The grants that an import meets, read in a few queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from django.db import connections

from django_cors_guard.models import PolicyChange, TrustedOrigin
from django_cors_guard.models.trusted_origin import CARRIED_REVOKER, REVOKED, pick_revoker
from django_cors_guard.models.write import label_of
from django_cors_guard.services.places import alias

_V = TypeVar("_V", int, str)

#: Values in one statement, within what databases take.
CHUNK: Final = 2500


def label_revokers(grants: Iterable[TrustedOrigin]) -> dict[int, str]:
    """Return who revoked those of ``grants`` that are revoked; where the user has gone, whom the story names."""
    revoked = [grant for grant in grants if grant.revoked_at is not None]
    orphans = {grant.target()[:512]: grant.pk for grant in revoked if grant.revoked_by is None}
    labels = {grant.pk: label_of(grant.revoked_by) for grant in revoked if grant.revoked_by is not None}
    return labels | {orphans[target]: label for target, label in find_story_labels(orphans).items()}


def find_story_labels(targets: Iterable[str]) -> dict[str, str]:
    """Return whom the story names last as having revoked each of ``targets``, where it names anybody."""
    story = PolicyChange.objects.using(alias()).filter(action=REVOKED).order_by("revision", "pk")
    wanted, found = set(targets), dict[str, str]()
    for chunk in chunked(wanted):
        told = story.filter(target__in=chunk).values_list("target", "actor_label", f"after__{CARRIED_REVOKER}")
        # A collation that ignores case finds more than was asked for.
        found |= {target: pick_revoker(label, carried) for target, label, carried in told if target in wanted}
    return found


def chunked(values: Iterable[_V]) -> Iterator[list[_V]]:
    """Yield ``values`` in order, as many at a time as one statement takes."""
    limit = connections[alias()].features.max_query_params
    # A few are left for the rest of the statement.
    size = min(CHUNK, limit - 9) if limit else CHUNK
    left = iter(sorted(values))
    while chunk := list(islice(left, size)):
        yield chunk
