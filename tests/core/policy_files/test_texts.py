"""A policy as text: what is written is read as it was, and what is hostile is refused in words."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings

from django_cors_guard.core.policy_file import (
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)
from django_cors_guard.core.policy_files import (
    MAX_BYTES,
    Reading,
    TextFormat,
    read_document,
    write_document,
    yaml_reading,
)
from django_cors_guard.wording import word_finding
from tests.core.policy_files.strategies import DOCUMENTS, TRICKY_TEXTS

FORMATS = list(TextFormat)
HEAD = "format: django-cors-guard/1\n"
GRANT = (
    HEAD + "trusted_origins:\n  - environment: production\n    api_group: public\n    origin: https://a.example.com\n"
)

WHOLE = PolicyFile(
    name="shop",
    environments=(
        FileEnvironment("production", name="Production (EU)", mode="block", group_modes=(("public", "monitor"),)),
        FileEnvironment("staging", allow_loopback=True, max_trust_days=30),
    ),
    api_groups=(
        FileGroup("public", allow_methods=(), routes=(FileRoute("/api"), FileRoute("/api", "api.example.com"))),
    ),
    front_ends=(FileFrontEnd("shop", owner="Team Shop: the web", review_by=date(2030, 12, 31)),),
    trusted_origins=(
        FileGrant(
            "production",
            "public",
            "https://a.example.com",
            front_end="shop",
            note="asked for by Zoë,\nticket #42\n",
            expires_at=datetime(2030, 12, 31, 18, tzinfo=UTC),
        ),
        FileGrant(
            "staging",
            "public",
            "http://localhost:*",
            revoked_at=datetime(2026, 5, 3, 12, 0, 0, 5, tzinfo=UTC),
            revoked_by="ana",
            revoke_reason="no",
        ),
    ),
)

WHOLE_YAML = """\
format: django-cors-guard/1
name: shop
environments:
  production:
    name: Production (EU)
    mode: block
    group_modes:
      public: monitor
  staging:
    allow_loopback: true
    max_trust_days: 30
api_groups:
  public:
    allow_methods: []
    routes:
      - path_prefix: /api
      - path_prefix: /api
        host: api.example.com
front_ends:
  shop:
    owner: "Team Shop: the web"
    review_by: "2030-12-31"
trusted_origins:
  - environment: production
    api_group: public
    origin: https://a.example.com
    front_end: shop
    note: |
      asked for by Zoë,
      ticket #42
    expires_at: "2030-12-31T18:00:00Z"
  - environment: staging
    api_group: public
    origin: http://localhost:*
    revoked_at: "2026-05-03T12:00:00.000005Z"
    revoked_by: ana
    revoke_reason: "no"
"""


def read(text: str | bytes, text_format: TextFormat = TextFormat.YAML) -> Reading:
    return read_document(text if isinstance(text, bytes) else text.encode(), text_format)


def codes(reading: Reading) -> list[tuple[str, str]]:
    return [(found.place, found.problem.code) for found in reading.findings]


def test_document_is_written_as_a_person_would_write_it() -> None:
    assert write_document(WHOLE, TextFormat.YAML) == WHOLE_YAML


def test_document_as_json_says_what_it_says_as_yaml() -> None:
    assert json.loads(write_document(WHOLE, TextFormat.JSON)) == yaml.safe_load(WHOLE_YAML)
    assert read(write_document(WHOLE, TextFormat.JSON), TextFormat.JSON) == read(WHOLE_YAML) == Reading(WHOLE)


@pytest.mark.parametrize("text_format", FORMATS)
@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS)
def test_what_is_written_is_read_as_it_was(text_format: TextFormat, document: PolicyFile) -> None:
    text = write_document(document, text_format)
    assert read(text, text_format) == Reading(document)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader], ids=["python", "c"])
@pytest.mark.parametrize("text", TRICKY_TEXTS)
def test_text_is_text_to_every_reader_of_yaml(text: str, loader: type[yaml.SafeLoader]) -> None:
    """Also to one that takes `on` for true and 12:30 for a number."""
    document = PolicyFile(front_ends=(FileFrontEnd("shop", name=text, owner=text),))
    found = yaml.load(write_document(document, TextFormat.YAML), loader)  # noqa: S506 - both are safe ones
    assert found["front_ends"] == {"shop": {"name": text, "owner": text}}


@pytest.mark.parametrize("text_format", FORMATS)
def test_written_text_holds_nothing_that_cannot_be_seen(text_format: TextFormat) -> None:
    document = PolicyFile(front_ends=(FileFrontEnd("shop", name="".join(TRICKY_TEXTS), owner="\u202e\u200d🦀é"),))
    text = write_document(document, text_format)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "🦀é" in text
    assert read(text, text_format).document == document


@pytest.mark.parametrize("text_format", FORMATS)
def test_order_of_a_document_makes_no_difference(text_format: TextFormat) -> None:
    shuffled = PolicyFile(
        WHOLE.name,
        WHOLE.environments[::-1],
        WHOLE.api_groups,
        WHOLE.front_ends,
        WHOLE.trusted_origins[::-1],
    )
    assert write_document(shuffled, text_format) == write_document(WHOLE, text_format)


def test_yaml_of_people_is_understood() -> None:
    reading = read(
        HEAD
        + """
