import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpResponse
from django.test import override_settings
from django.urls import URLResolver, include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.urls.resolvers import RoutePattern
from django.utils.functional import lazystr
from django.utils.translation import get_language

from django_cors_guard import url_patterns
from django_cors_guard.testing import override_cors_guard
from django_cors_guard.url_patterns import Cover, ListedPattern, Route, find_claims, list_claimed, list_patterns

WHOLE, PART, NONE = Cover.WHOLE, Cover.PART, Cover.NONE


class YearConverter(StringConverter):
    regex = "[0-9]{4}"


class AnythingConverter(StringConverter):
    regex = "[!-z]+"


class Brackets(StringConverter):
    regex = "[+-z]+"


for converter in (YearConverter, AnythingConverter, Brackets):
    register_converter(converter, f"cg_{converter.__name__.lower()}")


def view(request: Any) -> HttpResponse:
    return HttpResponse()


@pytest.fixture
def urlconf(request: pytest.FixtureRequest) -> Iterator[str]:
    """The project's URLconf, for the length of a test."""
    module = ModuleType("tests.temporary_patterns")
    module.urlpatterns = request.param  # type: ignore[attr-defined]  # what Django looks for
    sys.modules[module.__name__] = module
    with override_settings(ROOT_URLCONF=module.__name__):
        yield module.__name__
    del sys.modules[module.__name__]


def covers(prefix: str) -> dict[str, Cover]:
    return {pattern.text: pattern.cover(prefix) for pattern in list_patterns()}


# --- one pattern ------------------------------------------------------------------------------------------------------

LITERAL = [path("api/public/hello", view)]
CONVERTER = [path("api/<int:year>/report/", view)]
MIXED = [path("files/v<int:version>-beta/notes", view)]
PATH = [path("files/<path:name>/raw", view)]
HEADED_PATH = [path("files/at-<path:name>", view)]
REGEX = [re_path(r"^api/items/(?P<pk>[^/.]+)/$", view)]
CLASSES = [re_path(r"^api/\d{4}/[a-z-]+/$", view)]
SLASH = [re_path(r"^api/items/?$", view)]
ESCAPED = [re_path(r"^api\/items\.json\Z", view)]


