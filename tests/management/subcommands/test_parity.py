"""`cors_guard parity`, from requests that both middlewares saw to the command that mends what differed."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.parity import Difference, Disparity
from django_cors_guard.management.subcommands.mending import word_mending
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, ParityDifference
from django_cors_guard.services import parity as service
from django_cors_guard.services.parity import read_parity
from django_cors_guard.testing import flush_rejections, override_cors_guard
from tests.factories import EnvironmentFactory, ParityDifferenceFactory, RejectionFactory
from tests.management.cli import cors_guard

GUARD = "django_cors_guard.middleware.CorsGuardMiddleware"
CORSHEADERS = "corsheaders.middleware.CorsMiddleware"
TRUSTED, THEIRS = "https://app.example.com", "https://theirs.example.com"
HELLO = "/api/public/hello"


@pytest.fixture(autouse=True)
def both() -> Iterator[None]:
    with override_settings(
        MIDDLEWARE=[GUARD, CORSHEADERS],
        CORS_ALLOWED_ORIGINS=[TRUSTED, THEIRS],
        CORS_ALLOW_METHODS=["GET", "PUT"],
        CORS_ALLOW_HEADERS=["x-token"],
    ):
        yield


@pytest.fixture
def moving(production: Environment, public: ApiGroup) -> ApiGroup:
    """Everything monitors, and one origin is trusted."""
    production.mode = "monitor"
    production.save()
    public.allow_methods = ["GET"]
    public.save()
    services.trust(TRUSTED, environment="production", api_group="public")
    return public


def get(origin: str, path: str = HELLO) -> None:
    Client().get(path, headers={"origin": origin})
    flush_rejections()


def preflight(origin: str, method: str, names: str = "") -> None:
    headers = {"origin": origin, "access-control-request-method": method}
    Client().options(HELLO, headers={**headers, **({"access-control-request-headers": names} if names else {})})
    flush_rejections()


def read_json(*words: str) -> tuple[int, Any]:
    run = cors_guard("parity", "--format", "json", *words)
    return run.code, json.loads(run.out)


def test_no_difference_is_exit_code_0(moving: ApiGroup) -> None:
    get(TRUSTED)
    run = cors_guard("parity")
    assert run.code == 0, run.err
    assert "production: 0 differences, and 0 that are settled" in run.out
    assert f"compared with            {CORSHEADERS}" in run.out
    assert "API groups that monitor  public" in run.out
    assert run.err == ""


def test_differences_are_told_with_the_command_that_mends_them_until_it_was_run(moving: ApiGroup) -> None:
    get(THEIRS)
    get(THEIRS)
    run = cors_guard("parity")
    assert run.code == 1
    assert f"{THEIRS} → public: GET {HELLO}" in run.out
    assert "2 requests, " in run.out
    assert f"they sent: access-control-allow-origin: {THEIRS}" in run.out
    assert "the guard would send: no CORS header" in run.out
    (line,) = [line for line in run.out.splitlines() if "to mend it:" in line]
    _manage, _cors_guard, *words = shlex.split(line.partition("to mend it: ")[2])

    assert cors_guard(*words).code == 0
    run = cors_guard("parity")
    assert run.code == 0, run.err
    assert "0 differences, and 1 that are settled" in run.out
    assert "settled: it was guard_refuses" in run.out


def test_missing_route_is_mended_by_the_command_that_is_shown(moving: ApiGroup) -> None:
    get(TRUSTED, "/elsewhere/hello")
    code, told = read_json()
    (found,) = told["differences"]
    assert (code, found["difference"], found["now"]["difference"]) == (1, "unguarded", "unguarded")
    assert "init --environment production --group SLUG=/elsewhere" in found["mend"]
    assert cors_guard("init", "--environment", "production", "--group", "public=/elsewhere").code == 0
    assert read_json()[0] == 0


def test_difference_that_is_mended_in_part_is_told_as_what_is_left(moving: ApiGroup) -> None:
    get(THEIRS, "/elsewhere/hello")
    ApiRoute.objects.create(api_group=moving, path_prefix="/elsewhere")
    code, told = read_json()
    (found,) = told["differences"]
    assert code == 1
    assert (found["difference"], found["now"]["difference"], found["now"]["api_group"]) == (
        "unguarded",
        "guard_refuses",
        "public",
    )
    run = cors_guard("parity")
    assert "guard_refuses: " in run.out
    assert f"{THEIRS} → public" in run.out


def test_method_and_header_are_named(moving: ApiGroup) -> None:
    preflight(TRUSTED, "PUT")
    preflight(TRUSTED, "GET", "x-token")
    run = cors_guard("parity")
    assert run.code == 1
    assert "preflight for PUT" in run.out
    assert "Add PUT to the methods in the API group “public”" in run.out
    assert "Add x-token to the request headers in the API group “public”" in run.out
    ApiGroup.objects.update(allow_methods=["GET", "PUT"], allow_headers=["X-Token"])
    assert cors_guard("parity").code == 0


def test_switch_alone_settles_nothing(moving: ApiGroup, production: Environment) -> None:
    """Once the guard enforces, what they let in is refused: that it was seen before is all the more worth a look."""
    get(THEIRS)
    production.mode = "enforce"
    production.save()
    run = cors_guard("parity")
    assert run.code == 1
    assert "No API group monitors" in run.err


def test_pattern_settles_what_it_covers(moving: ApiGroup, production: Environment) -> None:
    get(THEIRS)
    production.allow_subdomain_patterns = True
    production.save()
    services.trust("https://*.example.com", environment="production", api_group="public")
    assert cors_guard("parity").code == 0


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        pytest.param([GUARD], "no other CORS middleware", id="none"),
        pytest.param([CORSHEADERS, GUARD], "stands before the guard", id="in front"),
    ],
)
def test_zero_is_no_zero_where_nothing_is_compared(moving: ApiGroup, standing: list[str], told: str) -> None:
    with override_settings(MIDDLEWARE=standing):
        run = cors_guard("parity")
    assert run.code == 2
    assert told in run.err


def test_zero_without_any_traffic_is_told_to_mean_nothing(moving: ApiGroup) -> None:
    run = cors_guard("parity")
    assert run.code == 0
    assert "No request of another origin was counted yet" in run.err


def test_what_isolation_records_is_no_traffic_of_other_origins(moving: ApiGroup) -> None:
    nothing = "No request of another origin was counted yet"
    RejectionFactory.create(mode="monitor", api_group=moving.slug, origin="", reason="cross_site")
    assert nothing in cors_guard("parity").err
    RejectionFactory.create(mode="monitor", api_group=moving.slug)
    assert nothing not in cors_guard("parity").err


def test_since_leaves_out_what_was_seen_before(moving: ApiGroup) -> None:
    old, new = timezone.now() - timedelta(days=8), timezone.now() - timedelta(hours=2)
    ParityDifferenceFactory.create(origin=THEIRS, first_seen=old, last_seen=old)
    assert [cors_guard("parity", *words).code for words in ([], ["--since", "30d"], ["--since", "7d"])] == [1, 1, 0]
    ParityDifferenceFactory.create(origin=THEIRS, first_seen=new, last_seen=new)
    assert [read_json("--since", span)[0] for span in ("7d", "3h", "1h", "30m")] == [1, 1, 0, 0]


@pytest.mark.parametrize("span", ["7", "0d", "-1d", "1w", "d", "1.5h", "٧d"])
def test_since_that_is_no_span_says_which_are(moving: ApiGroup, span: str) -> None:
    run = cors_guard("parity", f"--since={span}")
    assert "such as 7d, 12h or 30m" in run.err


def test_forget_deletes_what_was_recorded_here(moving: ApiGroup) -> None:
    EnvironmentFactory.create(slug="staging")
    get(THEIRS)
    ParityDifferenceFactory.create(environment="staging")
    assert cors_guard("parity", "--environment", "staging").code == 1
    run = cors_guard("parity", "--forget")
    assert (run.code, run.out.strip()) == (0, "Forgotten: 1 request that was answered differently.")
    assert [row.environment for row in ParityDifference.objects.all()] == ["staging"]
    assert cors_guard("parity").code == 0


def test_forget_does_not_mix_with_since(moving: ApiGroup) -> None:
    get(THEIRS)
    assert cors_guard("parity", "--forget", "--since", "1d").code == 2
    assert ParityDifference.objects.exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({"origin": ""}, "These were only counted", id="overflow"),
        pytest.param({"path": "/" + "x" * 254}, "too long to be kept whole", id="path that was cut"),
        pytest.param({"path": "/api/public/\\xfc"}, "too long to be kept whole", id="path that was escaped"),
        pytest.param({"requested_headers": "x" * 255}, "too long to be kept whole", id="headers that were cut"),
        pytest.param({"theirs": {"access-control-allow-origin": "x" * 1000}}, "too long", id="answer that was cut"),
    ],
)
def test_what_cannot_be_judged_again_is_never_settled(moving: ApiGroup, given: dict[str, Any], told: str) -> None:
    """Trusted by now, so it would be settled if it were whole."""
    ParityDifferenceFactory.create(origin=TRUSTED)
    assert cors_guard("parity").code == 0
    ParityDifferenceFactory.create(**{"origin": TRUSTED, **given})
    run = cors_guard("parity")
    assert run.code == 1
    assert told in run.out


def test_exceeding_differences_are_counted_and_told(moving: ApiGroup) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=2):
        for number in range(5):
            Client().get(f"{HELLO}/{number}", headers={"origin": THEIRS})
        flush_rejections()
    code, told = read_json()
    assert (code, sum(found["count"] for found in told["differences"])) == (1, 5)
    assert "many others of public" in cors_guard("parity").out


def test_more_kinds_than_are_told_apart_are_counted(moving: ApiGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knows an origin that is let in chooses the paths, day after day."""
    monkeypatch.setattr(service, "MAX_FINDINGS", 3)
    for number in range(6):
        ParityDifferenceFactory.create(path=f"/api/public/{number}", count=2)
    ParityDifferenceFactory.create(path="/api/public/5")
    code, told = read_json()
    assert (code, told["unsettled"]) == (1, 4)
    assert sorted((found["path"], found["count"]) for found in told["differences"]) == [
        ("", 6),
        ("/api/public/3", 2),
        ("/api/public/4", 2),
        ("/api/public/5", 3),
    ]


