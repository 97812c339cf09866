"""How the process that answers stands: which policy it has, and how fresh that is; and where a revision is out."""

from __future__ import annotations

from typing import Any

from django.db import Error, router
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import __version__, conf, services
from django_cors_guard.api.errors import ErrorItem, InvalidInput, show
from django_cors_guard.api.numbers import BadNumber, read_number
from django_cors_guard.api.permissions import VIEW_POLICY
from django_cors_guard.api.serializers.status import StatusSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models import PolicyState
from django_cors_guard.models.revision import Version
from django_cors_guard.services.propagation import reports_from
from django_cors_guard.store import store


class StatusViewSet(GuardViewSet):
    """The state of one process: behind a load balancer, each answer may be another one's."""

    permissions = {"show": (VIEW_POLICY,)}
    taking = {"show": ("revision", "environment")}
    serializer_class = StatusSerializer

    def show(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return how fresh the policy is, what the database holds, and how processes stand to a ``revision``."""
        found = _describe()
        revision = _read_revision(request, found["database_revision"])
        if revision is not None:
            found |= _describe_processes(revision, request.query_params.get("environment"))
        return Response(self.get_serializer(found).data)


def _read_revision(request: Request, newest: int | None) -> int | None:
    text = request.query_params.get("revision")
    if text is None:
        if "environment" in request.query_params:
            text = _("“environment” goes with “revision”: say which revision, as a receipt names it.")
            raise InvalidInput([ErrorItem("missing_revision", text, "environment")])
        return None
    try:
        revision = read_number(text, least=1)
    except BadNumber as error:
        raise InvalidInput([ErrorItem(error.code, str(error), "revision", show(text))]) from error
    if newest is not None and revision > newest:
        text = _("There is no revision %(revision)d yet: the database is at %(newest)d.")
        values = {"revision": revision, "newest": newest}
        raise InvalidInput([ErrorItem("unknown_revision", text % values, "revision", str(revision))])
    return revision


def _describe_processes(revision: int, environment: str | None) -> dict[str, Any]:
    try:
        _check_environment(environment)
        found = services.describe_processes(revision, environments=None if environment is None else [environment])
    except Error:
        return {"asked_revision": revision, "everywhere": None, "counts": None, "processes": None}
    return {
        "asked_revision": revision,
        "everywhere": found.everywhere,
        "counts": found,
        "processes": found.processes,
    }


def _check_environment(environment: str | None) -> None:
    """Of a name that was misspelt everything would be true."""
    if environment is None or (conf.is_slug(environment) and reports_from(environment)):
        return
    text = _("There is no environment “%(slug)s”, and no process reports one.") % {"slug": show(environment)}
    raise InvalidInput([ErrorItem(UnknownName.code, text, "environment", show(environment))])


def _describe() -> dict[str, Any]:
    policy = store.current()
    fresh = store.freshness()
    version = _read_version()
    config = conf.current()
    return {
        "version": __version__,
        "environment": config.environment,
        "known_environment": fresh.known,
        "mode": policy.own.mode if policy is not None else None,
        "max_mode": config.max_mode,
        "revision": fresh.revision,
        "database_revision": version.revision if version is not None else None,
        "is_current": policy is not None and policy.version == version,
        "age_seconds": fresh.age_seconds,
        "refresh_seconds": config.refresh_seconds,
        "failures": fresh.failures,
        "lapsed": fresh.lapsed,
        "switched_off": fresh.switched_off,
    }


def _read_version() -> Version | None:
    try:
        return PolicyState.read(router.db_for_write(PolicyState))
    except Error:
        # Whoever asks for the status while the database is away should get it.
        return None