@pytest.mark.parametrize(
    ("urlconf", "prefix", "cover"),
    [
        pytest.param(LITERAL, "/", WHOLE, id="everything"),
        pytest.param(LITERAL, "/api", WHOLE, id="first segment"),
        pytest.param(LITERAL, "/api/public/hello", WHOLE, id="the path itself"),
        pytest.param(LITERAL, "/api/public/hello/", WHOLE, id="with a slash"),
        pytest.param(LITERAL, "/api/pub", NONE, id="half a segment"),
        pytest.param(LITERAL, "/API", NONE, id="another case"),
        pytest.param(LITERAL, "/api/public/hello/more", NONE, id="beyond its end"),
        pytest.param([path("", view)], "/", WHOLE, id="the root"),
        pytest.param([path("", view)], "/api", NONE, id="not the root"),
        pytest.param([path("api/", view)], "/api", WHOLE, id="trailing slash"),
        pytest.param(CONVERTER, "/api", WHOLE, id="before a converter"),
        pytest.param(CONVERTER, "/api/2026", PART, id="what a converter takes"),
        pytest.param(CONVERTER, "/api/2026/report", PART, id="behind a converter"),
        pytest.param(CONVERTER, "/api/today", NONE, id="what a converter does not take"),
        pytest.param(CONVERTER, "/api/2026/reports", NONE, id="wrong behind a converter"),
        pytest.param(MIXED, "/files/v2-beta", PART, id="converter within a segment"),
        pytest.param(MIXED, "/files/v2", NONE, id="half of such a segment"),
        pytest.param(PATH, "/files", WHOLE, id="before what may hold slashes"),
        pytest.param(PATH, "/files/a/b", PART, id="within what may hold slashes"),
        pytest.param(HEADED_PATH, "/files/at-a/b", PART, id="beginning of what may hold slashes"),
        pytest.param(HEADED_PATH, "/files/a/b", NONE, id="not its beginning"),
        pytest.param([path("<cg_yearconverter:y>/x", view)], "/2026/x", PART, id="own converter"),
        pytest.param([path("<cg_yearconverter:y>/x", view)], "/26", NONE, id="own converter, not taken"),
        pytest.param([path("<cg_anythingconverter:y>/x", view)], "/a/b/c", PART, id="own converter with slashes"),
        pytest.param([path("<cg_brackets:y>/x", view)], "/a/b/c", PART, id="range with the slash in it"),
        pytest.param(REGEX, "/api/items", WHOLE, id="beginning of a regex"),
        pytest.param(REGEX, "/api/items/5", PART, id="group of a regex"),
        pytest.param(REGEX, "/api/items/5.x", NONE, id="what a group does not take"),
        pytest.param(REGEX, "/api/items/5/more", NONE, id="beyond the end of a regex"),
        pytest.param(CLASSES, "/api/2026/some-name", PART, id="classes"),
        pytest.param(CLASSES, "/api/26", NONE, id="what a class does not take"),
        pytest.param(SLASH, "/api/items", WHOLE, id="slash that may be left out"),
        pytest.param(SLASH, "/api/item", NONE, id="not before such a slash"),
        pytest.param(ESCAPED, "/api/items.json", WHOLE, id="escaped"),
        pytest.param(ESCAPED, "/api/itemsxjson", NONE, id="escaped dot"),
        pytest.param([re_path(r"^api/x", view)], "/api/x", PART, id="regex without an end"),
        pytest.param([re_path(r"^api/x", view)], "/api", WHOLE, id="before its open end"),
        pytest.param([re_path(r"^api/x", view)], "/api/y", NONE, id="not its open end"),
        pytest.param([re_path(r"items/$", view)], "/api", PART, id="regex without a beginning"),
        pytest.param([re_path(r"^api/|^other/$", view)], "/api", PART, id="alternatives"),
        pytest.param([re_path(r"^(api|rest)/x$", view)], "/api/x", PART, id="alternatives in a group"),
        pytest.param([re_path(r"^(api|rest)/x$", view)], "/soap/x", NONE, id="none of the alternatives"),
        pytest.param([re_path(r"^[|]x/y$", view)], "/api", NONE, id="bar in a class"),
        pytest.param([re_path(r"^\|x/y$", view)], "/|x", WHOLE, id="escaped bar"),
        pytest.param([re_path(r"(?i)^api/$", view)], "/API", PART, id="flag"),
        pytest.param([re_path(r"^ab?/x$", view)], "/a/x", PART, id="letter that may be left out"),
        pytest.param([re_path(r"^ab?/x$", view)], "/ab/y", NONE, id="wrong behind such a letter"),
        pytest.param([re_path(r"^a/*x$", view)], "/a/b", PART, id="slashes that repeat"),
        pytest.param([re_path(r"^a(/x)?$", view)], "/a/x", PART, id="group with a slash"),
        pytest.param([re_path(r"^(?P<a>x|y)/(?P=a)/z$", view)], "/x/x", PART, id="backreference"),
        pytest.param([re_path(r"^static/(?P<path>.*)$", view)], "/static/a/b", PART, id="static files"),
        pytest.param([re_path(r"^$", view)], "/", WHOLE, id="empty regex"),
        pytest.param([re_path(r"^$", view)], "/api", NONE, id="nothing below an empty regex"),
        pytest.param([re_path(r"", view)], "/api", PART, id="regex that is no regex"),
        pytest.param([path("a/", include([path("b/<slug:c>", view)]))], "/a/b", WHOLE, id="nested"),
        pytest.param([path("a", include([path("pi/x", view)]))], "/api", WHOLE, id="nested within a segment"),
        pytest.param([re_path(r"^a/", include([re_path(r"^b/$", view)]))], "/a/b", WHOLE, id="nested regex"),
        pytest.param([re_path(r"", include([path("b/", view)]))], "/b", WHOLE, id="nested in an empty regex"),
        pytest.param([re_path(r"^(\w+)/", include([path("b/", view)]))], "/x/b", PART, id="nested behind a group"),
        pytest.param([re_path(r"^(\w+)/", include([path("b/", view)]))], "/x/c", NONE, id="not nested there"),
        pytest.param([re_path(r"^.+/", include([path("b/", view)]))], "/x/c", PART, id="nested behind anything"),
    ],
    indirect=["urlconf"],
)
def test_prefix_covers_a_pattern(urlconf: str, prefix: str, cover: Cover) -> None:
    (found,) = list_patterns()
    assert found.cover(prefix) is cover


