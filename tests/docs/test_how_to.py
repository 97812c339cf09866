"""The how-tos are followed as they are written, and what they promise is looked at from outside."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.checks import run_checks
from django.http import HttpResponseBase
from django.test import Client
from rest_framework.test import APIClient

from django_cors_guard.models import Environment, Rejection, TrustedOrigin
from django_cors_guard.testing import flush_rejections, override_cors_guard, trusted
from tests.docs.following import Block, find_blocks, follow, follow_block, read_page, send
from tests.factories import user_with
from tests.following import environ_for_reader, start_project
from tests.following import follow as run_lines

APP = "https://app.example.com"
GUARD = "django_cors_guard.middleware.CorsGuardMiddleware"
PAGES = [
    "how-to/environments.md",
    "how-to/mobile-apps.md",
    "how-to/hosts.md",
    "how-to/reverse-proxy.md",
    "how-to/cdn-and-caches.md",
    "how-to/incident.md",
]

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pages' commands run: files that they name are there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def get(path: str, origin: str = "", **headers: str) -> HttpResponseBase:
    sent = {"origin": origin} if origin else {}
    return Client().get(path, headers={**sent, **{name.replace("_", "-"): value for name, value in headers.items()}})


def readers(response: HttpResponseBase) -> str | None:
    return response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_block_is_followed_or_has_nothing_of_ours_in_it(page: str) -> None:
    text = read_page(page)
    followed = [line for block in find_blocks(text) if block.kind == "commands" for line in block.lines]
    shown = [line.strip() for line in text.splitlines() if line.strip().startswith("python manage.py cors_guard")]
    # The revision of the incident is one of a made-up receipt.
    assert [line for line in shown if "4711" not in line] == followed


def test_environments_are_made_protected_and_promoted(folder: Path) -> None:
    done = follow("how-to/environments.md", folder)

    assert Environment.objects.get(slug="production").protected
    assert Environment.objects.get(slug="staging").mode == "block"
    plan, applied = (run.out for run in done if "To be added" in run.out)
    assert "nothing was written" in plan
    assert "Applied" in applied
    grants = set(TrustedOrigin.objects.values_list("environment__slug", "api_group__slug", "origin"))
    assert grants == {
        ("production", "billing", APP),
        ("staging", "billing", APP),
        ("local", "public", "http://localhost:5173"),
        ("local", "billing", "http://localhost:5173"),
    }
    production = Environment.objects.get(slug="production")
    assert (production.protected, production.mode) == (True, "enforce")


def test_what_was_revoked_in_production_is_a_conflict(folder: Path) -> None:
    blocks = find_blocks(read_page("how-to/environments.md"))
    (promote,) = [block for block in blocks if "--as production" in block.text]
    for block in blocks[: blocks.index(promote)]:
        list(follow_block(block, folder))
    shut = f"""
