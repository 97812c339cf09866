"""What the services raise."""

import inspect

from django_cors_guard import exceptions
from docs.generated import described
from docs.generated.markdown import code


def find_exceptions() -> dict[str, type[exceptions.CorsGuardError]]:
    """Return the app's own exceptions, in the order of their module."""
    return {
        name: thing
        for name, thing in vars(exceptions).items()
        if inspect.isclass(thing)
        and issubclass(thing, exceptions.CorsGuardError)
        and thing.__module__ == exceptions.__name__
    }


def describe() -> str:
    """Return a description of each exception."""
    return "\n\n".join(
        described.describe(exceptions.__name__, name, thing, f"Its `code` is {code(thing.code)}.")
        for name, thing in find_exceptions().items()
    )
