"""What the services raise. Every one says what is wrong and what to do, in words an operator can act on."""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem
from django_cors_guard.wording import word_problem


class CorsGuardError(Exception):
    """Base of what a caller of the services may want to catch. ``code`` is stable."""

    code = "cors_guard_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RefusedOrigin(CorsGuardError):
    """An origin cannot be trusted as asked. ``problems`` lists everything that is wrong with it."""

    code = "refused_origin"

    def __init__(self, origin: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(word_problem(problem) for problem in problems))
        self.origin = origin
        self.problems = problems


class RevokedOrigin(CorsGuardError):
    """The grant was revoked; only ``reinstate`` with a reason undoes that."""

    code = "revoked_origin"

    def __init__(self, origin: str, *, by: str, at: datetime, reason: str) -> None:
        super().__init__(
            _("%(origin)s was revoked by %(by)s on %(at)s (%(reason)s). To trust it again, reinstate it with a reason.")
            % {
                "origin": origin,
                "by": by or _("an unknown user"),
                "at": at.strftime("%Y-%m-%d %H:%M UTC"),
                "reason": reason or _("no reason given"),
            }
        )
        self.origin = origin
        self.by = by
        self.at = at
        self.reason = reason


class ClosedToIssuers(RevokedOrigin):
    """As an account of CI is told of a revocation: neither who revoked nor why, for its logs may be public."""

    def __init__(self, origin: str, *, at: datetime) -> None:
        super().__init__(origin, by="", at=at, reason="")
        self.message = _("%(origin)s was revoked. Only an operator can have it trusted again.") % {"origin": origin}
        self.args = (self.message,)


class UnknownName(CorsGuardError):
    """No environment, API group or front end goes by that slug. ``known`` lists those that exist."""

    code = "unknown_name"

    def __init__(self, noun: str, slug: str, known: tuple[str, ...]) -> None:
        text = _("There is no %(noun)s “%(slug)s”.") % {"noun": noun, "slug": slug}
        if nearest := get_close_matches(slug, known, n=1):
            text += " " + _("Did you mean “%(nearest)s”?") % {"nearest": nearest[0]}
        there_is = _("There is: %(known)s.") % {"known": ", ".join(known[:20])} if known else _("There are none yet.")
        super().__init__(f"{text} {there_is}")
        self.noun = noun
        self.slug = slug
        self.known = known


class InvalidRequest(CorsGuardError):
    """The call makes no sense as it stands: a reason is missing, a time lies in the past."""

    code = "invalid_request"


class ProtectedEnvironment(CorsGuardError, PermissionDenied):
    """The actor lacks ``change_protected_environment``."""

    code = "protected_environment"

    def __init__(self, slugs: tuple[str, ...]) -> None:
        super().__init__(
            _(
                "This would change a protected environment (%(slugs)s), which needs the permission "
                "“Can change protected environments”. Ask somebody who has it."
            )
            % {"slugs": ", ".join(slugs)}
        )
        self.slugs = slugs


class NotIssuable(CorsGuardError, PermissionDenied):
    """An account may not have this origin trusted, there or for that long: no issuer of its says so."""

    code = "not_issuable"


class TooManyActive(CorsGuardError):
    """An issuer has as many grants in force as it may; ``active`` of ``most``."""

    code = "too_many_active"

    def __init__(self, issuer: str, *, active: int, most: int) -> None:
        super().__init__(
            _(
                "The issuer “%(issuer)s” may have %(most)d grants in force, and has %(active)d. End those of previews "
                "that are gone, or wait until they end by themselves."
            )
            % {"issuer": issuer, "most": most, "active": active}
        )
        self.active = active
        self.most = most


class TooManyNew(TooManyActive):
    """An issuer has had as many new grants within a day as it may; ``active`` are those."""

    def __init__(self, issuer: str, *, active: int, most: int) -> None:
        super().__init__(issuer, active=active, most=most)
        self.message = _(
            "The issuer “%(issuer)s” may have %(most)d new origins trusted within a day, and has had %(active)d. Wait, "
            "or ask an operator."
        ) % {"issuer": issuer, "most": most, "active": active}
        self.args = (self.message,)


class ManagedElsewhere(CorsGuardError):
    """There is a grant that is not the issuer's own, and that lets nobody in: only an operator may touch it."""

    code = "managed_elsewhere"

    def __init__(self, origin: str, places: tuple[str, ...]) -> None:
        super().__init__(
            _(
                "%(origin)s has a grant that is not this account's and that is not in force (%(places)s). "
                "Ask an operator."
            )
            % {"origin": origin, "places": ", ".join(places)}
        )
        self.origin = origin
        self.places = places
