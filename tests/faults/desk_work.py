"""What the desk can do, each in a transaction of its own."""

import contextlib
import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.core import signing
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Sum

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, PolicyState, Rejection, TrustedOrigin
from tests.faults.desk import ENVIRONMENT, GROUP

#: What the policy consists of: a backup restores these together.
POLICY_TABLES = tuple(model._meta.db_table for model in (PolicyState, Environment, ApiGroup, ApiRoute, TrustedOrigin))


def migrate(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("migrate", *arguments, verbosity=0)


def move_in(trusted: list[str], revoked: list[str]) -> None:
    """Migrate and furnish, all at once: nobody sees the tables without the policy in them."""
    with transaction.atomic():
        migrate()
        furnish(trusted, revoked)


def furnish(trusted: list[str], revoked: list[str]) -> None:
    """Make an environment and a group, with origins trusted in it and others revoked."""
    Environment.objects.create(slug=ENVIRONMENT, name=ENVIRONMENT)
    group = ApiGroup.objects.create(slug=GROUP, name=GROUP, allow_methods=["GET", "HEAD", "POST"])
    ApiRoute.objects.create(api_group=group, path_prefix="/api/public")
    for origin in [*trusted, *revoked]:
        trust(origin)
    for origin in revoked:
        revoke(origin)


def trust(origin: str) -> None:
    """Trust it, whatever was before."""
    grant = TrustedOrigin.objects.filter(origin=origin, environment__slug=ENVIRONMENT, api_group__slug=GROUP).first()
    if grant is not None and grant.revoked_at is not None:
        services.reinstate(grant, reason="trusted again")
    else:
        services.trust(origin, environment=ENVIRONMENT, api_group=GROUP)


def revoke(origin: str) -> None:
    services.revoke_origin(origin, reason="revoked in a test")


def turn(origin: str, trusted: bool, in_full: bool) -> None:
    """Trust or revoke it; ``in_full`` asks every process for a full load, which is what a cache is for."""
    with transaction.atomic():
        (trust if trusted else revoke)(origin)
        if in_full:
            PolicyState.mark_rebuild("default", PolicyState.read("default").revision)


def counted() -> int:
    """Return how many refusals the audit has."""
    return Rejection.objects.aggregate(total=Sum("count"))["total"] or 0


def version() -> list[Any]:
    return list(PolicyState.read("default"))


def execute(*statements: str) -> None:
    """Run SQL, all of it or nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def back_up() -> None:
    """Keep the policy as it is now."""
    # The names are the models' own.
    execute(*(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in POLICY_TABLES))  # noqa: S608


def restore(origin: str = "") -> list[Any]:
    """Put the kept policy back, by SQL alone; then, in the same transaction, trust ``origin``, if given."""
    with transaction.atomic():
        execute(*(f"DELETE FROM {table}" for table in reversed(POLICY_TABLES)))  # noqa: S608
        execute(*(f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in POLICY_TABLES))  # noqa: S608
        if origin:
            trust(origin)
    return version()


def revoke_and_plant(origin: str, module: str, how: str) -> None:
    """Revoke ``origin``, and before that can be seen put a cache entry in the place of its version that trusts it."""
    cache = import_module(module)
    with transaction.atomic():
        before = PolicyState.read("default")
        honest = caches["default"].get(cache.key_of(ENVIRONMENT, before))
        turn(origin, trusted=False, in_full=True)
        after = PolicyState.read("default")
        caches["default"].set(cache.key_of(ENVIRONMENT, after), _forge(how, honest, cache, list(after)), None)


def _forge(how: str, honest: Any, cache: Any, after: list[Any]) -> Any:
    """Return an entry in the place of the version ``after``; ``honest`` is the true one of the version before."""
    salt, schema = cache._SALT, cache.CACHE_SCHEMA
    data = {**signing.loads(honest, salt=salt), "version": [schema, ENVIRONMENT, *after]}
    older = {**data, "version": [schema - 1, ENVIRONMENT, *after]}
    return {
        "garbage": "\x00\xff not a policy",
        "no string": {"version": [1, 2, 3]},
        "another version": honest,
        "another key": signing.dumps(data, key="somebody else's", salt=salt, compress=True),
        "another purpose": signing.dumps(data, salt="another purpose", compress=True),
        "older schema": signing.dumps(older, salt=salt, compress=True),
        "older form": signing.dumps({"version": data["version"], "origins": {}}, salt=salt, compress=True),
    }[how]


WORK: dict[str, Callable[..., Any]] = {
    work.__name__: work
    for work in (
        migrate,
        move_in,
        furnish,
        trust,
        revoke,
        turn,
        counted,
        version,
        execute,
        back_up,
        restore,
        revoke_and_plant,
    )
}