def test_forget_deletes_in_batches_short_enough_for_the_audit(
    moving: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BATCH", 2)
    for number in range(5):
        ParityDifferenceFactory.create(environment="staging" if number == 2 else "production", count=10)
    assert "Forgotten: 40 requests" in cors_guard("parity", "--forget").out
    assert [row.environment for row in ParityDifference.objects.all()] == ["staging"]


def test_rows_of_one_kind_are_added_up(moving: ApiGroup) -> None:
    now = timezone.now()
    for hours in (3, 2, 1):
        at = now - timedelta(hours=hours)
        ParityDifferenceFactory.create(count=hours, first_seen=at, last_seen=at + timedelta(minutes=1))
    (found,) = read_parity("production").findings
    assert (found.count, found.first_seen, found.last_seen) == (
        6,
        now - timedelta(hours=3),
        now - timedelta(hours=1) + timedelta(minutes=1),
    )


def test_many_origins_are_judged_in_a_few_queries(moving: ApiGroup, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        origin = f"https://a{number}.example.net"
        theirs = {"access-control-allow-origin": origin}
        ParityDifferenceFactory.create(origin=origin, theirs=theirs)
    with django_assert_max_num_queries(13):
        report = read_parity("production")
    assert len(report.unsettled) == 30


def test_unknown_environment_is_refused(moving: ApiGroup) -> None:
    run = cors_guard("parity", "--environment", "nowhere")
    assert (run.code, "nowhere" in run.err) == (2, True)


@pytest.mark.parametrize(
    ("disparity", "reason", "widens", "told"),
    [
        pytest.param("guard_refuses", "unknown_origin", False, "cors_guard trust https://theirs", id="unknown"),
        pytest.param("guard_refuses", "expired", False, "--expires 90d", id="expired"),
        pytest.param("guard_refuses", "revoked", False, "cors_guard reinstate", id="revoked"),
        pytest.param("guard_refuses", "own_paths", False, "Nobody is ever trusted with the admin", id="own paths"),
        pytest.param("guard_refuses", "null_origin", False, "can never be trusted", id="null"),
        pytest.param("guard_refuses", "switched_off", False, "cors_guard check https://theirs", id="switched off"),
        pytest.param("guard_admits", "trusted", True, "cors_guard revoke https://theirs", id="admits"),
        pytest.param("guard_admits", "any_origin", True, "is open to any origin", id="open"),
        pytest.param("credentials", "trusted", True, "Switch “allow credentials” off in", id="credentials off"),
        pytest.param("credentials", "trusted", False, "Switch “allow credentials” on in", id="credentials on"),
        pytest.param("method", "trusted", True, "Take PUT off the methods in", id="method off"),
        pytest.param("method", "trusted", False, "Add PUT to the methods in", id="method on"),
        pytest.param("header", "trusted", True, "Take x-b off the request headers in", id="header off"),
        pytest.param("header", "trusted", False, "Add x-a to the request headers in", id="header on"),
        pytest.param("exposed", "trusted", False, "the same, x-total, in", id="exposed"),
        pytest.param("unguarded", "unguarded", False, "--group SLUG=/api", id="unguarded"),
    ],
)
def test_every_difference_has_its_remedy(
    moving: ApiGroup, disparity: str, reason: str, widens: bool, told: str
) -> None:
    ParityDifferenceFactory.create(origin=THEIRS, requested_method="PUT", requested_headers="x-a,x-b")
    (found,) = read_parity("production").findings
    theirs = {
        "access-control-allow-headers": "X-B" if not widens else "x-a",
        "access-control-expose-headers": "X-Total",
    }
    ours = {"access-control-allow-headers": "x-b" if not widens else "x-a, x-b"}
    now = Difference(Disparity(disparity), "public", Reason(reason), widens, theirs, ours)
    assert told in word_mending(replace(found, now=now), "production")
