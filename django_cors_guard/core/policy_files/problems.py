"""What can be wrong with a policy file, each thing with its place, like ``environments.production.mode``."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from django_cors_guard.core.problems import Problem, show


class PolicyProblem(StrEnum):
    """Every code. The comment says what value and detail are, where they are anything."""

    # The text. Value: the number of the line, unless it is said otherwise.
    EMPTY_DOCUMENT = "empty_document"
    DOCUMENT_TOO_LARGE = "document_too_large"  # value: nothing; detail: the largest size
    DOCUMENT_NOT_UTF8 = "document_not_utf8"
    DOCUMENT_NO_TEXT = "document_no_text"  # value: nothing; it holds NUL
    BROKEN_JSON = "broken_json"  # detail: the character in the line
    NOT_A_JSON_NUMBER = "not_a_json_number"  # value: NaN, Infinity
    BROKEN_YAML = "broken_yaml"  # detail: what the reader says
    NO_YAML_READER = "no_yaml_reader"  # value: nothing
    TOO_NESTED = "too_nested"  # value: nothing; detail: the greatest depth
    REPEATED_KEY = "repeated_key"  # value: the key; detail: the line, where it is known
    YAML_ALIAS = "yaml_alias"  # detail: its name
    YAML_TAG = "yaml_tag"  # detail: the tag
    YAML_KEY = "yaml_key"  # a key that is no plain text
    SEVERAL_DOCUMENTS = "several_documents"

    # Values.
    UNKNOWN_FORMAT = "unknown_format"  # value: what it says; detail: what is read
    EXPECTED_MAPPING = "expected_mapping"  # value: what it is instead
    EXPECTED_LIST = "expected_list"  # the same
    EXPECTED_TEXT = "expected_text"  # the same
    EXPECTED_SWITCH = "expected_switch"  # the same
    EXPECTED_NUMBER = "expected_number"  # the same
    UNKNOWN_KEY = "unknown_key"  # value: the key; detail: the one that may have been meant
    MISSING_KEY = "missing_key"  # value: the key
    UNFIT_TEXT = "unfit_text"  # what no database stores
    TEXT_TOO_LONG = "text_too_long"  # detail: the longest that is read
    BAD_SLUG = "bad_slug"  # value: the text
    RESERVED_NAME = "reserved_name"  # value: the name
    UNKNOWN_MODE = "unknown_mode"  # value: the text; detail: the mode that may have been meant
    BAD_DAY = "bad_day"  # value: the text
    INVALID_VALUE = "invalid_value"  # value: what is wrong, in words
    REVOKED_WITHOUT_TIME = "revoked_without_time"  # value: the key that tells of a revocation
    REPEATED_GRANT = "repeated_grant"  # value: where it is first
    REPEATED_ROUTE = "repeated_route"  # value: the API group that has it first

    # The whole, as it was asked for.
    NEEDS_ALLOW_PROTECTED = "needs_allow_protected"  # value: the environment
    NAME_NEEDED = "name_needed"  # value: nothing; only a named document prunes
    ENVIRONMENT_NOT_LISTED = "environment_not_listed"  # value: the slug; detail: those that are
    SEVERAL_ENVIRONMENTS = "several_environments"  # value: those that there are
    ORIGIN_NOT_LISTED = "origin_not_listed"  # value: the origin that was to be reinstated


class Finding(NamedTuple):
    """One problem and its place in the document; blank: the document as a whole."""

    place: str
    problem: Problem


def finding(place: str, code: PolicyProblem, value: str = "", detail: str = "") -> Finding:
    """Return a finding whose texts are printable."""
    return Finding(show(place), Problem(code.value, show(value), show(detail)))


class BadDocument(Exception):
    """Nothing of the text can be used; it never leaves the package."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings)
        self.findings = findings
