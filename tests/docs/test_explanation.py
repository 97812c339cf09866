"""What the explanations show and claim: exchanges are made, tables looked up, tests that are named are there."""

import ast
import re
from importlib.metadata import version
from typing import Any

import pytest
from corsheaders.signals import check_request_enabled
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import path

from django_cors_guard.core.origins import parse_origin
from django_cors_guard.testing import trusted
from tests.docs.following import find_blocks, read_page
from tests.servers import ROOT

APP = "https://app.example.com"
PACKAGE = ROOT / "django_cors_guard"


def orders(request: HttpRequest) -> HttpResponse:
    return HttpResponse("[]")


urlpatterns = [path("api/orders", orders)]


@pytest.fixture
def api(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


def split_message(text: str) -> tuple[str, dict[str, str]]:
    first, *lines = text.strip().splitlines()
    return first, dict(line.split(": ", 1) for line in lines)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("number", range(4))
def test_exchange_is_what_happens(number: int) -> None:
    block = [block for block in find_blocks(read_page("explanation/cors.md")) if block.kind == "exchange"][number]
    asked, answer = (split_message(half) for half in block.text.split("\n\n"))
    (line, sent), (status, expected) = asked, answer
    method, target, _ = line.split()
    sent.pop("Host")
    with trusted(
        APP, group="orders", path="/api", credentials=True, methods=["GET", "POST", "PUT"], headers=["content-type"]
    ):
        response = Client().generic(method, target, headers=sent)
    assert f"{response.status_code} {response.reason_phrase}" == status.removeprefix("HTTP/1.1 ")
    got = {
        name: value for name, value in response.headers.items() if name.startswith("Access-Control") or name == "Vary"
    }
    assert got == expected


def test_every_exchange_is_made() -> None:
    assert sum(block.kind == "exchange" for block in find_blocks(read_page("explanation/cors.md"))) == 4


def rows_after(page: str, marker: str) -> list[list[str]]:
    """Return the cells of the table that stands below a comment, without its head."""
    table = read_page(page).split(f"<!-- {marker} -->\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize(("typed", "stored"), rows_after("explanation/origin.md", "origins"))
def test_origin_is_stored_or_refused_as_the_page_says(typed: str, stored: str) -> None:
    parsed = parse_origin(typed)
    assert (parsed.origin.text if parsed.origin is not None else "refused") == stored


@pytest.mark.parametrize(
    ("written", "stranger"),
    [
        (r"https://.*example\.com", "https://evil-example.com"),
        ("^https://app.example.com", "https://app.example.com.evil.net"),
        ("^https://app.example.com", "https://appXexample.com"),
    ],
)
def test_regular_expression_matches_the_stranger_that_the_page_names(written: str, stranger: str) -> None:
    page = read_page("explanation/origin.md")
    assert f"`{written}`" in page
    assert f"`{stranger}`" in page
    assert re.match(written, stranger)


NAMED = sorted(set(re.findall(r"`(tests/[a-z_/]+\.py)(?:::([a-z_0-9]+))?`", read_page("explanation/threat-model.md"))))


@pytest.mark.parametrize(("module", "test"), NAMED)
def test_claim_of_the_threat_model_names_a_test_that_is_there(module: str, test: str) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert test in tests if test else tests


def test_every_claim_of_the_threat_model_names_what_holds_it_up() -> None:
    page = read_page("explanation/threat-model.md")
    section = page.split("## What stands in their way")[1].split("## What it does not stop")[0]
    claims = section.split("\n- ")[1:]
    assert len(claims) > 25
    assert [claim for claim in claims if "`tests/" not in claim] == []


def test_architecture_names_modules_that_are_there() -> None:
    table = read_page("explanation/architecture.md").split("| layer |")[1].split("\n\n")[0]
    names = {name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", line.split("|")[2])}
    assert len(names) > 15
    assert [name for name in sorted(names) if not _is_module(name)] == []


def _is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").exists() or (PACKAGE / name / "__init__.py").exists()


def test_layers_of_the_architecture_stand_in_the_order_that_is_enforced() -> None:
    table = read_page("explanation/architecture.md").split("| layer |")[1].split("\n\n")[0]
    shown = [re.findall(r"`([a-z_]+)`", line.split("|")[2]) for line in table.splitlines()[2:]]
    layers = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("layers = [")[1].split("]\n")[0]
    enforced = [re.findall(r"\(([a-z_]+)\)", line) for line in layers.splitlines()]
    height = {name: number for number, names in enumerate(enforced) for name in names}
    lowest = [max(height[name] for name in names) for names in shown]
    highest = [min(height[name] for name in names) for names in shown]
    assert all(above < below for above, below in zip(lowest, highest[1:], strict=False))


# What the comparison says of django-cors-headers, with django-cors-headers.


@pytest.fixture
def peer(settings: Any) -> Any:
    """The other middleware, alone."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware"]
    return settings


def ask(origin: str, method: str = "GET", **headers: str) -> HttpResponseBase:
    sent = {"origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Client().generic(method, "/api/orders", headers=sent)


def test_comparison_is_with_the_version_that_is_tested() -> None:
    assert f"[{version('django-cors-headers')}](" in read_page("explanation/comparison.md")


def test_peer_echoes_any_origin_with_credentials(peer: Any) -> None:
    peer.CORS_ALLOW_ALL_ORIGINS = peer.CORS_ALLOW_CREDENTIALS = True
    response = ask("https://stranger.example.net")
    assert response["Access-Control-Allow-Origin"] == "https://stranger.example.net"
    assert response["Access-Control-Allow-Credentials"] == "true"


def test_peer_accepts_null_if_listed(peer: Any) -> None:
    peer.CORS_ALLOWED_ORIGINS = ["null"]
    assert ask("null")["Access-Control-Allow-Origin"] == "null"


def test_peer_leaves_the_end_of_regular_expressions_open(peer: Any) -> None:
    peer.CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://app\.example\.com"]
    assert "Access-Control-Allow-Origin" in ask("https://app.example.com.evil.net").headers


def test_peer_answers_a_strangers_preflight_with_200(peer: Any) -> None:
    peer.CORS_ALLOWED_ORIGINS = [APP]
    response = ask("https://stranger.example.net", "OPTIONS", access_control_request_method="PUT")
    assert (response.status_code, "Access-Control-Allow-Origin" in response.headers) == (200, False)


def test_peer_asks_a_signal_only_about_what_no_list_lets_through(peer: Any) -> None:
    asked: list[str] = []

    def allow(request: HttpRequest, **_: object) -> bool:
        asked.append(request.headers["origin"])
        return True

    peer.CORS_ALLOWED_ORIGINS = [APP]
    check_request_enabled.connect(allow)
    try:
        ask(APP)
        assert asked == []
        response = ask("https://tenant.example.net")
    finally:
        check_request_enabled.disconnect(allow)
    assert "https://tenant.example.net" in asked
    assert response["Access-Control-Allow-Origin"] == "https://tenant.example.net"


@pytest.mark.parametrize(
    "title", re.findall(r"^## (.+)$", read_page("explanation/comparison.md"), flags=re.MULTILINE)[:-1]
)
def test_every_alternative_links_to_what_was_looked_at(title: str) -> None:
    section = read_page("explanation/comparison.md").split(f"## {title}\n")[1].split("\n## ")[0]
    looked = section.strip().split("\n\n")[0]
    assert looked.startswith("Looked at:")
    assert "](https://" in looked
