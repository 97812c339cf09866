"""Hypothesis strategies for origins: right ones, nearly right ones, and whatever a client can send."""

from __future__ import annotations

from hypothesis import strategies as st

#: Everything a Python string can hold, lone surrogates included.
ANY_CHARACTER = st.characters(exclude_categories=())
ANY_TEXT = st.text(ANY_CHARACTER, max_size=80)

SCHEMES = st.sampled_from(
    [
        *["https", "https", "https", "http", "http", "HTTPS", "Http", "capacitor", "app", "htps", "ws", "wss", "ftp"],
        *["file", "javascript", "x", ""],
    ]
)
SEPARATORS = st.sampled_from([*["://"] * 12, ":", ":/", ":///", "//", ""])

_LABEL_CHARACTERS = "abcxyz019-_"
PLAIN_LABELS = st.text(_LABEL_CHARACTERS, min_size=1, max_size=8)
ODD_LABELS = st.one_of(
    PLAIN_LABELS,
    st.text("abcABCéßü。", min_size=1, max_size=6),
    st.text("aAzZ0é ßİ。．\u0430\u03bf\u200d\u200c\u00ad=%*@:", max_size=6),
    st.sampled_from(["xn--bcher-kva", "xn--a", "xn--", "xn--80ak6aa92e", "xn--fa-hia", "0x7f", "0x", "0177", "1", "*"]),
    st.integers(60, 66).map(lambda size: "a" * size),
)
SUFFIXES = st.sampled_from(
    ["com", "net", "example.com", "co.uk", "github.io", "localhost", "test", "1", "0x1", "bücher.de"]
)

PLAIN_HOSTS = st.lists(PLAIN_LABELS, min_size=1, max_size=5).map(".".join)
ODD_HOSTS = st.one_of(
    PLAIN_HOSTS,
    st.lists(ODD_LABELS, max_size=3).map(".".join),
    st.tuples(st.lists(ODD_LABELS, max_size=2), SUFFIXES).map(lambda parts: ".".join([*parts[0], parts[1]])),
    st.sampled_from(
        ["localhost", "127.0.0.1", "[::1]", "[0::1]", "[2001:DB8::1]", "1.1", "10.0.0.1", "256.1.1.1", "::1"]
    ),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.integers(248, 256).map(lambda size: ("a." * 128)[: size - 3] + ".bc"),
)
PORTS = st.one_of(
    st.just(""),
    st.just(""),
    st.integers(0, 70_000).map(lambda number: f":{number}"),
    st.sampled_from([":80", ":443", ":0443", ":", ":*", ":x", ":1:2", ":٣", ":8080 "]),
)
TAILS = st.sampled_from([*[""] * 12, "/", "/", "//", "/login", "?q=1", "#top", "\\", "/?", " ", "\n"])

#: Texts near enough to origins that a good part of them is accepted.
NEARLY_ORIGINS = st.tuples(
    st.sampled_from(["", "", "", "", "", " ", "\t"]), SCHEMES, SEPARATORS, ODD_HOSTS, PORTS, TAILS
).map("".join)
#: Texts of which most are exactly what a browser sends.
SENT_ORIGINS = st.tuples(
    st.sampled_from(["https://", "http://"]),
    st.one_of(PLAIN_HOSTS, ODD_HOSTS),
    st.one_of(st.just(""), PORTS),
).map("".join)
