"""Every way of writing the policy counts: one revision, one new token, one entry in the story."""

import json
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin, RevokedOrigin
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    GroupMode,
    PolicyChange,
    PolicyState,
    TrustedOrigin,
    policy_write,
    writing,
)
from django_cors_guard.models.revision import Version
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    TrustedOriginFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def version() -> Version:
    return PolicyState.read("default")


def rebuild() -> int:
    return PolicyState.objects.get().rebuild_revision


@pytest.fixture
def grant() -> TrustedOrigin:
    row = TrustedOriginFactory.create()
    ApiRouteFactory.create(api_group=row.api_group)
    GroupModeFactory.create(environment=row.environment, api_group=row.api_group)
    return row


def _save(row: models.Model, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def _in_bulk(row: models.Model, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    type(row)._default_manager.bulk_update([row], list(values))


SOON = timezone.now() + timedelta(days=1)

WRITES: list[Any] = [
    pytest.param(lambda g: _save(g, expires_at=SOON), False, id="save"),
    pytest.param(lambda g: g.delete(), True, id="delete"),
    pytest.param(lambda g: TrustedOrigin.objects.filter(pk=g.pk).update(revoked_at=SOON), False, id="QuerySet.update"),
    pytest.param(lambda g: TrustedOrigin.objects.update(origin="https://moved.example.com"), True, id="moving update"),
    pytest.param(lambda g: TrustedOrigin.objects.all().delete(), True, id="QuerySet.delete"),
    pytest.param(lambda g: _in_bulk(g, expires_at=SOON), False, id="bulk_update"),
    pytest.param(
        lambda g: TrustedOrigin.objects.bulk_create(
            [TrustedOrigin(environment=g.environment, api_group=g.api_group, origin="https://b.example.com")]
        ),
        False,
        id="bulk_create",
    ),
    pytest.param(lambda g: TrustedOrigin._base_manager.update(expires_at=SOON), False, id="_base_manager"),
    pytest.param(lambda g: g.environment.trusted_origins.update(expires_at=SOON), False, id="related manager"),
    pytest.param(lambda g: g.api_group.routes.all().delete(), True, id="related delete"),
    pytest.param(lambda g: g.api_group.routes.create(path_prefix="/more"), False, id="related create"),
    pytest.param(
        lambda g: ApiGroupFactory.create(slug="other").routes.add(*ApiRoute.objects.all()), False, id="related add"
    ),
    pytest.param(
        lambda g: TrustedOrigin.objects.get_or_create(
            origin="https://c.example.com", environment=g.environment, api_group=g.api_group
        ),
        False,
        id="get_or_create",
    ),
    pytest.param(lambda g: _save(g.environment, mode="block"), False, id="environment"),
    pytest.param(lambda g: _save(g.environment, protected=True), False, id="protected"),
    pytest.param(lambda g: _save(g.api_group, max_age=5), False, id="group"),
    pytest.param(lambda g: GroupMode.objects.update(mode="block"), False, id="mode"),
    pytest.param(lambda g: (g.delete(), g.environment.delete()), True, id="cascade to modes"),
]


@pytest.mark.parametrize(("write", "rebuilds"), WRITES)
def test_write_takes_a_new_version_and_leaves_a_story(
    grant: TrustedOrigin, write: Callable[[TrustedOrigin], object], rebuilds: bool
) -> None:
    before, stories = version(), PolicyChange.objects.count()
    write(grant)
    after = version()
    assert after.revision > before.revision
    assert after.token != before.token
    assert PolicyChange.objects.count() > stories
    assert (rebuild() > before.revision) is rebuilds


NO_POLICY: list[Any] = [
    pytest.param(lambda g: _save(g, note="hello"), id="note"),
    pytest.param(lambda g: TrustedOrigin.objects.update(note="hello"), id="note in bulk"),
    pytest.param(lambda g: _save(g, front_end=FrontEndFactory.create()), id="front end"),
    pytest.param(lambda g: _save(g.environment, name="Prod", description="x"), id="name"),
    pytest.param(lambda g: _save(g.api_group, name="Pub"), id="group's name"),
    pytest.param(lambda g: FrontEndFactory.create(), id="a front end"),
    pytest.param(lambda g: g.save(), id="nothing"),
    pytest.param(lambda g: UserFactory.create().delete(), id="a user"),
]


@pytest.mark.parametrize("write", NO_POLICY)
def test_write_of_what_is_no_policy_takes_no_revision(
    grant: TrustedOrigin, write: Callable[[TrustedOrigin], object]
) -> None:
    before = version()
    write(grant)
    assert version() == before


def test_note_is_stored_without_a_revision(grant: TrustedOrigin) -> None:
    _save(grant, note="hello")
    grant.refresh_from_db()
    assert grant.note == "hello"


def test_stamp_is_the_revision_that_commits(grant: TrustedOrigin) -> None:
    _save(grant, expires_at=SOON)
    grant.refresh_from_db()
    assert grant.revision == version().revision
    TrustedOrigin.objects.update(expires_at=None)
    grant.refresh_from_db()
    assert grant.revision == version().revision


def test_nested_writes_share_one_revision(grant: TrustedOrigin) -> None:
    before = version()
    with policy_write(reason="clean-up", action="tidied") as outer:
        _save(grant.environment, mode="block")
        with policy_write(reason="inner") as inner:
            _save(grant, expires_at=SOON)
        ApiRoute.objects.create(api_group=grant.api_group, path_prefix="/x")
        assert inner.revision == outer.revision
    assert version().revision == before.revision + 1
    rows = PolicyChange.objects.filter(revision=version().revision)
    assert [(row.action, row.reason) for row in rows.order_by("pk")] == [
        ("tidied", "clean-up"),
        ("tidied", "inner"),
        ("tidied", "clean-up"),
    ]


def _write_and_fail(grant: TrustedOrigin) -> None:
    with policy_write():
        _save(grant, expires_at=SOON)
        raise ZeroDivisionError


def test_failed_write_leaves_nothing(grant: TrustedOrigin) -> None:
    before, stories = version(), PolicyChange.objects.count()
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(grant)
    assert version() == before
    assert PolicyChange.objects.count() == stories
    grant.refresh_from_db()
    assert grant.expires_at is None
    # No stamp survives its block: the next write takes a revision of its own.
    _save(grant, expires_at=SOON)
    assert version().revision == before.revision + 1


def test_story_tells_who_how_and_why(grant: TrustedOrigin) -> None:
    ana = UserFactory.create(username="ana")
    with writing("admin", batch="b1"), policy_write(actor=ana, reason="because"):
        _save(grant, expires_at=SOON)
    row = PolicyChange.objects.latest("pk")
    assert (row.actor_id, row.actor_label, row.source, row.batch) == (ana.pk, "ana", "admin", "b1")
    assert (row.action, row.reason, row.revision) == ("changed", "because", version().revision)
    assert row.target == f"trustedorigin:production/public/{grant.origin}"
    assert row.before is not None
    assert row.after is not None
    assert (row.before["expires_at"], row.after["expires_at"]) == (None, SOON.isoformat())


def test_every_version_stands_in_the_story(grant: TrustedOrigin) -> None:
    with policy_write(action="migrated"):
        pass
    row = PolicyChange.objects.latest("pk")
    assert (row.action, row.target, row.revision, row.token) == ("migrated", "policystate:1", *version())


def test_story_outlives_its_actor(grant: TrustedOrigin) -> None:
    ana = UserFactory.create(username="ana")
    with policy_write(actor=ana):
        _save(grant, expires_at=SOON)
    User.objects.filter(pk=ana.pk).delete()
    row = PolicyChange.objects.latest("pk")
    assert (row.actor_id, row.actor_label) == (None, "ana")


def test_bulk_call_leaves_one_summary(grant: TrustedOrigin) -> None:
    stories = PolicyChange.objects.count()
    rows = [
        TrustedOrigin(environment=grant.environment, api_group=grant.api_group, origin=f"https://b{n}.example.com")
        for n in range(120)
    ]
    TrustedOrigin.objects.bulk_create(rows)
    assert PolicyChange.objects.count() == stories + 1
    summary = PolicyChange.objects.latest("pk")
    assert summary.after is not None
    assert (summary.target, summary.after["count"], len(summary.after["targets"])) == ("trustedorigin:*", 120, 50)
    assert set(TrustedOrigin.objects.exclude(pk=grant.pk).values_list("revision", flat=True)) == {version().revision}


def test_story_cannot_be_rewritten(grant: TrustedOrigin) -> None:
    row = PolicyChange.objects.latest("pk")
    for attempt in (
        row.save,
        row.delete,
        PolicyChange.objects.all().delete,
        lambda: PolicyChange.objects.update(reason="x"),
    ):
        with pytest.raises(TypeError, match="append-only"):
            attempt()


# --- what skips save --------------------------------------------------------------------------------------------------


def test_loaddata_counts_and_rebuilds(grant: TrustedOrigin, tmp_path: Path) -> None:
    fixture = tmp_path / "grants.json"
    row = {"environment": grant.environment_id, "api_group": grant.api_group_id, "origin": "https://f.example.com"}
    fixture.write_text(json.dumps([{"model": "cors_guard.trustedorigin", "fields": row}]))
    before = version()
    call_command("loaddata", str(fixture), verbosity=0)
    assert version().revision == before.revision + 1
    assert rebuild() == version().revision
    assert TrustedOrigin.objects.get(origin="https://f.example.com").revision == version().revision


def test_loaddata_of_a_saved_state_never_brings_back_a_version(grant: TrustedOrigin, tmp_path: Path) -> None:
    fixture = tmp_path / "all.json"
    call_command("dumpdata", "cors_guard", "--exclude", "cors_guard.policychange", output=str(fixture), verbosity=0)
    before = version()
    _save(grant, expires_at=SOON)
    later = version()
    call_command("loaddata", str(fixture), verbosity=0)
    assert version().revision > later.revision
    assert version().token not in {before.token, later.token}


def test_migrate_and_flush_leave_a_state_row_with_a_new_version(grant: TrustedOrigin) -> None:
    before = version()
    call_command("migrate", "cors_guard", verbosity=0)
    assert version() != before
    assert rebuild() == version().revision
    PolicyState.objects.all().delete()
    call_command("migrate", "cors_guard", verbosity=0)
    assert PolicyState.objects.count() == 1


def test_missing_state_row_is_no_obstacle(grant: TrustedOrigin) -> None:
    PolicyState.objects.all().delete()
    assert version() == (0, "")
    _save(grant, expires_at=SOON)
    assert version().revision == 1


@pytest.mark.django_db(transaction=True)
def test_context_that_outlives_its_write_takes_a_revision_of_its_own(grant: TrustedOrigin) -> None:
    """Tasks and executors copy the context of whoever starts them."""
    with policy_write() as write:
        copied = copy_context()
    copied.run(_save, grant, expires_at=SOON)
    assert version().revision == write.revision + 1


def test_abandoned_write_does_not_swallow_later_revisions(grant: TrustedOrigin) -> None:
    abandoned = policy_write()
    abandoned.__enter__()
    with policy_write():
        abandoned.__exit__(None, None, None)
    before = version()
    _save(grant, expires_at=SOON)
    assert version().revision == before.revision + 1


def test_save_takes_column_names_and_positions_as_django_does(grant: TrustedOrigin) -> None:
    other = ApiGroupFactory.create(slug="other")
    route = ApiRoute.objects.get()
    route.api_group = other
    before = version()
    route.save(update_fields=["api_group_id"])
    assert ApiRoute.objects.get().api_group == other
    assert version() != before
    with pytest.raises(IntegrityError), transaction.atomic():
        TrustedOrigin(pk=grant.pk, environment=grant.environment, api_group=other, origin="https://x.example").save(
            force_insert=True
        )


def test_update_of_values_counts_too(grant: TrustedOrigin) -> None:
    before = version()
    TrustedOrigin.objects.values("origin").filter(pk=grant.pk).update(expires_at=SOON)
    assert version() != before


@pytest.mark.parametrize(
    "undo",
    [
        pytest.param(lambda g: TrustedOrigin.objects.update(revoked_at=None), id="QuerySet.update"),
        pytest.param(lambda g: _in_bulk(g, revoked_at=None), id="bulk_update"),
        pytest.param(lambda g: g.environment.trusted_origins.update(revoked_at=None), id="related manager"),
    ],
)
def test_bulk_write_cannot_take_back_a_revocation(
    grant: TrustedOrigin, undo: Callable[[TrustedOrigin], object]
) -> None:
    _save(grant, revoked_at=timezone.now())
    with pytest.raises(InvalidRequest, match="reinstate"):
        undo(grant)
    assert TrustedOrigin.objects.get().revoked_at is not None


# --- lost updates -----------------------------------------------------------------------------------------------------


def test_stale_instance_cannot_take_back_a_revocation(grant: TrustedOrigin) -> None:
    stale = TrustedOrigin.objects.get(pk=grant.pk)
    _save(grant, revoked_at=timezone.now(), revoke_reason="leaked")
    stale.expires_at = SOON
    with pytest.raises(RevokedOrigin, match="leaked"):
        stale.save()
    grant.refresh_from_db()
    assert grant.revoked_at is not None


def test_stale_instance_with_another_note_keeps_the_policy_fields(grant: TrustedOrigin) -> None:
    stale = TrustedOrigin.objects.get(pk=grant.pk)
    stale.note = "seen"
    stale.save()
    fresh = TrustedOrigin.objects.get(pk=grant.pk)
    fresh.save(update_fields=["note"])
    assert fresh.note == "seen"


@pytest.mark.parametrize("field", ["origin", "environment", "api_group"])
def test_grant_stays_where_it_is(grant: TrustedOrigin, field: str) -> None:
    others = {
        "origin": "https://else.example.com",
        "environment": EnvironmentFactory.create(slug="staging"),
        "api_group": ApiGroupFactory.create(slug="other"),
    }
    target = grant.target()
    with pytest.raises(InvalidRequest):
        _save(grant, **{field: others[field]})
    assert TrustedOrigin.objects.get(pk=grant.pk).target() == target


@pytest.mark.parametrize("origin", ["https://app.example.com/path", "null", "*", "app.example.com", ""])
def test_create_refuses_what_is_no_origin(origin: str) -> None:
    with pytest.raises(RefusedOrigin):
        TrustedOriginFactory.create(origin=origin)
    assert not TrustedOrigin.objects.exists()


def test_create_stores_the_canonical_form() -> None:
    assert TrustedOriginFactory.create(origin=" HTTPS://App.Example.com:443/ ").origin == "https://app.example.com"


# --- constraints of the database itself -------------------------------------------------------------------------------

CONSTRAINTS: list[Any] = [
    pytest.param(lambda g: ApiGroup.objects.update(any_origin=True, allow_credentials=True), id="open + credentials"),
    pytest.param(lambda g: ApiGroup.objects.update(max_age=90_000), id="max-age over a day"),
    pytest.param(lambda g: Environment.objects.update(mode="lenient"), id="unknown mode"),
    pytest.param(lambda g: GroupMode.objects.update(mode=""), id="no mode"),
    pytest.param(lambda g: Environment.objects.update(slug=""), id="no slug"),
    pytest.param(lambda g: TrustedOrigin.objects.update(origin=""), id="no origin"),
    pytest.param(lambda g: ApiRoute.objects.update(path_prefix="api"), id="prefix without slash"),
    pytest.param(
        lambda g: TrustedOrigin.objects.bulk_create(
            [TrustedOrigin(environment=g.environment, api_group=g.api_group, origin=g.origin)]
        ),
        id="same grant twice",
    ),
    pytest.param(
        lambda g: ApiRoute.objects.bulk_create([ApiRoute(api_group=g.api_group, path_prefix="/api/public")]),
        id="same route twice",
    ),
    pytest.param(lambda g: PolicyState.objects.create(id=2), id="second state row"),
    pytest.param(lambda g: g.environment.delete(), id="environment with grants"),
    pytest.param(lambda g: FrontEnd.objects.create(slug=""), id="front end without slug"),
]


@pytest.mark.parametrize("write", CONSTRAINTS)
def test_database_refuses(grant: TrustedOrigin, write: Callable[[TrustedOrigin], object]) -> None:
    before = version()
    with pytest.raises(IntegrityError), transaction.atomic():
        write(grant)
    assert version() == before


def test_natural_keys_find_their_rows(grant: TrustedOrigin) -> None:
    assert TrustedOrigin.objects.get_by_natural_key("production", "public", grant.origin) == grant
    assert grant.natural_key() == ("production", "public", grant.origin)
    assert Environment.objects.get_by_natural_key("production") == grant.environment
