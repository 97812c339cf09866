"""The blocks that are open in this process, and the policy they add up to, which every thread decides by."""

from __future__ import annotations

import threading
from typing import Final

from django.test.utils import TestContextDecorator

from django_cors_guard.recorder import recorder
from django_cors_guard.store import store
from django_cors_guard.testing.draft import Block, Draft, compile_blocks

_lock: Final = threading.Lock()
_open: Final[list[Block]] = []


def open_block(block: Block) -> None:
    """Let ``block`` decide, on top of those that are open. If it cannot be compiled, nothing changes.

    The first one begins with no refusal pending: another test's must not be taken for its own.
    """
    with _lock:
        policy = compile_blocks([*_open, block])
        if not _open:
            recorder.forget()
        _open.append(block)
        store.pin(policy)


def close_block(block: Block) -> None:
    """Take ``block`` away, whatever was opened after it; after the last one the database decides again."""
    with _lock:
        # The latest one: the same block may be open twice.
        position = max(index for index, found in enumerate(_open) if found is block)
        del _open[position]
        if _open:
            store.pin(compile_blocks(_open))
        else:
            store.unpin()


class PinnedBlock(TestContextDecorator):
    """A block that decides while it is open: a context manager, and a decorator of functions and test cases."""

    def enable(self) -> None:
        """Open it."""
        open_block(self)

    def disable(self) -> None:
        """Close it."""
        close_block(self)

    def add_to(self, draft: Draft) -> None:
        """Add to what the blocks around it say. May raise ``CorsGuardError``."""
        raise NotImplementedError