environments:
  on: {mode: enforce}
  1e3:
  no:
    max_trust_days: 7
    description: no
front_ends: {shop: {review_by: 2030-12-31, contact: 12:30}}
trusted_origins:
- {environment: no, api_group: public, origin: "https://A.example.com/", expires_at: 2030-12-31 18:00+01:00}
- {environment: on, api_group: public, origin: 'https://bücher.example', expires_at: never, note: ~}
"""
    )
    assert codes(reading) == []
    assert [item.slug for item in reading.document.environments] == ["1e3", "no", "on"]
    assert reading.document.environments[1].description == "no"
    assert reading.document.front_ends == (FileFrontEnd("shop", contact="12:30", review_by=date(2030, 12, 31)),)
    assert reading.document.trusted_origins == (
        FileGrant("no", "public", "https://a.example.com", expires_at=datetime(2030, 12, 31, 17, tzinfo=UTC)),
        FileGrant("on", "public", "https://xn--bcher-kva.example"),
    )
    assert {(item.place, item.mend.code) for item in reading.mended} == {
        ("trusted_origins[0].origin", "case"),
        ("trusted_origins[0].origin", "trailing_slash"),
        ("trusted_origins[1].origin", "idn"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("name: x", [("", "missing_key")], id="no format"),
        pytest.param("format: django-cors-guard/2", [("format", "unknown_format")], id="newer format"),
        pytest.param(HEAD + "enviroments: {}", [("", "unknown_key")], id="misspelt section"),
        pytest.param("- a", [("", "expected_mapping"), ("", "missing_key")], id="a list"),
        pytest.param(HEAD + "environments: [a]", [("environments", "expected_mapping")], id="list of environments"),
        pytest.param(HEAD + "environments: {a b: {}}", [("environments", "bad_slug")], id="no slug"),
        pytest.param(
            HEAD + "environments: {p: {mode: blok}}", [("environments.p.mode", "unknown_mode")], id="misspelt mode"
        ),
        pytest.param(
            HEAD + "environments: {p: {protected: yes}}", [("environments.p.protected", "expected_switch")], id="yes"
        ),
        pytest.param(
            HEAD + "environments: {p: {protected: 1}}", [("environments.p.protected", "expected_switch")], id="one"
        ),
        pytest.param(
            HEAD + "environments: {p: {max_trust_days: 1.5}}",
            [("environments.p.max_trust_days", "expected_number")],
            id="a fraction",
        ),
        pytest.param(
            HEAD + f"environments: {{p: {{max_trust_days: {'9' * 5000}}}}}",
            [("environments.p.max_trust_days", "expected_number")],
            id="huge number",
        ),
        pytest.param(
            HEAD + "environments: {p: {max_trust_days: true}}",
            [("environments.p.max_trust_days", "expected_number")],
            id="true is no number",
        ),
        pytest.param(
            HEAD + "environments: {p: {group_modes: {public: strict}}}",
            [("environments.p.group_modes.public", "unknown_mode")],
            id="mode of a group",
        ),
        pytest.param(
            HEAD + "api_groups: {public: {allow_methods: GET}}",
            [("api_groups.public.allow_methods", "expected_list")],
            id="a text for a list",
        ),
        pytest.param(
            HEAD + "api_groups: {public: {allow_methods: [GET, 1, null]}}",
            [
                ("api_groups.public.allow_methods[1]", "expected_text"),
                ("api_groups.public.allow_methods[2]", "expected_text"),
            ],
            id="a number in a list",
        ),
        pytest.param(
            HEAD + "api_groups: {public: {routes: [{host: a}]}}",
            [("api_groups.public.routes[0]", "missing_key")],
            id="route without a path",
        ),
        pytest.param(
            HEAD + "front_ends: {shop: {review_by: 31.12.2030}}",
            [("front_ends.shop.review_by", "bad_day")],
            id="a German day",
        ),
        pytest.param(
            HEAD + "front_ends: {shop: {review_by: 2030-02-30}}",
            [("front_ends.shop.review_by", "bad_day")],
            id="no day of any year",
        ),
        pytest.param(HEAD + f"name: {'x' * 101}", [("name", "text_too_long")], id="long name"),
        pytest.param(HEAD + 'name: "a\\0"', [("name", "unfit_text")], id="NUL"),
        pytest.param(HEAD + 'name: "\\ud800"', [("", "broken_yaml")], id="half a character"),
        pytest.param(HEAD + "trusted_origins: [{}]", [("trusted_origins[0]", "missing_key")] * 3, id="empty grant"),
        pytest.param(HEAD + "trusted_origins: {a: 1}", [("trusted_origins", "expected_list")], id="mapping of grants"),
        pytest.param(
            GRANT.replace("https://a.example.com", '"https://a\\u0007.example.com"'),
            [("trusted_origins[0].origin", "control_character")],
            id="control character in an origin",
        ),
        pytest.param(
            GRANT.replace("https://a.example.com", '"*"'),
            [("trusted_origins[0].origin", "any_origin")],
            id="any origin",
        ),
        pytest.param(
            GRANT + "    expires_at: 2030-12-31\n", [("trusted_origins[0].expires_at", "no_zone")], id="no zone"
        ),
        pytest.param(
            GRANT + "    expires_at: tomorrow\n", [("trusted_origins[0].expires_at", "bad_time")], id="no time"
        ),
        pytest.param(
            GRANT + "    revoke_reason: taken over\n",
            [("trusted_origins[0].revoke_reason", "revoked_without_time")],
            id="revoked without a time",
        ),
        pytest.param(
            GRANT + "  - {environment: production, api_group: public, origin: HTTPS://a.example.com}\n",
            [("trusted_origins[1]", "repeated_grant")],
            id="the same grant twice",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, expected: list[tuple[str, str]]) -> None:
    reading = read(text)
    assert codes(reading) == expected
    for found in reading.findings:
        assert word_finding(found).startswith(found.place)
        assert "%(" not in word_finding(found)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    reading = read(HEAD + "environments: {p: {mode: x, protected: maybe, what: 1}}\nfront_ends: 7\n")
    assert sorted(codes(reading)) == [
        ("environments.p", "unknown_key"),
        ("environments.p.mode", "unknown_mode"),
        ("environments.p.protected", "expected_switch"),
        ("front_ends", "expected_mapping"),
    ]


def test_misspelt_key_is_told_with_the_one_that_was_meant() -> None:
    (found,) = read(GRANT + "    expires: 2030-12-31T18:00Z\n").findings
    assert word_finding(found) == "trusted_origins[0]: There is no key “expires”. Type expires_at."


LAUGHS = "a: &a [x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "empty_document", id="empty"),
        pytest.param(b"  \n# nothing\n", "empty_document", id="a comment"),
        pytest.param(LAUGHS.encode(), "yaml_alias", id="billion laughs"),
        pytest.param(b"a: *b", "yaml_alias", id="alias of nothing"),
        pytest.param(b"a: !!python/object/apply:os.system [true]", "yaml_tag", id="object of Python"),
        pytest.param(b"a: !!str x", "yaml_tag", id="harmless tag"),
        pytest.param(b"a: ! x", "yaml_tag", id="tag without a name"),
        pytest.param(b"a: 1\na: 2", "repeated_key", id="repeated key"),
        pytest.param(b"1: 1\n'1': 2", "repeated_key", id="key repeated as text"),
        pytest.param(b"? [a]\n: 1", "yaml_key", id="a list as a key"),
        pytest.param(b"a: 1\n---\nb: 1", "several_documents", id="two documents"),
        pytest.param(b"[" * 10_000_000, "too_nested", id="10 MB of brackets"),
        pytest.param(b"{a: " * 100_000, "too_nested", id="braces"),
        pytest.param(b"a: [", "broken_yaml", id="unclosed"),
        pytest.param(b"a: b: c", "broken_yaml", id="mapping in a line"),
        pytest.param(b"a: \x07", "broken_yaml", id="bell"),
        pytest.param(b"a: 1\nb: \xff", "document_not_utf8", id="no UTF-8"),
        pytest.param("a: 1".encode("utf-16"), "document_no_text", id="UTF-16"),
        pytest.param(b"a\0", "document_no_text", id="NUL"),
        pytest.param(b"#" * (MAX_BYTES + 1), "document_too_large", id="too large"),
    ],
)
def test_hostile_yaml_is_refused(data: bytes, code: str) -> None:
    (found,) = read(data).findings
    assert found.problem.code == code
    assert word_finding(found)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"{", "broken_json", id="unclosed"),
        pytest.param(b"[" * 10_000_000, "too_nested", id="10 MB of brackets"),
        pytest.param(b'{"a":' * 100_000, "too_nested", id="braces"),
        pytest.param(b'{"format": 1, "a": 1, "a": 2}', "repeated_key", id="repeated key"),
        pytest.param(b'{"a": NaN}', "not_a_json_number", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "not_a_json_number", id="infinity"),
        pytest.param(b'{"a": "\xff"}', "document_not_utf8", id="no UTF-8"),
    ],
)
def test_hostile_json_is_refused(data: bytes, code: str) -> None:
    (found,) = read(data, TextFormat.JSON).findings
    assert found.problem.code == code
    assert word_finding(found)


@pytest.mark.parametrize("number", ["9" * 10_000, "1e400", "1.5", "-0.0"])
def test_odd_number_in_json_is_no_number_of_a_policy(number: str) -> None:
    text = f'{{"format": "django-cors-guard/1", "environments": {{"p": {{"max_trust_days": {number}}}}}}}'
    assert codes(read(text, TextFormat.JSON)) == [("environments.p.max_trust_days", "expected_number")]


def test_repeated_key_in_yaml_is_told_with_its_place_and_line() -> None:
    (found,) = read(HEAD + "environments:\n  p:\n    mode: block\n    mode: monitor\n").findings
    assert (found.place, found.problem.value, found.problem.detail) == ("environments.p", "mode", "5")


def test_byte_order_mark_is_passed_over() -> None:
    assert read(b"\xef\xbb\xbf" + WHOLE_YAML.encode()) == Reading(WHOLE)


def test_findings_are_not_collected_for_ever() -> None:
    reading = read(HEAD + "trusted_origins: [" + "1," * 5000 + "]")
    assert len(reading.findings) == 1000


def test_without_pyyaml_yaml_is_refused_with_what_to_install_and_json_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_reading, "yaml", None)
    (found,) = read(WHOLE_YAML).findings
    assert 'pip install "django-cors-guard[yaml]"' in word_finding(found)
    assert read(write_document(WHOLE, TextFormat.JSON), TextFormat.JSON) == Reading(WHOLE)
    assert write_document(WHOLE, TextFormat.YAML) == WHOLE_YAML


def test_the_reader_in_python_understands_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert read(WHOLE_YAML) == Reading(WHOLE)
    assert [found.problem.code for found in read(b"[" * 100_000).findings] == ["too_nested"]
