"""The suite on each supported Python with each Django that supports it: ``nox -l`` lists the pairs.

``make test`` runs it on every database: PostgreSQL with the newest pair at hand, the others with the oldest. This runs
it on SQLite, on each pair whose Python is installed, and skips the others.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

#: Each Django with the Pythons that it supports.
SUPPORTED = {
    "5.2": ("3.11", "3.12", "3.13", "3.14"),
    "6.0": ("3.12", "3.13", "3.14"),
    "6.1": ("3.12", "3.13", "3.14"),
}
PAIRS = [(python, django) for django, pythons in SUPPORTED.items() for python in pythons]


@nox.session
@nox.parametrize(("python", "django"), PAIRS)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite, but for what brings up browsers and servers; arguments after ``--`` go to pytest."""
    session.install("--quiet", "-r", "requirements/dev.txt", f"django~={django}.0")
    session.run("python", "-m", "pytest", "-m", "not browser and not servers", "-n", "auto", *session.posargs)