@pytest.mark.parametrize(
    ("urls", "paths"),
    [
        pytest.param(CONVERTER, ["/api/2026/report/", "/api/1/report/"], id="converter"),
        pytest.param(REGEX, ["/api/items/5/", "/api/items/x-y/"], id="regex"),
        pytest.param(SLASH, ["/api/items", "/api/items/"], id="optional slash"),
        pytest.param(PATH, ["/files/a/raw", "/files/a/b/raw"], id="path"),
    ],
)
def test_what_is_covered_wholly_or_not_at_all_is_so_for_every_path(urls: list[Any], paths: list[str]) -> None:
    """The claim is held against paths that the pattern does match, as the guard itself compares them."""
    module = ModuleType("tests.temporary_patterns")
    module.urlpatterns = urls  # type: ignore[attr-defined]  # what Django looks for
    sys.modules[module.__name__] = module
    with override_settings(ROOT_URLCONF=module.__name__):
        (pattern,) = list_patterns()
    segments = {"/".join(one.split("/")[:end]) or "/" for one in paths for end in range(1, 5)}
    for candidate in segments:
        trimmed = candidate.rstrip("/")
        covered = {one == trimmed or one.startswith(f"{trimmed}/") for one in paths}
        if pattern.cover(candidate) is not PART:
            assert covered == {pattern.cover(candidate) is WHOLE}, candidate
    del sys.modules[module.__name__]


# --- the URLconf ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "urlconf",
    [[path("api/", include([path("a/<int:pk>/", view), re_path(r"^b/(?P<x>\w+)$", view)])), path("c", view)]],
    indirect=True,
)
def test_patterns_are_listed_as_written_in_order(urlconf: str) -> None:
    assert [pattern.text for pattern in list_patterns()] == ["/api/a/<int:pk>/", r"/api/b/(?P<x>\w+)$", "/c"]


LANGUAGES = [("en", "English"), ("de", "German")]


@pytest.mark.parametrize("urlconf", [i18n_patterns(path("shop/", view))], indirect=True)
@override_settings(LANGUAGES=LANGUAGES, LANGUAGE_CODE="en")
def test_language_prefix_is_a_segment_of_its_own(urlconf: str) -> None:
    assert covers("/") == {"/<language>/shop/": WHOLE}
    assert covers("/de/shop") == {"/<language>/shop/": PART}
    assert covers("/fr/shop") == covers("/shop") == {"/<language>/shop/": NONE}


@pytest.mark.parametrize("urlconf", [i18n_patterns(path("shop/", view), prefix_default_language=False)], indirect=True)
@override_settings(LANGUAGES=LANGUAGES, LANGUAGE_CODE="en")
def test_language_prefix_that_the_default_language_lacks_leaves_it_in_part(urlconf: str) -> None:
    assert covers("/shop") == covers("/de/shop") == {"/<language>/shop/": PART}
    assert covers("/en/shop") == {"/<language>/shop/": NONE}


@pytest.mark.parametrize("urlconf", [i18n_patterns(path("shop/", view))], indirect=True)
@override_settings(LANGUAGES=[("en", "English")], LANGUAGE_CODE="en")
def test_only_language_is_written_out(urlconf: str) -> None:
    assert covers("/en/shop") == {"/en/shop/": WHOLE}