python manage.py cors_guard trust {APP} --environment production --group billing
python manage.py cors_guard revoke {APP} --environment production --reason leaked
"""
    list(follow_block(Block("commands", "", shut), folder))

    export, _, apply = promote.lines
    list(follow_block(Block("commands", "", export), folder))
    (done,) = follow_block(Block("commands", "3", apply), folder)

    assert APP in done.out + done.err
    assert TrustedOrigin.objects.get(environment__slug="production").revoked_at is not None


def test_origin_of_another_environment_is_named_where_both_share_a_database(folder: Path) -> None:
    follow("how-to/environments.md", folder)
    get("/api/public/hello", "http://localhost:5173")
    flush_rejections()
    assert Rejection.objects.get().reason == "other_environment"


def test_apps_with_a_custom_scheme_are_trusted_and_loopback_needs_its_switch(folder: Path) -> None:
    done = follow("how-to/mobile-apps.md", folder)
    origins = set(TrustedOrigin.objects.values_list("origin", flat=True))
    assert origins == {"capacitor://localhost", "ionic://localhost", "tauri://localhost"}
    assert "allow loopback" in done[-1].err


@pytest.mark.parametrize("isolate", ["off", "enforce"])
@pytest.mark.parametrize("mode", ["enforce", "block"])
def test_native_app_without_an_origin_is_neither_refused_nor_recorded(mode: str, isolate: str) -> None:
    with trusted(APP, group="public", path="/api", mode=mode, isolate=isolate):
        assert get("/api/public/hello").status_code == 200
        assert get("/api/public/hello", "null").status_code == (403 if mode == "block" else 200)
        flush_rejections()
    assert {rejection.reason for rejection in Rejection.objects.all()} == {"null_origin"}


def test_hosts_decide_the_group_and_a_revoked_tenant_is_out(folder: Path) -> None:
    done = follow("how-to/hosts.md", folder)
    assert "trusted for another API group" in "".join(run.err + run.out for run in done)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "ALLOWED_HOSTS", ["partners.example.com", "www.example.com"])
        for origin, host, status, allowed in [
            ("https://acme.example.com", "partners.example.com", 200, "https://acme.example.com"),
            ("https://other.example.com", "partners.example.com", 200, "https://other.example.com"),
            ("https://example.com", "partners.example.com", 200, None),
            ("https://mallory.example.com", "partners.example.com", 403, None),
            ("https://acme.example.com", "www.example.com", 200, None),
            ("https://shop.example.com", "www.example.com", 200, "https://shop.example.com"),
        ]:
            response = get("/api/public/hello", origin, host=host)
            assert (response.status_code, readers(response)) == (status, allowed), (origin, host)


def test_longer_prefix_beats_a_host(folder: Path) -> None:
    text = read_page("how-to/hosts.md")
    (policy,) = [block for block in find_blocks(text) if block.kind == "file"]
    short = policy.text.replace("      - path_prefix: /api\n        host", "      - path_prefix: /\n        host")
    assert short != policy.text
    list(follow_block(Block("file", "policy.yaml", short), folder))
    run = "python manage.py cors_guard import policy.yaml --apply\n"
    list(follow_block(Block("commands", "", run + f"python manage.py cors_guard trust {APP} --group public"), folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "ALLOWED_HOSTS", ["partners.example.com"])
        assert readers(get("/api/public/hello", APP, host="partners.example.com")) == APP


def test_host_that_django_does_not_accept_finds_its_route() -> None:
    with trusted(APP, group="partners", path="/api", host="partners.example.com"):
        response = get("/api/public/hello", "https://stranger.example.net", host="partners.example.com")
        flush_rejections()
    assert response.status_code == 400
    assert Rejection.objects.get().api_group == "partners"


class TestBehindAProxy:
    """What the page says of Host and scheme, with requests as a proxy forwards them."""

    OWN = {"origin": "https://api.example.com", "host": "api.example.com"}

    def post(self, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in {**self.OWN, **headers}.items()}
        with trusted(APP, group="public", path="/api", mode="block"):
            return Client().post("/api/public/hello", headers=sent).status_code

    def test_own_page_is_known_by_the_scheme_that_the_proxy_tells(self, settings: Any) -> None:
        apply_settings("how-to/reverse-proxy.md", settings)
        assert self.post(x_forwarded_proto="https") == 200
        assert self.post() == 403
        assert self.post(x_forwarded_proto="https", origin="https://stranger.example.net") == 403

    def test_own_page_is_known_by_fetch_metadata_whatever_the_scheme(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["api.example.com"]
        assert self.post(sec_fetch_site="same-origin") == 200
        assert self.post(sec_fetch_site="same-site") == 403
        assert self.post(sec_fetch_site="same-origin", host="127.0.0.1:8000") == 403

    def test_host_may_be_forwarded(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["api.example.com"]
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        forwarded = {"host": "127.0.0.1", "x_forwarded_host": "api.example.com", "x_forwarded_proto": "https"}
        assert self.post(**forwarded) == 403
        settings.USE_X_FORWARDED_HOST = True
        assert self.post(**forwarded) == 200

    def test_preflight_shows_who_answers(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["api.example.com"]
        (block,) = [block for block in find_blocks(read_page("how-to/reverse-proxy.md")) if block.kind == "curl"]
        with trusted(APP, group="public", path="/api", methods=["PUT"]):
            answered = send(block.text, Client())
        assert (answered.status_code, readers(answered)) == (204, APP)
        with trusted(group="public", path="/api"):
            refused = send(block.text, Client())
        assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")

    def test_clients_address_is_the_one_that_the_proxy_wrote(self, tmp_path: Path, monkeypatch: Any) -> None:
        (block,) = [block for block in find_blocks(read_page("how-to/reverse-proxy.md")) if block.kind == "module"]
        (tmp_path / "proxied_clients.py").write_text(block.text)
        monkeypatch.syspath_prepend(tmp_path)
        with (
            override_cors_guard(CLIENT_IP="proxied_clients.client_address", AUDIT_CLIENT_IP="full"),
            trusted(APP, group="public", path="/api"),
        ):
            get("/api/public/hello", "https://stranger.example.net", x_forwarded_for="203.0.113.9, 198.51.100.7")
            flush_rejections()
        assert Rejection.objects.get().client_ip == "198.51.100.7"


def apply_settings(page: str, target: Any) -> None:
    """Put the settings of a page, but for those that name the project's own modules, into the test's."""
    names: dict[str, Any] = {}
    for block in find_blocks(read_page(page)):
        if block.kind == "settings" and "mysite" not in block.text:
            exec(block.text, names)  # noqa: S102 - it is our own page
    for name, value in names.items():
        if name.isupper():
            setattr(target, name, value)


@pytest.mark.parametrize(
    ("sent", "rules", "vary"),
    [
        pytest.param({}, {}, "Origin", id="no origin"),
        pytest.param({"origin": "https://stranger.example.net"}, {}, "Origin", id="refused"),
        pytest.param({"origin": APP}, {}, "Origin", id="trusted"),
        pytest.param(
            {"origin": "https://stranger.example.net"}, {"mode": "block"}, "Origin, Sec-Fetch-Site", id="blocked"
        ),
        pytest.param(
            {}, {"isolate": "enforce"}, "Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest", id="isolated"
        ),
        pytest.param({"origin": "https://stranger.example.net"}, {"any_origin": True}, None, id="any origin"),
        pytest.param({"origin": APP}, {"mode": "monitor"}, None, id="monitor"),
    ],
)
def test_vary_is_what_the_page_says(sent: dict[str, str], rules: dict[str, Any], vary: str | None) -> None:
    with trusted(APP, group="public", path="/api", **rules):
        response = Client().get("/api/public/hello", headers=sent)
    assert response.headers.get("Vary") == vary
    assert vary is None or all(name in read_page("how-to/cdn-and-caches.md") for name in vary.split(", "))


def test_public_data_is_one_answer_for_everybody(folder: Path) -> None:
    done = follow("how-to/cdn-and-caches.md", folder)
    assert "Access-Control-Allow-Origin: *" in done[-1].out
    assert "Vary" not in done[-1].out


class TestDjangosCache:
    """Django's cache middleware on either side of the guard."""

    @pytest.fixture(autouse=True)
    def _empty(self) -> Iterator[None]:
        cache.clear()
        yield
        cache.clear()

    @pytest.fixture
    def inside(self, settings: Any) -> None:
        names = {"MIDDLEWARE": list(settings.MIDDLEWARE)}
        (block,) = [block for block in find_blocks(read_page("how-to/cdn-and-caches.md")) if block.kind == "settings"]
        exec(block.text, names)  # noqa: S102 - it is our own page
        settings.MIDDLEWARE = names["MIDDLEWARE"]

    @pytest.fixture
    def outside(self, inside: None, settings: Any) -> None:
        rest = [name for name in settings.MIDDLEWARE if name != GUARD]
        settings.MIDDLEWARE = [*rest, GUARD]

    @pytest.mark.usefixtures("inside")
    def test_behind_the_guard_it_keeps_one_answer_and_each_request_is_judged(self) -> None:
        with trusted(APP, group="public", path="/api"):
            first, second = get("/api/public/hello", APP), get("/api/public/hello", APP)
            stranger = get("/api/public/hello", "https://stranger.example.net")
        with trusted(group="public", path="/api", revoked=[APP]):
            revoked = get("/api/public/hello", APP)
        assert "Age" in second.headers or second.headers["Expires"] == first.headers["Expires"]
        assert (readers(first), readers(second), readers(stranger)) == (APP, APP, None)
        assert revoked.status_code == 403

    @pytest.mark.usefixtures("outside")
    def test_before_the_guard_it_serves_what_was_revoked_and_a_check_says_so(self) -> None:
        with trusted(APP, group="public", path="/api"):
            get("/api/public/hello", APP)
        with trusted(group="public", path="/api", revoked=[APP]):
            revoked = get("/api/public/hello", APP)
        assert (revoked.status_code, readers(revoked)) == (200, APP)
        assert "cors_guard.W001" in {message.id for message in run_checks()}


