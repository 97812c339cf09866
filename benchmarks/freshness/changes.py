"""What a writer can do to the policy, each way committed when the function returns, but for ``begin``."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    PolicyState,
    TrustedOrigin,
    policy_write,
)

ENVIRONMENT: Final = "production"
GROUP: Final = "public"
PATH: Final = "/api/public/hello"

_open = ExitStack()


def furnish(trusted: list[str]) -> str:
    """Make an environment and a group, trust ``trusted``; return the key of a session with an administrator in it."""
    Environment.objects.get_or_create(slug=ENVIRONMENT, defaults={"name": ENVIRONMENT})
    group, is_new = ApiGroup.objects.get_or_create(slug=GROUP, defaults={"name": GROUP, "allow_methods": ["GET"]})
    if is_new:
        ApiRoute.objects.create(api_group=group, path_prefix="/api/public")
    bulk_create(sorted(set(trusted) - set(TrustedOrigin.objects.values_list("origin", flat=True))))
    users, client = get_user_model().objects, Client()
    client.force_login(users.filter(username="root").first() or users.create_superuser("root"))
    return str(client.session.session_key)


def open_paths(paths: list[str]) -> None:
    """Make an API group for each path that any origin may call, with a mode of its own."""
    environment = Environment.objects.get(slug=ENVIRONMENT)
    for path in paths:
        slug = path.strip("/").replace("/", "-")
        group = ApiGroup.objects.create(slug=slug, name=slug, any_origin=True, allow_methods=["GET"])
        ApiRoute.objects.create(api_group=group, path_prefix=path)
        GroupMode.objects.create(environment=environment, api_group=group, mode="block")


def trust(origin: str) -> None:
    """Trust it through the service."""
    services.trust(origin, environment=ENVIRONMENT, api_group=GROUP)


def revoke(origin: str) -> None:
    """Revoke it through the service."""
    services.revoke_origin(origin, reason="a trial")


def update(origin: str) -> None:
    """Have it expire, by a query alone."""
    TrustedOrigin.objects.filter(origin=origin).update(expires_at=timezone.now() - timedelta(seconds=1))


def bulk_create(origins: list[str]) -> None:
    """Trust all of them in one statement."""
    environment, group = Environment.objects.get(slug=ENVIRONMENT), ApiGroup.objects.get(slug=GROUP)
    TrustedOrigin.objects.bulk_create(
        [TrustedOrigin(environment=environment, api_group=group, origin=origin) for origin in origins]
    )


def delete_group(path: str) -> None:
    """Delete the API group of ``path``; its route and mode go with it."""
    ApiGroup.objects.get(slug=path.strip("/").replace("/", "-")).delete()


def load_fixture(origin: str) -> None:
    """Trust it by ``loaddata``."""
    fields = {"environment": [ENVIRONMENT], "api_group": [GROUP], "origin": origin, "created_at": str(timezone.now())}
    with tempfile.TemporaryDirectory() as directory:
        fixture = Path(directory, "grant.json")
        fixture.write_text(json.dumps([{"model": "cors_guard.trustedorigin", "fields": fields}]))
        call_command("loaddata", str(fixture), verbosity=0)


def find_grant(origin: str) -> int:
    """Return the id of its grant."""
    grant: int = TrustedOrigin.objects.values_list("pk", flat=True).get(origin=origin)
    return grant


def begin() -> None:
    """Begin a transaction that has read the policy's state, and leave it open."""
    _open.enter_context(transaction.atomic())
    PolicyState.objects.get()


def commit() -> None:
    """Commit what ``begin`` has opened."""
    _open.close()


def bump() -> int:
    """Commit a state of the policy that differs in its revision alone, and return that."""
    with policy_write(action="bumped") as write:
        return write.revision