def _translated() -> Any:
    class Translated:
        def __str__(self) -> str:
            return {"de": "laden/"}.get(get_language() or "", "shop/")

    return lazystr(Translated())


@pytest.mark.parametrize("urlconf", [[path(_translated(), view)]], indirect=True)
@override_settings(LANGUAGES=LANGUAGES, LANGUAGE_CODE="en")
def test_translated_pattern_is_read_in_every_language(urlconf: str) -> None:
    assert covers("/shop") == covers("/laden") == {"/shop/": PART}
    assert covers("/boutique") == {"/shop/": NONE}


def test_admin_and_own_api_are_known_as_closed() -> None:
    closed = {pattern.text for pattern in list_patterns() if pattern.is_own}
    assert "/admin/login/" in closed
    assert any(text.startswith("/cors-guard/") for text in closed)
    assert all(text.startswith(("/admin/", "/cors-guard/")) for text in closed)


def test_own_api_that_the_project_opens_is_not_closed() -> None:
    with override_cors_guard(OPEN_OWN_API=True):
        closed = {pattern.text for pattern in list_patterns() if pattern.is_own}
    assert closed
    assert all(text.startswith("/admin/") for text in closed)


@pytest.mark.parametrize(
    "urlconf",
    [[path("admin/docs/", view), path("admin/", admin.site.urls), path("<slug:x>/y", view), path("z", view)]],
    indirect=True,
)
def test_what_lies_below_the_admin_is_closed_with_it(urlconf: str) -> None:
    found = {pattern.text: pattern.is_own for pattern in list_patterns()}
    assert found["/admin/docs/"] is True
    assert (found["/<slug:x>/y"], found["/z"]) == (False, False)


@pytest.mark.parametrize("urlconf", [[path("good/", view), "no pattern"]], indirect=True)
def test_what_is_no_pattern_breaks_nothing(urlconf: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, logger="django_cors_guard.url_patterns"):
        good, unread = list_patterns()
    assert (good.text, good.is_unread) == ("/good/", False)
    assert unread.is_unread
    assert unread.cover("/anything") is PART


@pytest.mark.parametrize(
    "urlconf", [[URLResolver(RoutePattern("bad/"), "tests.no_such_module"), path("good/", view)]], indirect=True
)
def test_urlconf_that_fails_lazily_is_said_to_be_unread_and_may_be_anything(
    urlconf: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, logger="django_cors_guard.url_patterns"):
        bad, good = list_patterns()
    assert (bad.text, bad.is_unread) == ("/bad/", True)
    assert (bad.cover("/bad/x/y"), bad.cover("/other")) == (PART, NONE)
    assert good.cover("/good") is WHOLE


@pytest.mark.parametrize(
    ("includes", "length"),
    [
        pytest.param("b", url_patterns.MAX_DEPTH + 1, id="once: as deep as is looked"),
        pytest.param("bcd", 501, id="several times: as much as is looked at"),
    ],
)
def test_urlconf_that_includes_itself_has_an_end(monkeypatch: pytest.MonkeyPatch, includes: str, length: int) -> None:
    module = ModuleType("tests.circular_urls")
    sys.modules[module.__name__] = module
    module.urlpatterns = [path("a/", view)]  # type: ignore[attr-defined]  # what Django looks for
    for name in includes:
        module.urlpatterns.append(path(f"{name}/", include(module.__name__)))
    monkeypatch.setattr(url_patterns, "MAX_PATTERNS", 500)
    with override_settings(ROOT_URLCONF=module.__name__):
        found = list_patterns()
    assert len(found) == length
    assert found[-1].is_unread
    assert found[-1].cover("/b" * url_patterns.MAX_DEPTH + "/anything") is PART
    del sys.modules[module.__name__]


def test_listing_is_made_once_and_forgotten_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first = list_patterns()
    assert list_patterns() is first
    with override_settings(ROOT_URLCONF="example_project.urls"):
        assert list_patterns() != first


# --- routes -----------------------------------------------------------------------------------------------------------

