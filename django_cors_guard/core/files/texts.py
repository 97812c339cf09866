"""Bytes that somebody uploaded, as text."""

from __future__ import annotations

import codecs
from typing import Final

from django_cors_guard.core.files.problems import BadFile, FileProblem, problem

#: As much as a request may carry on Django's default settings, with room for what travels beside it.
MAX_BYTES: Final = 2_000_000

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BYTE_ORDER_MARK: Final = "\ufeff"


def decode(data: bytes | str) -> str:
    """Return the text without its byte order mark; raises BadFile for what is none."""
    if len(data if isinstance(data, bytes) else data.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadFile(problem(FileProblem.FILE_TOO_LARGE, detail=f"{MAX_BYTES // 1_000_000} MB"))
    text = _decode_bytes(data) if isinstance(data, bytes) else data
    text = text.removeprefix(_BYTE_ORDER_MARK)
    if "\0" in text:
        raise BadFile(problem(FileProblem.NO_TEXT))
    if not text.strip():
        raise BadFile(problem(FileProblem.EMPTY_FILE))
    return text


def _decode_bytes(data: bytes) -> str:
    if data.startswith(_UTF16):
        raise BadFile(problem(FileProblem.UTF16))
    if b"\0" in data:
        raise BadFile(problem(FileProblem.NO_TEXT))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFile(problem(FileProblem.NOT_UTF8, str(line))) from error
