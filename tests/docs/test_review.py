"""The how-to of the access review is followed as it is written."""

import csv
import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from django_cors_guard.services import Unsure
from tests.docs.following import find_blocks, follow, read_page
from tests.factories import EnvironmentFactory, FrontEndFactory, TrustedOriginFactory

PAGE = "how-to/review.md"
APP, OLD, SHOP = "https://app.example.com", "https://old.example.com", "https://shop.example.com"


@pytest.fixture(autouse=True)
def grants(production: Environment, public: ApiGroup) -> None:
    """What the page speaks of: an app, a grant in staging that is due, and a shop past its review."""
    long_ago = timezone.now() - timedelta(days=200)
    shop = FrontEndFactory.create(review_by=date(2020, 1, 1))
    TrustedOriginFactory.create(origin=SHOP, front_end=shop, created_at=long_ago)
    TrustedOriginFactory.create(origin=OLD, environment=EnvironmentFactory.create(slug="staging"), created_at=long_ago)
    TrustedOriginFactory.create(origin=APP, created_at=long_ago)
    # The story's own manager would not rewrite it.
    QuerySet(PolicyChange).update(at=long_ago)


def test_page_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    due, marked, all_marked, front_end, *_exports = follow(PAGE, tmp_path)
    assert [origin for origin in (APP, OLD, SHOP) if origin not in due.out] == []
    assert "1 grant marked as reviewed." in marked.out
    assert "1 grant marked as reviewed." in all_marked.out
    assert "to be reviewed again by 2990-06-30" in front_end.out
    assert FrontEnd.objects.get().review_by == date(2990, 6, 30)
    assert not TrustedOrigin.objects.filter(reviewed_at=None).exists()
    rows = list(csv.DictReader(StringIO((tmp_path / "review.csv").read_text("utf-8-sig"))))
    assert {row["origin"] for row in rows} == {APP, OLD, SHOP}
    assert all(row["reviewed_at"].endswith("Z") for row in rows)
    assert len(json.loads((tmp_path / "review.json").read_text())["grants"]) == 3
    # Of a day before all of that there is nothing to tell, or nothing of the marks.
    june = csv.DictReader(StringIO((tmp_path / "june.csv").read_text("utf-8-sig")))
    assert {row["reviewed_at"] for row in june} <= {""}


def test_every_command_of_the_page_is_followed() -> None:
    text = read_page(PAGE)
    followed = [line for block in find_blocks(text) if block.kind == "commands" for line in block.lines]
    assert followed == [line for line in text.splitlines() if line.startswith("python manage.py")]


def test_page_names_every_doubt() -> None:
    text = read_page(PAGE)
    assert [code.value for code in Unsure if f"`{code.value}`" not in text] == []
