"""What was refused: in tests it waits in memory, where it can be read, and is written only when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass

from django_cors_guard.recorder import recorder


@dataclass(frozen=True, slots=True)
class PendingRejection:
    """Refusals of one kind that no flush has written yet, and how many; the values are those of ``Rejection``.

    ``reason`` does not tell ``other_group`` and ``other_environment`` from ``unknown_origin``: that takes the database.
    """

    environment: str
    api_group: str
    mode: str
    origin: str
    reason: str
    kind: str
    method: str
    path: str
    count: int


def pending_rejections() -> list[PendingRejection]:
    """Return what was refused since the last flush, first things first; asks no database."""
    return [
        PendingRejection(
            key.environment,
            key.group,
            str(key.mode),
            key.origin,
            str(key.reason),
            str(key.kind),
            key.method,
            key.path,
            count,
        )
        for key, count in recorder.waiting()
    ]


def flush_rejections() -> None:
    """Write every refusal and use that was recorded so far; in tests nothing else does."""
    recorder.flush(everything=True)


def forget_rejections() -> None:
    """Drop every refusal and use that no flush has written, so that the next test does not meet them."""
    recorder.forget()
