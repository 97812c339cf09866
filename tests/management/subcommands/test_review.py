"""`cors_guard review`."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from tests.factories import EnvironmentFactory, FrontEndFactory, TrustedOriginFactory, UserFactory
from tests.management.cli import cors_guard

APP, OLD = "https://app.example.com", "https://old.example.com"


@pytest.fixture(autouse=True)
def grants(production: Environment, public: ApiGroup) -> None:
    """A young grant, and an old one of a front end past its review."""
    shop = FrontEndFactory.create(owner="Team Shop", review_by=date(2020, 1, 1))
    long_ago = timezone.now() - timedelta(days=200)
    TrustedOriginFactory.create(origin=OLD, front_end=shop, created_at=long_ago, note="asked for by Bo")
    # The story cannot be rewritten through its own manager.
    QuerySet(PolicyChange).update(at=long_ago)
    TrustedOriginFactory.create(origin=APP)


def test_table_begins_with_front_ends_past_their_review() -> None:
    run = cors_guard("review")
    assert run.code == 0, run.err
    title, heading, shop, columns, first, second, *rest = run.out.splitlines()
    assert title.startswith("Trusted origins as of ")
    assert heading == "Front ends past their review:"
    assert shop.split() == ["Shop", "2020-01-01", "1", "grant", "Team", "Shop"]
    assert columns.startswith("origin")
    assert first.startswith(OLD)
    assert "its front end is past its review, never reviewed" in " ".join(first.split())[:200]
    assert second.startswith(APP)
    assert rest[0] == "2 grants, 1 due for review."


def test_only_what_is_due() -> None:
    assert APP not in cors_guard("review", "--due").out
    run = cors_guard("review", "--due", "--older-than", "300", "--format", "json")
    assert [(row["origin"], row["due"]) for row in json.loads(run.out)["grants"]] == [(OLD, ["front_end"])]


def test_json_says_what_it_is_and_cannot_tell() -> None:
    found = json.loads(cors_guard("review", "--format", "json", "--environment", "production").out)
    assert found["as_of"].endswith("Z")
    assert [limit["code"] for limit in found["limits"]] == ["use_kept_since"]
    assert [(item["slug"], item["standing_grants"]) for item in found["front_ends"]] == [("shop", 1)]
    assert [(row["origin"], row["owner"]) for row in found["grants"]] == [(OLD, "Team Shop"), (APP, "")]
    elsewhere = EnvironmentFactory.create(slug="staging")
    assert json.loads(cors_guard("review", "--format", "json", "--environment", elsewhere.slug).out)["grants"] == []


def test_csv_goes_into_a_file_and_no_spreadsheet_runs_it(tmp_path: Path) -> None:
    TrustedOrigin.objects.filter(origin=APP).update(note="=1+1")
    file = tmp_path / "review.csv"
    run = cors_guard("review", "--format", "csv", "--output", str(file))
    assert (run.code, run.out) == (0, "")
    assert "Use is known since" in run.err
    old, app = csv.DictReader(StringIO(file.read_text("utf-8-sig")))
    assert (old["origin"], old["due"], app["note"]) == (OLD, "front_end never", "'=1+1")
    assert [path.name for path in tmp_path.iterdir()] == ["review.csv"]
    on_screen = cors_guard("review", "--format", "csv").out
    assert on_screen.splitlines()[0].startswith("id,environment,")


def test_past_day_is_told_as_of_its_end() -> None:
    yesterday = datetime.now(tz=UTC).date() - timedelta(days=1)
    run = cors_guard("review", "--as-of", yesterday.isoformat())
    assert f"Trusted origins as of {yesterday} 23:59 UTC" in run.out
    assert OLD in run.out
    assert APP not in run.out
    assert "those of today" in run.out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--as-of", "2030-13-01"], id="no day"),
        pytest.param(["--as-of", "2998-01-01"], id="to come"),
        pytest.param(["--front-end", "nobody"], id="no front end"),
        pytest.param([APP], id="origin without mark"),
        pytest.param(["--mark", "--reason", "x"], id="nothing named"),
        pytest.param(["--mark", APP], id="no reason"),
        pytest.param(["--mark", APP, "--all", "--reason", "x"], id="both"),
        pytest.param(["--mark", "--all", "--as-of", "2020-01-01", "--reason", "x"], id="the past"),
        pytest.param(["--mark", "--next-review", "2990-01-01", "--reason", "x"], id="no front end named"),
        pytest.param(["--output", "review.txt"], id="table into a file"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_marked(words: list[str]) -> None:
    run = cors_guard("review", *words)
    assert run.code in {1, 2}
    assert run.err
    assert not TrustedOrigin.objects.exclude(reviewed_at=None).exists()


def test_origin_is_marked_and_the_story_says_who() -> None:
    run = cors_guard("review", APP.upper(), "--mark", "--reason", "Signed off in OPS-7")
    assert run.code == 0, run.err
    assert "1 grant marked as reviewed." in run.out
    change = PolicyChange.objects.get(action="reviewed")
    assert (change.source, change.reason, change.actor_label[:4]) == ("cli", "Signed off in OPS-7", "cli:")
    again = cors_guard("review", APP, "--mark", "--reason", "Signed off in OPS-7")
    assert "1 was marked a moment ago." in again.out
    nothing = cors_guard("review", "https://else.example.com", "--mark", "--reason", "x")
    assert nothing.code == 1


def test_all_that_is_due_is_marked() -> None:
    gone = TrustedOriginFactory.create(created_at=timezone.now() - timedelta(days=200))
    services.revoke(gone, reason="gone")
    run = cors_guard("review", "--mark", "--all", "--due", "--reason", "Quarterly")
    assert run.code == 0, run.err
    assert [row.origin for row in TrustedOrigin.objects.exclude(reviewed_at=None)] == [OLD]
    assert cors_guard("review", "--mark", "--all", "--group", "public", "--due", "--older-than", "300").code == 2


def test_front_end_is_reviewed_as_a_whole() -> None:
    day = datetime.now(tz=UTC).date() + timedelta(days=180)
    words = ("--front-end", "shop", "--mark", "--next-review", day.isoformat(), "--reason", "Met with the team")
    run = cors_guard("review", *words)
    assert run.code == 0, run.err
    assert f"Shop is to be reviewed again by {day}." in run.out
    assert FrontEnd.objects.get().review_by == day
    assert "There are no such grants." in cors_guard("review", "--due").out


def test_review_survives_an_import_of_the_policy(tmp_path: Path) -> None:
    services.review(TrustedOrigin.objects.filter(origin=APP), actor=UserFactory.create(), reason="Looked at")
    before = TrustedOrigin.objects.get(origin=APP)
    file = tmp_path / "policy.json"
    assert cors_guard("export", str(file), "--name", "main").code == 0
    assert "review" not in file.read_text().replace("review_by", "")
    document = json.loads(file.read_text())
    text = json.dumps(document).replace("asked for by Bo", "asked for by Bo and Ana")
    file.write_text(text)
    run = cors_guard("import", str(file), "--apply")
    assert run.code == 0, run.err
    after = TrustedOrigin.objects.get(origin=APP)
    assert (after.reviewed_at, after.reviewed_by) == (before.reviewed_at, before.reviewed_by)
    assert TrustedOrigin.objects.get(origin=OLD).note == "asked for by Bo and Ana"


def test_use_is_known_for_no_longer_than_there_is_anything_to_use() -> None:
    began = timezone.now() - timedelta(days=5)
    QuerySet(PolicyChange).update(at=began)

    assert f"Use is known since {began:%Y-%m-%d %H:%M} UTC" in cors_guard("review").out
