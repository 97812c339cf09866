"""Hypothesis strategies for documents: everything that a policy can say."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from django_cors_guard.core.policy_file import (
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)

#: Words that some reader of YAML takes for something else.
TRICKY_WORDS = ["on", "No", "y", "null", "true", "1e3", "12-30", "0x1F", "123", "-", "_", "n"]
#: Texts that are hard to write down, without what no database stores.
TRICKY_TEXTS = [
    *["~", "no", "1", "1.5", "12:30", "2030-12-31", "2030-12-31T18:00:00Z", "!!python/object:os.system", "&a", "*a"],
    *["- x", "? x", "a: b", "a #b", "#", "'", '"', "\\", "|", ">", "%", "@", "`", "{}", "[", "---", "...", "a:", " a"],
    *["a ", "a\n", "a\n\n", "\n", "\na", "a\n b", " a\nb", "a\n\nb", "a \nb", "a\tb", "a\r\nb", "a\rb", "\x07", "\x85"],
    *[
        "\u2028",
        "\u202etxet",
        "\ufeff",
        "\U000e0001",
        "zażółć",
        "日本語",
        "🦀",
        "a\n#b\n- c: d",
        "<<",
        "=",
        "a\n---\nb",
        "\x7f",
    ],
]
FIT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(st.sampled_from(["", *TRICKY_TEXTS]), st.text(FIT, max_size=30))
SLUGS = st.one_of(st.sampled_from(TRICKY_WORDS), st.text("aB9-_", min_size=1, max_size=6))
MODES = st.sampled_from(["monitor", "enforce", "block"])
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime.max, timezones=st.just(UTC))  # noqa: DTZ001, DTZ901 - bounds
TOKENS = st.lists(TEXTS, max_size=3).map(tuple)
ORIGINS = st.sampled_from(
    [
        *["https://a.example.com", "https://b.example.com:8443", "https://*.example.net", "http://localhost:*"],
        *["capacitor://localhost", "https://xn--bcher-kva.example", "http://[::1]:3000", "https://c_d.example.com"],
    ]
)


def _entries(kind: type[Any], **fields: Any) -> Any:
    entries = st.builds(kind, slug=SLUGS, **fields)
    found = st.lists(entries, max_size=3, unique_by=lambda entry: entry.slug)
    return found.map(lambda listed: tuple(sorted(listed, key=lambda entry: entry.slug)))


ENVIRONMENTS = _entries(
    FileEnvironment,
    name=TEXTS,
    description=TEXTS,
    mode=MODES,
    max_trust_days=st.none() | st.integers(-1, 10**17),
    protected=st.booleans(),
    allow_loopback=st.booleans(),
    group_modes=st.dictionaries(SLUGS, MODES, max_size=2).map(lambda modes: tuple(sorted(modes.items()))),
)
ROUTES = st.lists(st.builds(FileRoute, path_prefix=TEXTS, host=TEXTS), max_size=3, unique=True)
GROUPS = _entries(
    FileGroup,
    name=TEXTS,
    description=TEXTS,
    any_origin=st.booleans(),
    allow_credentials=st.booleans(),
    trusted_for_csrf=st.booleans(),
    allow_methods=TOKENS,
    allow_headers=TOKENS,
    expose_headers=TOKENS,
    isolate=TEXTS | st.sampled_from(["off", "monitor", "enforce"]),
    timing_allow_origin=st.booleans(),
    cross_origin_resource_policy=TEXTS | st.sampled_from(["same-origin", "same-site", "cross-origin"]),
    max_age=st.integers(-1, 10**17),
    routes=ROUTES.map(lambda routes: tuple(sorted(routes))),
)
FRONT_ENDS = _entries(
    FileFrontEnd,
    name=TEXTS,
    owner=TEXTS,
    contact=TEXTS,
    external=st.booleans(),
    review_by=st.none() | st.dates(),
)
GRANTS = st.one_of(
    st.builds(FileGrant, environment=SLUGS, api_group=SLUGS, origin=ORIGINS, note=TEXTS, managed_by=TEXTS),
    st.builds(
        FileGrant,
        environment=SLUGS,
        api_group=SLUGS,
        origin=ORIGINS,
        front_end=SLUGS,
        note=TEXTS,
        expires_at=st.none() | MOMENTS,
        revoked_at=MOMENTS,
        revoked_by=TEXTS,
        revoke_reason=TEXTS,
    ),
)


def grant_key(grant: FileGrant) -> tuple[str, str, str]:
    return grant.environment, grant.api_group, grant.origin


#: Any document in its order, whether it makes sense or not.
DOCUMENTS = st.builds(
    PolicyFile,
    name=TEXTS,
    environments=ENVIRONMENTS,
    api_groups=GROUPS,
    front_ends=FRONT_ENDS,
    trusted_origins=st.lists(GRANTS, max_size=4, unique_by=grant_key).map(
        lambda grants: tuple(sorted(grants, key=grant_key))
    ),
)