@pytest.fixture
def trusted_app(folder: Path) -> Path:
    """What the incident begins with: the origin is trusted twice, beside others."""
    setup = """
python manage.py cors_guard init --environment production --group public=/api/public --group billing=/api/billing
python manage.py cors_guard trust https://app.example.com https://other.example.com --group public --group billing
"""
    list(follow_block(Block("commands", "", setup), folder))
    return folder


def test_incident_is_followed_to_the_end(trusted_app: Path) -> None:
    done = follow("how-to/incident.md", trusted_app)
    printed = "\n".join(run.out for run in done)
    assert "production  billing  closed" in printed
    assert "preflights that browsers hold run out by" in printed
    assert "Sessions and tokens that were given out stay valid" in printed
    statuses = dict(TrustedOrigin.objects.filter(origin=APP).values_list("api_group__slug", "revoked_at"))
    assert statuses["billing"] is None
    assert statuses["public"] is not None
    assert get("/api/public/hello", APP).status_code == 403
    assert readers(get("/api/public/hello", "https://other.example.com")) == "https://other.example.com"


def test_incident_is_over_by_two_requests_to_the_api(trusted_app: Path) -> None:
    client = APIClient()
    client.force_authenticate(user_with("change_trustedorigin", "view_policystate"))
    (block,) = [block for block in find_blocks(read_page("how-to/incident.md")) if block.kind == "curl"]
    revoke, status = block.lines

    receipt: Any = send(revoke, client, TOKEN="x")
    assert receipt.status_code == 200, receipt.content
    answer: Any = send(status, client, TOKEN="x", REVISION=str(receipt.json()["revision"]))

    assert (answer.status_code, answer.json()["everywhere"]) == (200, True)
    assert get("/api/billing/hello", APP).status_code == 403


