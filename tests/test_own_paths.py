import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path

from django_cors_guard.own_paths import find_own_paths, is_own_path, own_paths

BOTH = frozenset({"admin", "cors_guard"})
API = include("django_cors_guard.api.urls")


@pytest.fixture
def urlconf(request: pytest.FixtureRequest) -> Iterator[str]:
    module = ModuleType("tests.temporary_urls")
    module.urlpatterns = request.param  # type: ignore[attr-defined]  # what Django looks for
    sys.modules[module.__name__] = module
    yield module.__name__
    del sys.modules[module.__name__]


def view(request: Any) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize(
    ("urlconf", "own", "others"),
    [
        pytest.param(
            [path("admin/", admin.site.urls), path("guard/", API)],
            ["/admin", "/admin/", "/admin/x/", "/guard/rejections/"],
            ["/", "/administration/", "/api/admin/", "/guardian"],
            id="plain",
        ),
        pytest.param(
            [path("internal/", include([path("desk/", admin.site.urls)]))],
            ["/internal/desk/", "/internal/desk/login/"],
            ["/internal/", "/desk/"],
            id="nested",
        ),
        pytest.param([re_path(r"^backstage/", admin.site.urls)], ["/backstage/x"], ["/back"], id="literal regex"),
        pytest.param(
            i18n_patterns(path("admin/", admin.site.urls)),
            ["/de/admin/", "/en/admin/login/"],
            ["/admin/", "/de/other/"],
            id="with a language prefix",
        ),
        pytest.param(
            [path("<slug:tenant>/admin/", admin.site.urls)],
            ["/acme/admin/", "/other/admin/login/"],
            ["/admin/", "/acme/shop/"],
            id="behind a converter",
        ),
        pytest.param(
            [re_path(r"^(?P<team>\w+)/desk/", admin.site.urls)], ["/acme/desk/"], ["/acme/shop/"], id="behind a regex"
        ),
        pytest.param(
            [re_path(r"(?i)^admin/", admin.site.urls)], ["/admin/", "/ADMIN/login/"], ["/api/"], id="regex with a flag"
        ),
        pytest.param(
            [re_path(r"^admin/|^manage/", admin.site.urls)], ["/admin/", "/manage/login/"], ["/api/"], id="alternatives"
        ),
        pytest.param(
            [re_path(r"^(?P<a>x|y)/(?P=a)/admin/", admin.site.urls)],
            ["/x/x/admin/"],
            ["/x/y/admin/"],
            id="back reference",
        ),
        pytest.param([re_path("admin/", admin.site.urls)], ["/admin/", "/my-admin/"], ["/api/"], id="unanchored regex"),
        pytest.param([path("admin", admin.site.urls)], ["/adminlogin/"], ["/api/"], id="without its slash"),
        pytest.param(
            [path("api/x", view), path("", admin.site.urls)],
            ["/", "/login/", "/no/such/page"],
            ["/api/x"],
            id="at the root",
        ),
        pytest.param([path("api/", view)], [], ["/", "/admin/"], id="none"),
    ],
    indirect=["urlconf"],
)
def test_own_paths_are_found_however_they_are_mounted(urlconf: str, own: list[str], others: list[str]) -> None:
    with override_settings(ROOT_URLCONF=urlconf):
        found = find_own_paths(urlconf, BOTH)
        assert [given for given in own if not found.cover(given)] == []
        assert [given for given in others if found.cover(given)] == []


def test_urlconf_that_cannot_be_searched_is_resolved_path_by_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django_cors_guard.own_paths.find_own_paths", explode)
    monkeypatch.setattr("django_cors_guard.own_paths._own_paths", None)
    assert [is_own_path(given) for given in ("/admin/login/", "/api/public/hello", "/nowhere")] == [True, False, False]
    assert len(caplog.records) == 1


def test_own_paths_are_found_once_and_again_after_a_change() -> None:
    first = own_paths()
    assert own_paths() is first
    with override_settings(ROOT_URLCONF="example_project.urls"):
        assert own_paths() is not first