SITE = [path("api/a", view), path("api/b/<slug:x>", view), path("api/b/c/d", view), path("other", view)]


def claims(route: Route, *others: Route) -> dict[str, str]:
    """Return what becomes of each URL pattern that ``route`` covers."""
    return {
        claim.pattern.text: "kept"
        if claim.rival is None
        else f"{'part ' if claim.in_part else ''}to {claim.rival.group}"
        for claim in find_claims(route, [route, *others])
    }


ALL_OURS = {"/api/a": "kept", "/api/b/<slug:x>": "kept", "/api/b/c/d": "kept"}


@pytest.mark.parametrize("urlconf", [SITE], indirect=True)
@pytest.mark.parametrize(
    ("route", "others", "expected"),
    [
        pytest.param(Route("us", "/api"), [], ALL_OURS, id="alone"),
        pytest.param(Route("us", "/api"), [Route("them", "/")], ALL_OURS, id="shorter one"),
        pytest.param(
            Route("us", "/api"),
            [Route("them", "/api/b")],
            {**ALL_OURS, "/api/b/<slug:x>": "to them", "/api/b/c/d": "to them"},
            id="longer one",
        ),
        pytest.param(Route("us", "/api"), [Route("us", "/api/b")], ALL_OURS, id="longer one of the same group"),
        pytest.param(
            Route("us", "/api"),
            [Route("them", "/api/b"), Route("us", "/api/b/c")],
            {**ALL_OURS, "/api/b/<slug:x>": "to them"},
            id="longest one of the same group",
        ),
        pytest.param(
            Route("us", "/api"),
            [Route("them", "/api/b/c")],
            {**ALL_OURS, "/api/b/<slug:x>": "part to them", "/api/b/c/d": "to them"},
            id="one that takes some",
        ),
        pytest.param(
            Route("us", "/api"),
            [Route("them", "/api/b", "api.example.com")],
            {**ALL_OURS, "/api/b/<slug:x>": "part to them", "/api/b/c/d": "part to them"},
            id="one on a single host",
        ),
        pytest.param(
            Route("us", "/api", "api.example.com"),
            [Route("them", "/api/b", "api.example.com"), Route("them", "/api/a", "www.example.com")],
            {**ALL_OURS, "/api/b/<slug:x>": "to them", "/api/b/c/d": "to them"},
            id="ones on the same and on another host",
        ),
        pytest.param(Route("us", "/api", "api.example.com"), [Route("them", "/api")], ALL_OURS, id="host beats none"),
        pytest.param(
            Route("us", "/api"),
            [Route("them", "/api", "api.example.com")],
            dict.fromkeys(ALL_OURS, "part to them"),
            id="none is beaten by a host",
        ),
        pytest.param(
            Route("us", "/api", "api.example.com"),
            [Route("them", "/api/b")],
            {**ALL_OURS, "/api/b/<slug:x>": "to them", "/api/b/c/d": "to them"},
            id="longer one beats a host",
        ),
        pytest.param(Route("us", "/nowhere"), [], {}, id="covers none"),
    ],
)
def test_longest_prefix_wins_and_a_host_beats_none(
    urlconf: str, route: Route, others: list[Route], expected: dict[str, str]
) -> None:
    assert claims(route, *others) == expected


@pytest.mark.parametrize("urlconf", [[*SITE, path("admin/", admin.site.urls)]], indirect=True)
def test_what_a_group_gets_leaves_out_what_is_closed_and_what_others_take(urlconf: str) -> None:
    routes = [Route("us", "/"), Route("us", "/api/a"), Route("them", "/api/b/c")]
    assert [pattern.text for pattern in list_claimed("us", routes)] == ["/api/a", "/api/b/<slug:x>", "/other"]
    assert [pattern.text for pattern in list_claimed("them", routes)] == ["/api/b/<slug:x>", "/api/b/c/d"]


def test_pattern_without_any_path_is_covered_in_part_at_most() -> None:
    assert ListedPattern("/", ()).cover("/") is PART
