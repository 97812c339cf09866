"""Who may do what: the model permissions that each action of a view names, and nothing for anybody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol, cast

from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from django_cors_guard.models import Environment
from django_cors_guard.services import find_issuers

VIEW_REJECTIONS: Final = "cors_guard.view_rejection"
VIEW_PII: Final = "cors_guard.view_rejection_pii"
VIEW_ORIGINS: Final = "cors_guard.view_trustedorigin"
ADD_ORIGINS: Final = "cors_guard.add_trustedorigin"
CHANGE_ORIGINS: Final = "cors_guard.change_trustedorigin"
VIEW_ENVIRONMENTS: Final = "cors_guard.view_environment"
VIEW_POLICY: Final = "cors_guard.view_policystate"
VIEW_CARDS: Final = "cors_guard.view_rejectedorigin"
CHANGE_CARDS: Final = "cors_guard.change_rejectedorigin"
VIEW_USAGE: Final = "cors_guard.view_originusage"
VIEW_CHANGES: Final = "cors_guard.view_policychange"
VIEW_FRONT_ENDS: Final = "cors_guard.view_frontend"
VIEW_GROUPS: Final = "cors_guard.view_apigroup"


class GuardedView(Protocol):
    """A view that names its permissions: all of those listed under an action are needed for it."""

    permissions: ClassVar[Mapping[str, tuple[str, ...]]]
    action: str | None
    action_map: dict[str, str]


class ActionPermissions(BasePermission):
    """Asks for the permissions of the view's action; an action that names none is closed to everybody.

    Requests that reach no action (OPTIONS, methods that the address does not take) are for those who may do
    something at the address: to others not even the list of methods is confirmed.
    """

    message: str = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the user may do it; ``message`` names what is missing."""
        wanted = _find_wanted(cast(GuardedView, view))
        if any(may(request, *permissions) for permissions in wanted):
            return True
        self.message = word_missing(wanted)
        return False


class IssuersToo(ActionPermissions):
    """Also lets in accounts that have an issuer: what they may do, and with which origins, the services decide."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the user may do something there."""
        return bool(find_issuers(request.user)) or super().has_permission(request, view)


def may(request: Request, *permissions: str) -> bool:
    """Whether the request's user is signed in and has all of ``permissions``; without any named: never."""
    user: Any = request.user
    # With UNAUTHENTICATED_USER = None there is no user at all, and a stateless one may know no permissions.
    if user is None or not user.is_authenticated or not permissions:
        return False
    has_perms = getattr(user, "has_perms", None)
    return bool(has_perms is not None and has_perms(permissions))


def may_view(request: Request, environment: Environment) -> bool:
    """Whether the user may view this environment, by a backend that knows of single objects."""
    user: Any = request.user
    has_perm = getattr(user, "has_perm", None)
    return bool(has_perm is not None and has_perm(VIEW_ENVIRONMENTS, environment))


def word_missing(wanted: Iterable[tuple[str, ...]]) -> str:
    """Return in words which permissions, all of one of these, are lacking."""
    names = " / ".join(", ".join(permissions) for permissions in wanted)
    return _("This needs a permission that you lack: %(names)s.") % {"names": names}


def _find_wanted(view: GuardedView) -> list[tuple[str, ...]]:
    own = view.permissions.get(view.action or "")
    if own is not None:
        return [own]
    actions = dict.fromkeys(view.action_map.values())
    return [view.permissions[action] for action in actions if action in view.permissions]
