"""The database the policy lives in, and what to tell the operator when it cannot be used."""

from __future__ import annotations

from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connections, router
from django.utils.translation import gettext as _

from django_cors_guard.models import PolicyState

#: Trouble with the database itself; anything else that it raises is a fault of the code.
DATABASE_ERRORS: Final = (OperationalError, ProgrammingError, InterfaceError)


def alias() -> str:
    """Return the alias of the database that the policy is written to."""
    return router.db_for_write(PolicyState)


def describe_trouble(error: Exception) -> str:
    """Return what is wrong with the database and what to do, in a sentence or two."""
    using = alias()
    if _lacks_tables(using):
        return _("The guard's tables are not in the database “%(alias)s” yet. Create them with: manage.py migrate") % {
            "alias": using
        }
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _("The database “%(alias)s” cannot be used: %(error)s. Is it up, and has manage.py migrate been run?") % {
        "alias": using,
        "error": lines[0].rstrip("."),
    }


def _lacks_tables(using: str) -> bool:
    try:
        return PolicyState._meta.db_table not in connections[using].introspection.table_names()
    except (DatabaseError, InterfaceError):
        return False
