"""Run Django's CSRF tests against the guard's middleware: `python -m tests.django_suite.run`, which prints JSON.

Each case runs in every way in which Django itself calls a middleware. Meanwhile a policy trusts an origin for CSRF on
every path, so that the list is asked wherever Django refuses one.
"""

import asyncio
import importlib
import io
import json
import sys
import unittest
from contextlib import redirect_stdout
from typing import Any

import django
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from django_cors_guard.core import policy as core
from django_cors_guard.core.compilation import compile_policy
from tests.django_suite.fetch import FOLDER

APPS = ["csrf_tests", "flatpages_tests"]
LABELS = ["csrf_tests", "decorators.test_csrf", "deprecation.test_middleware_mixin", "flatpages_tests.test_csrf"]


def configure() -> None:
    """Set up a project of Django's test apps and the guard, much as Django's own runner does."""
    # Behind everything else: Django's test packages have names such as `decorators`.
    sys.path.append(str(FOLDER))
    contrib = ("contenttypes", "auth", "sites", "sessions", "messages", "flatpages", "redirects")
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in contrib), "django_cors_guard", *APPS],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        ROOT_URLCONF="urls",
        SECRET_KEY="only-for-tests",
        SITE_ID=1,
        SILENCED_SYSTEM_CHECKS=["cors_guard.E004", "cors_guard.W003", "cors_guard.W006"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [FOLDER / "templates"],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth"]},
            }
        ],
        USE_TZ=False,
    )
    django.setup()


def take_djangos_place() -> list[Any]:
    """Put the guard's class where Django's tests and decorators take it from; return what each verdict goes to."""
    # Not before there are settings.
    djangos: Any = importlib.import_module("django.middleware.csrf")
    ours: Any = importlib.import_module("django_cors_guard.csrf")
    verdicts: list[Any] = []
    judge, policy = ours.judge_csrf, make_policy()

    def note(*facts: Any) -> Any:
        verdicts.append(judge(*facts))
        return verdicts[-1]

    ours.judge_csrf = note
    ours._policy = lambda: policy
    djangos.CsrfViewMiddleware = ours.CsrfViewMiddleware
    importlib.reload(importlib.import_module("django.views.decorators.csrf"))
    return verdicts


def make_policy() -> Any:
    """Trust one origin for CSRF on every path."""
    group = core.GroupRow("everything", allow_credentials=True, trusted_for_csrf=True)
    source = core.PolicySource(
        slug="production",
        environment=core.EnvironmentRow("production"),
        groups=(group,),
        routes=(core.RouteRow("everything", "/"),),
        grants=(("everything", "https://front-end.example", None, False),),
    )
    return compile_policy(source, now=0)


def call_directly(method: Any, *arguments: Any) -> Any:
    """As WSGI does."""
    return method(*arguments)


def call_in_thread(method: Any, *arguments: Any) -> Any:
    """As ASGI does: in a thread, awaited by the event loop."""
    in_thread = sync_to_async(method, thread_sensitive=True)
    return method(*arguments) if is_on_loop() else async_to_sync(in_thread)(*arguments)


def call_on_loop(method: Any, *arguments: Any) -> Any:
    """As the decorator of an async view does."""

    async def call() -> Any:
        return method(*arguments)

    return method(*arguments) if is_on_loop() else async_to_sync(call)()


def is_on_loop() -> bool:
    """Whether the case at hand is async itself, and calls by the decorator of an async view."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_suite(call: Any) -> dict[str, Any]:
    """Run every case, the middleware's ``process_view`` by ``call``; return what came of it."""
    from django.test.runner import DiscoverRunner  # noqa: PLC0415 - not before there are settings

    from django_cors_guard.csrf import CsrfViewMiddleware  # noqa: PLC0415

    inherited = CsrfViewMiddleware.process_view
    CsrfViewMiddleware.process_view = lambda *arguments: call(inherited, *arguments)  # type: ignore[method-assign]
    output = io.StringIO()
    try:
        runner: Any = DiscoverRunner(verbosity=0, interactive=False)
        runner.test_runner = lambda **options: unittest.TextTestRunner(**options | {"stream": output})
        suite = runner.build_suite(LABELS)
        with redirect_stdout(output):
            runner.setup_test_environment()
            databases = runner.setup_databases()
            try:
                result = runner.run_suite(suite)
            finally:
                runner.teardown_databases(databases)
                runner.teardown_test_environment()
    finally:
        CsrfViewMiddleware.process_view = inherited  # type: ignore[method-assign]
    return {
        "ran": result.testsRun,
        "skipped": [str(test) for test, _ in result.skipped],
        "failed": [str(test) for test, _ in (*result.failures, *result.errors)],
        "output": output.getvalue()[-6000:],
    }


def main() -> None:
    """Print what came of each way to call."""
    configure()
    verdicts = take_djangos_place()
    found = {}
    for call in (call_directly, call_in_thread, call_on_loop):
        verdicts.clear()
        found[call.__name__] = run_suite(call) | {"asked": len(verdicts), "verdicts": sorted(set(verdicts))}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
