"""Bytes of a policy file to its document, and back to text."""

from __future__ import annotations

import codecs
from enum import StrEnum
from typing import Any, Final

from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.core.policy_files import json_text, yaml_reading, yaml_writing
from django_cors_guard.core.policy_files.plain import as_plain
from django_cors_guard.core.policy_files.problems import BadDocument, PolicyProblem, finding
from django_cors_guard.core.policy_files.values import Reading, from_plain

#: The largest file that is read: a quarter of a million grants.
MAX_BYTES: Final = 32 * 1024 * 1024

_BYTE_ORDER_MARK: Final = "\ufeff"


class TextFormat(StrEnum):
    """How a document is written."""

    YAML = "yaml"
    JSON = "json"


def has_yaml_reader() -> bool:
    """Whether YAML can be read here: it needs PyYAML. Writing needs nothing."""
    return yaml_reading.is_there()


def read_document(data: bytes, text_format: TextFormat) -> Reading:
    """Return the document in ``data``, with everything that is wrong with it; nothing raises."""
    try:
        plain = _parse(_decode(data), text_format)
    except BadDocument as error:
        return Reading(PolicyFile(), error.findings)
    return from_plain(plain)


def write_document(document: PolicyFile, text_format: TextFormat) -> str:
    """Return ``document`` as text that ends with a line feed."""
    plain = as_plain(document)
    return json_text.write(plain) if text_format is TextFormat.JSON else yaml_writing.write(plain)


def _parse(text: str, text_format: TextFormat) -> Any:
    return json_text.read(text) if text_format is TextFormat.JSON else yaml_reading.read(text)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        size = f"{MAX_BYTES // 1024 // 1024} MiB"
        raise BadDocument(finding("", PolicyProblem.DOCUMENT_TOO_LARGE, detail=size))
    if b"\0" in data or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadDocument(finding("", PolicyProblem.DOCUMENT_NO_TEXT))
    try:
        text = data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDocument(finding("", PolicyProblem.DOCUMENT_NOT_UTF8, str(line))) from error
    if not text.strip():
        raise BadDocument(finding("", PolicyProblem.EMPTY_DOCUMENT))
    return text
