"""Deleting grants that ended long ago and that nobody revoked: the previews of last year.

What somebody revoked stays, for it says no. So does an expired grant that lies under a pattern: an exact row decides
alone, and without it the pattern would let the origin in again. Patterns themselves stay for the same reason, and what
a policy file manages, for the file says what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _

from django_cors_guard.core.patterns import pattern_candidates
from django_cors_guard.models import TrustedOrigin, policy_write
from django_cors_guard.models.issuer import ISSUER_PREFIX
from django_cors_guard.models.trusted_origin import TrustedOriginQuerySet
from django_cors_guard.services.grants import ROWS_PER_QUERY
from django_cors_guard.services.places import alias

#: Rows a transaction, all of which the story names; short enough that an emergency revocation need not wait.
BATCH: Final = 500


def prune_grants(ended_before: datetime) -> Iterator[int]:
    """Delete the grants that ended before then, in batches of one revision each; yield how many of each went."""
    begin = 0
    while keys := _next_keys(ended_before, begin):
        begin = keys[-1]
        # Most batches of a site without patterns go whole; where nothing can go, no revision is taken.
        if _list_prunable(_old(ended_before).filter(pk__in=keys)):
            yield _delete(ended_before, keys)


def count_prunable(ended_before: datetime) -> int:
    """Return how many grants ``prune_grants`` would delete now."""
    begin, count = 0, 0
    while keys := _next_keys(ended_before, begin):
        begin = keys[-1]
        count += len(_list_prunable(_old(ended_before).filter(pk__in=keys)))
    return count


def _old(ended_before: datetime) -> TrustedOriginQuerySet:
    rows: TrustedOriginQuerySet = TrustedOrigin.objects.using(alias()).filter(
        Q(managed_by="") | Q(managed_by__startswith=ISSUER_PREFIX), revoked_at=None, expires_at__lt=ended_before
    )
    return rows.exclude(origin__contains="*")


def _next_keys(ended_before: datetime, begin: int) -> list[int]:
    return list(_old(ended_before).filter(pk__gt=begin).order_by("pk").values_list("pk", flat=True)[:BATCH])


def _delete(ended_before: datetime, keys: list[int]) -> int:
    reason = _("Pruned: it had ended before %(day)s, and nobody revoked it.") % {"day": f"{ended_before:%Y-%m-%d}"}
    with policy_write(reason=reason, using=alias()) as write:
        # Looked at again under the lock: it may have been renewed, or a pattern trusted.
        found = _list_prunable(_old(ended_before).filter(pk__in=keys).order_by("pk").select_for_update())
        targets = [grant.target() for grant in found]
        with write.summarised():
            TrustedOrigin.objects.using(alias()).filter(pk__in=[grant.pk for grant in found]).delete()
        write.record("deleted", TrustedOrigin.bulk_target(), before={"targets": targets}, after={"count": len(found)})
        return len(found)


def _list_prunable(rows: TrustedOriginQuerySet) -> list[TrustedOrigin]:
    """Return those of ``rows`` that no pattern covers, in whatever state it is: it may be reinstated or renewed."""
    found = list(rows.select_related("environment", "api_group"))
    covering = {grant.pk: [*pattern_candidates(grant.origin)] for grant in found}
    patterns = _find_patterns({text for texts in covering.values() for text in texts})
    return [
        grant
        for grant in found
        if not any((grant.environment_id, grant.api_group_id, text) in patterns for text in covering[grant.pk])
    ]


def _find_patterns(texts: Iterable[str]) -> set[tuple[int, int, str]]:
    wanted, found = sorted(texts), set[tuple[int, int, str]]()
    rows = TrustedOrigin.objects.using(alias())
    for start in range(0, len(wanted), ROWS_PER_QUERY):
        some = rows.filter(origin__in=wanted[start : start + ROWS_PER_QUERY])
        found.update(some.values_list("environment_id", "api_group_id", "origin"))
    return found
