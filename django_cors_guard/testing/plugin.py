"""The pytest plugin. Installing the package is enough; ``pytest_plugins = ["django_cors_guard.testing.plugin"]`` else.

pytest imports it in every project of the environment, so it imports neither Django nor anything that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def cors_guard_trusted() -> Iterator[Callable[..., None]]:
    """A function that takes what ``django_cors_guard.testing.trusted`` takes, for the rest of the test.

    ``cors_guard_trusted("https://app.example", group="billing")``; called again, it adds. What was refused in the
    test and not flushed is dropped at its end.
    """
    # Only a test that asks for it needs Django, which by then is set up.
    from django_cors_guard.testing.rejections import forget_rejections  # noqa: PLC0415
    from django_cors_guard.testing.trust import trusted  # noqa: PLC0415

    with ExitStack() as blocks:

        def trust(*origins: str, **settings: object) -> None:
            blocks.enter_context(trusted(*origins, **settings))  # type: ignore[arg-type]  # checked by `trusted` itself

        yield trust
        forget_rejections()
