"""A policy of the version that the database is at: from all rows, or from the one at hand and what came since."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from time import time
from typing import Final

from django_cors_guard import conf
from django_cors_guard.core.books import UncertainBook
from django_cors_guard.core.compilation import catch_up, compile_policy, is_revoked
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import Environment, PolicyState, TrustedOrigin
from django_cors_guard.models.revision import Version
from django_cors_guard.store import database, entries
from django_cors_guard.store.rows import read_newer, read_revoked, read_source

#: How often a policy is read anew because the version moved while it was read.
MAX_LOADS: Final = 3


def load(
    environment: str,
    *,
    version: Version | None = None,
    cached: bool = True,
    keeps: bool = True,
    known: Policy | None = None,
    pause: Callable[[], None] | None = None,
) -> Policy:
    """Read and compile the policy of ``environment``, from the cache where it holds the version. May raise.

    With ``cached`` false the rows are read whatever the cache holds, and put there unless ``keeps`` is false, too.
    ``known`` is a policy that may share its memory, ``pause`` what gives way to others now and then.
    """
    using = database.alias()
    wanted = version if version is not None else PolicyState.read(using)
    kept = entries.fetch(environment, wanted) if cached else None
    if kept is not None:
        return compile_policy(kept, max_mode=conf.current().max_mode, now=time())
    for _ in range(MAX_LOADS):
        try:
            tee = entries.Tee(read_source(environment, wanted, using, pause=pause))
            policy = compile_policy(tee.source, max_mode=conf.current().max_mode, now=time(), known=known)
        except UncertainBook:
            tee = entries.Tee(read_source(environment, wanted, using, pause=pause))
            policy = compile_policy(tee.source, max_mode=conf.current().max_mode, now=time())
        seen = PolicyState.read(using)
        if seen == wanted:
            if keeps:
                tee.keep(using)
            return policy
        followed = follow(policy, seen)
        if followed is not None:
            return followed
        wanted = seen
    # The pair was read before these rows, so the next look finds it outdated and loads again.
    return policy  # type: ignore[possibly-undefined]  # the loop ran at least once


def load_about(environment: str, grants: Collection[TrustedOrigin], *, row: Environment | None = None) -> Policy:
    """Read and compile what the policy of ``environment`` makes of ``grants``, some of its own. May raise.

    For explanations: the other grants, of which there may be a million, have no say in them. Such a policy is neither
    cached nor served. ``row`` is the environment's, where it is known.
    """
    using = database.alias()
    source = read_source(environment, PolicyState.read(using), using, row=row, grants=grants)
    return compile_policy(source, max_mode=conf.current().max_mode, now=time())


def follow(policy: Policy, version: Version) -> Policy | None:
    """Bring ``policy`` to ``version``, which the database has just told, by what was written since. May raise.

    None where all rows have to be read: some were deleted or moved, a rule has changed that all are checked by, many
    are new, or the database has never been at the policy's version, as after a restored backup. In four statements,
    unless the version moves meanwhile.
    """
    using, since = database.alias(), Version(*policy.version)
    if version.revision <= since.revision:
        return None
    for _ in range(MAX_LOADS):
        source = read_newer(policy.environment, version, using, since.revision)
        # Asked last, so that what it says holds for the rows too.
        trace = PolicyState.trace(using, since)
        if source is None or not trace.is_known or trace.rebuild_revision > since.revision:
            return None
        followed = catch_up(policy, source, max_mode=conf.current().max_mode, now=time())
        if followed is None or trace.version == version:
            return followed
        version = trace.version
    # As above: the version that the policy is kept under was read before its rows.
    return followed  # type: ignore[possibly-undefined]  # as above


def heed_revocations(policy: Policy) -> Policy:
    """Return ``policy``, still of its own version, with everything refused that was revoked since. May raise.

    For the time in which all rows are read: an operator's no needs none of the others. In one statement.
    """
    rows = [row for row in read_revoked(policy, database.alias()) if not is_revoked(policy, row)]
    if not rows:
        return policy
    # By the rules of its own version, which refusing asks for none of.
    return catch_up(policy, replace(policy.basis, grants=rows), max_mode=conf.current().max_mode, now=time()) or policy
