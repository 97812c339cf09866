"""A policy as text: YAML for people, JSON for programs. Text in, a ``PolicyFile`` out, and the way back.

``read_document`` lists everything that is wrong, each thing with its place. It raises nothing, whatever it is given,
and its work is bounded by ``MAX_BYTES``. ``write_document`` writes the same document always in the same way, so that
what differs between two exports is what differs between two policies.
"""

from __future__ import annotations

from django_cors_guard.core.policy_files.plain import as_plain
from django_cors_guard.core.policy_files.problems import Finding, PolicyProblem
from django_cors_guard.core.policy_files.texts import (
    MAX_BYTES,
    TextFormat,
    has_yaml_reader,
    read_document,
    write_document,
)
from django_cors_guard.core.policy_files.values import Reading, from_plain

__all__ = [
    "MAX_BYTES",
    "Finding",
    "PolicyProblem",
    "Reading",
    "TextFormat",
    "as_plain",
    "from_plain",
    "has_yaml_reader",
    "read_document",
    "write_document",
]
