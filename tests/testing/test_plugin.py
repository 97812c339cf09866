"""The pytest plugin, in small projects of their own: nothing of this suite's settings helps them."""

from pathlib import Path

import pytest

from tests.testing.projects import NO_DATABASE, begin, install, run, run_pytest, write

HELPERS = """
    from django.test import Client

    APP = "https://app.example"
    OTHER = "https://other.example"

    def allows(origin):
        response = Client().get("/api/invoices", headers={"origin": origin})
        return response.headers.get("Access-Control-Allow-Origin") == origin
"""

TESTS = """
    from helpers import APP, OTHER, allows

    from django_cors_guard.testing import pending_rejections

    def test_fixture_trusts_for_the_rest_of_the_test(cors_guard_trusted):
        cors_guard_trusted(APP, group="billing")
        assert allows(APP)
        assert not allows(OTHER)
        cors_guard_trusted(OTHER, group="billing", credentials=True)
        assert allows(APP)
        assert allows(OTHER)
        assert [refused.origin for refused in pending_rejections()] == [OTHER]

    def test_the_next_test_begins_with_nothing():
        assert not allows(APP)
        assert [refused.reason for refused in pending_rejections()] == ["no_policy"]
"""

CASES = """
    from django.test import SimpleTestCase

    from django_cors_guard.testing import trusted
    from helpers import APP, OTHER, allows

    @trusted(APP, group="billing")
    class InvoicesTest(SimpleTestCase):
        def test_app_may_call(self):
            self.assertTrue(allows(APP))

        @trusted(OTHER, group="billing")
        def test_other_may_call_for_once(self):
            self.assertTrue(allows(OTHER))

        def test_other_may_not(self):
            self.assertFalse(allows(OTHER))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    begin(tmp_path, NO_DATABASE)
    write(tmp_path, "helpers.py", HELPERS)
    return tmp_path


def test_fixture_is_there_once_the_package_is_installed(project: Path) -> None:
    install(project)
    write(project, "test_invoices.py", TESTS)
    assert "2 passed" in run_pytest(project)


def test_fixture_is_there_where_the_plugin_is_named(project: Path) -> None:
    write(project, "conftest.py", 'pytest_plugins = ["django_cors_guard.testing.plugin"]\n')
    write(project, "test_invoices.py", TESTS)
    assert "2 passed" in run_pytest(project)


def test_plugin_may_be_installed_and_named_at_once(project: Path) -> None:
    install(project)
    write(project, "conftest.py", 'pytest_plugins = ["django_cors_guard.testing.plugin"]\n')
    write(project, "test_invoices.py", TESTS)
    assert "2 passed" in run_pytest(project, "-W", "error")


def test_installed_plugin_leaves_a_project_without_django_alone(tmp_path: Path) -> None:
    install(tmp_path)
    write(
        tmp_path,
        "test_plain.py",
        """
        import sys

        def test_plain():
            assert "django_cors_guard.testing.plugin" in sys.modules
            assert not [name for name in sys.modules if name.split(".")[0] in {"django", "rest_framework"}]
        """,
    )
    # Those that import Django themselves.
    others = [option for name in ("django", "randomly", "faker") for option in ("-p", f"no:{name}")]
    out = run(tmp_path, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *others)
    assert "1 passed" in out


def test_decorated_classes_run_under_djangos_own_runner_without_a_database(project: Path) -> None:
    write(project, "test_invoices.py", CASES)
    out = run(project, "-m", "django", "test", "--settings", "settings")
    assert "Ran 3 tests" in out
    assert "OK" in out
