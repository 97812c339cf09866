from django.test import Client

from django_cors_guard.models import Rejection
from django_cors_guard.testing import (
    PendingRejection,
    flush_rejections,
    forget_rejections,
    override_cors_guard,
    pending_rejections,
    trusted,
)

STRANGER = "https://stranger.example"


def call(origin: str = STRANGER, path: str = "/api/public/hello") -> None:
    Client().get(path, headers={"origin": origin, "sec-fetch-mode": "cors"})


def test_pending_rejections_tell_what_was_refused_and_how_often() -> None:
    with trusted(group="public"):
        call()
        call(origin="null")
        call()
    assert pending_rejections() == [
        PendingRejection(
            environment="production",
            api_group="public",
            mode="enforce",
            origin=STRANGER,
            reason="unknown_origin",
            kind="actual",
            method="GET",
            path="/api/public/hello",
            count=2,
        ),
        PendingRejection(
            environment="production",
            api_group="public",
            mode="enforce",
            origin="null",
            reason="null_origin",
            kind="actual",
            method="GET",
            path="/api/public/hello",
            count=1,
        ),
    ]


def test_pending_rejections_of_an_outermost_block_are_its_own() -> None:
    with trusted(group="public"):
        call()
    with trusted(group="public"):
        assert pending_rejections() == []
        call()
        with trusted():
            assert len(pending_rejections()) == 1
    assert len(pending_rejections()) == 1


def test_pending_rejections_count_what_exceeds_the_bounds() -> None:
    with trusted(group="public"), override_cors_guard(AUDIT_MAX_PENDING=1):
        call()
        call(origin="https://second.example")
    assert [(row.origin, row.count) for row in pending_rejections()] == [(STRANGER, 1), ("", 1)]


def test_flush_rejections_leaves_none_pending(db: None) -> None:
    with trusted(group="public"):
        call()
        flush_rejections()
    assert pending_rejections() == []
    assert Rejection.objects.count() == 1


def test_forget_rejections_keeps_them_from_the_next_flush(db: None) -> None:
    with trusted(group="public"):
        call()
    forget_rejections()
    assert pending_rejections() == []
    flush_rejections()
    assert not Rejection.objects.exists()