@pytest.mark.parametrize(("ceiling", "stranger", "revoked"), [("enforce", 200, 403), ("monitor", 200, 200)])
def test_brake_needs_no_database(ceiling: str, stranger: int, revoked: int, trusted_app: Path) -> None:
    setup = f"""
python manage.py cors_guard mode block
python manage.py cors_guard revoke {APP} --everywhere --reason x
"""
    list(follow_block(Block("commands", "", setup), trusted_app))
    assert get("/api/public/hello", "https://stranger.example.net").status_code == 403
    with override_cors_guard(MAX_MODE=ceiling):
        assert get("/api/public/hello", "https://stranger.example.net").status_code == stranger
        assert get("/api/public/hello", APP).status_code == revoked


@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- settings -->" in read_page(page)])
def test_settings_pass_the_checks_of_a_new_project(page: str, tmp_path: Path) -> None:
    environ = environ_for_reader()
    start_project(tmp_path, sys.executable, environ)
    added = ['DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}']
    for block in find_blocks(read_page(page)):
        if block.kind == "module":
            (tmp_path / block.argument).write_text(block.text)
        elif block.kind == "settings":
            added.append(block.text)
    with (tmp_path / "mysite/settings.py").open("a", encoding="utf-8") as module:
        module.write("\n".join(["", *added]))
    run_lines(tmp_path, sys.executable, ["python manage.py check --fail-level WARNING"], environ)
