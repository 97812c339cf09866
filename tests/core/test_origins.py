"""Origins as people write them: what is accepted, what is mended, what is refused and what to type instead."""

from __future__ import annotations

import unicodedata

import ada_url
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.origins import (
    MAX_INPUT_LENGTH,
    MAX_STORED_LENGTH,
    OriginKind,
    OriginRules,
    ProblemCode,
    check_rules,
    is_plain_https,
    parse_canonical,
    parse_origin,
)
from tests.core.strategies import ANY_CHARACTER, ANY_TEXT, NEARLY_ORIGINS, SENT_ORIGINS

LONG_LABEL = "a" * 63
LONG_HOST = ".".join(["a" * 61] * 4 + ["bcdef"])  # 253 characters

ACCEPTED = [
    pytest.param("https://app.example.com", OriginKind.EXACT, "https", "app.example.com", None, id="https"),
    pytest.param("http://app.example.com", OriginKind.EXACT, "http", "app.example.com", None, id="http"),
    pytest.param("https://app.example.com:8443", OriginKind.EXACT, "https", "app.example.com", 8443, id="port"),
    pytest.param(
        "http://app.example.com:443", OriginKind.EXACT, "http", "app.example.com", 443, id="other default port"
    ),
    pytest.param("https://app.example.com:1", OriginKind.EXACT, "https", "app.example.com", 1, id="lowest port"),
    pytest.param(
        "https://app.example.com:65535", OriginKind.EXACT, "https", "app.example.com", 65535, id="highest port"
    ),
    pytest.param("https://intranet", OriginKind.EXACT, "https", "intranet", None, id="single label"),
    pytest.param("https://a_b.example.com", OriginKind.EXACT, "https", "a_b.example.com", None, id="underscore"),
    pytest.param("https://-a-.example.com", OriginKind.EXACT, "https", "-a-.example.com", None, id="outer hyphens"),
    pytest.param("https://ab--cd.example", OriginKind.EXACT, "https", "ab--cd.example", None, id="two hyphens"),
    pytest.param("https://1e100.net", OriginKind.EXACT, "https", "1e100.net", None, id="digit first"),
    pytest.param("https://a.0xyz", OriginKind.EXACT, "https", "a.0xyz", None, id="0x and no hexadecimal digits"),
    pytest.param(f"https://{LONG_LABEL}.com", OriginKind.EXACT, "https", f"{LONG_LABEL}.com", None, id="label of 63"),
    pytest.param(f"https://{LONG_HOST}", OriginKind.EXACT, "https", LONG_HOST, None, id="host of 253"),
    pytest.param("https://xn--bcher-kva.de", OriginKind.EXACT, "https", "xn--bcher-kva.de", None, id="punycode"),
    pytest.param("https://xn--fa-hia.de", OriginKind.EXACT, "https", "xn--fa-hia.de", None, id="sharp s in punycode"),
    pytest.param("http://10.0.0.1:8080", OriginKind.EXACT, "http", "10.0.0.1", 8080, id="IPv4"),
    pytest.param("http://[2001:db8::1]", OriginKind.EXACT, "http", "[2001:db8::1]", None, id="IPv6"),
    pytest.param("http://[::ffff:102:304]:81", OriginKind.EXACT, "http", "[::ffff:102:304]", 81, id="mapped IPv4"),
    pytest.param("http://localhost:3000", OriginKind.EXACT, "http", "localhost", 3000, id="localhost"),
    pytest.param("https://*.example.com", OriginKind.SUBDOMAINS, "https", "example.com", None, id="subdomains"),
    pytest.param(
        "https://*.example.com:8443", OriginKind.SUBDOMAINS, "https", "example.com", 8443, id="subdomains, port"
    ),
    pytest.param(
        "http://*.a.example.co.uk", OriginKind.SUBDOMAINS, "http", "a.example.co.uk", None, id="subdomains, deep"
    ),
    pytest.param(
        "https://*.me.github.io", OriginKind.SUBDOMAINS, "https", "me.github.io", None, id="below a hosting suffix"
    ),
    pytest.param("http://localhost:*", OriginKind.LOOPBACK_PORTS, "http", "localhost", None, id="ports of localhost"),
    pytest.param("https://127.0.0.1:*", OriginKind.LOOPBACK_PORTS, "https", "127.0.0.1", None, id="ports of 127.0.0.1"),
    pytest.param("http://[::1]:*", OriginKind.LOOPBACK_PORTS, "http", "[::1]", None, id="ports of [::1]"),
    pytest.param("capacitor://localhost", OriginKind.CUSTOM_SCHEME, "capacitor", "localhost", None, id="capacitor"),
    pytest.param("tauri://localhost:1420", OriginKind.CUSTOM_SCHEME, "tauri", "localhost", 1420, id="scheme with port"),
    pytest.param("app://-", OriginKind.CUSTOM_SCHEME, "app", "-", None, id="a hyphen for a host"),
    pytest.param(
        f"chrome-extension://{'abcdefghijklmnop' * 2}",
        OriginKind.CUSTOM_SCHEME,
        "chrome-extension",
        "abcdefghijklmnop" * 2,
        None,
        id="browser extension",
    ),
    pytest.param("a+b.c-1://x", OriginKind.CUSTOM_SCHEME, "a+b.c-1", "x", None, id="all characters of a scheme"),
    pytest.param(f"{'s' * 32}://x", OriginKind.CUSTOM_SCHEME, "s" * 32, "x", None, id="scheme of 32"),
]


@pytest.mark.parametrize(("text", "kind", "scheme", "host", "port"), ACCEPTED)
def test_parse_origin_canonical_text_is_kept_as_it_is(
    text: str, kind: OriginKind, scheme: str, host: str, port: int | None
) -> None:
    parsed = parse_origin(text)

    assert parsed.problems == ()
    assert parsed.mended == ()
    assert parsed.origin is not None
    assert parsed.origin.text == text
    assert (parsed.origin.kind, parsed.origin.scheme, parsed.origin.host, parsed.origin.port) == (
        kind,
        scheme,
        host,
        port,
    )
    assert parse_canonical(text) == parsed.origin


MENDED = [
    pytest.param("  https://app.example.com ", "https://app.example.com", ["spaces"], id="spaces"),
    pytest.param("https://app.example.com/", "https://app.example.com", ["trailing_slash"], id="trailing slash"),
    pytest.param("HTTPS://App.Example.COM", "https://app.example.com", ["case"], id="case"),
    pytest.param(
        "https://app.example.com:443", "https://app.example.com", ["default_port"], id="default port of https"
    ),
    pytest.param("http://app.example.com:80", "http://app.example.com", ["default_port"], id="default port of http"),
    pytest.param("https://bücher.de", "https://xn--bcher-kva.de", ["idn"], id="IDN"),
    pytest.param("https://faß.de", "https://xn--fa-hia.de", ["idn"], id="IDN with sharp s, non-transitional"),
    pytest.param("https://نامه\u200cای.com", "https://xn--mgba3gch31f060k.com", ["idn"], id="IDN with a joiner"),
    pytest.param("https://example。com", "https://example.com", ["idn"], id="ideographic full stop"),
    pytest.param("https://\u212aelvin.com", "https://kelvin.com", ["idn"], id="Kelvin sign is no upper case"),
    pytest.param(
        "https://*.bücher.de:8443/", "https://*.xn--bcher-kva.de:8443", ["trailing_slash", "idn"], id="pattern"
    ),
    pytest.param(
        "https://*.example.com:443", "https://*.example.com", ["default_port"], id="default port of a pattern"
    ),
    pytest.param("HTTP://LOCALHOST:*/", "http://localhost:*", ["trailing_slash", "case"], id="ports of localhost"),
    pytest.param("http://[2001:DB8::1]", "http://[2001:db8::1]", ["case"], id="IPv6 in upper case"),
    pytest.param("Capacitor://Localhost/", "capacitor://localhost", ["trailing_slash", "case"], id="custom scheme"),
    pytest.param(
        " HTTPS://BÜcher.de:443/ ",
        "https://xn--bcher-kva.de",
        ["spaces", "trailing_slash", "case", "idn", "default_port"],
        id="everything at once",
    ),
]


@pytest.mark.parametrize(("text", "stored", "codes"), MENDED)
def test_parse_origin_mendable_text_is_mended_and_reported(text: str, stored: str, codes: list[str]) -> None:
    parsed = parse_origin(text)

    assert parsed.problems == ()
    assert parsed.origin is not None
    assert parsed.origin.text == stored
    assert [mend.code for mend in parsed.mended] == codes
    # The report is one chain from what was typed to what is stored.
    assert [mend.before for mend in parsed.mended] == [text, *(mend.after for mend in parsed.mended[:-1])]
    assert parsed.mended[-1].after == stored
    assert parse_canonical(text) is None


APP = "https://app.example.com"

REFUSED = [
    pytest.param("", [("empty", "")], "", id="nothing"),
    pytest.param("   ", [("empty", "")], "", id="only spaces"),
    pytest.param("null", [("null_origin", "null")], "", id="null"),
    pytest.param(" NULL ", [("null_origin", "NULL")], "", id="null in upper case"),
    pytest.param("*", [("any_origin", "*")], "", id="any origin"),
    pytest.param("https://*", [("any_origin", "*")], "", id="any host"),
    pytest.param("http://*:*", [("any_origin", "*")], "", id="any host and port"),
    pytest.param("https://*.*", [("any_origin", "*.*")], "", id="any host in two labels"),
    pytest.param(f"{APP}, https://b.com", [("several_origins", f"{APP}, https://b.com")], "", id="two with a comma"),
    pytest.param(f"{APP} https://b.com", [("several_origins", f"{APP} https://b.com")], "", id="two with a space"),
    pytest.param(f"{APP}\nhttps://b.com", [("several_origins", f"{APP}\\nhttps://b.com")], "", id="two lines"),
    # Characters.
    pytest.param(f"{APP}\n", [("control_character", "\\n")], APP, id="line break at the end"),
    pytest.param(f"\t{APP}", [("control_character", "\\t")], APP, id="tab in front"),
    pytest.param("https://app.exa\tmple.com", [("control_character", "\\t")], "", id="tab within"),
    pytest.param(f"\ufeff{APP}", [("control_character", "\\ufeff")], APP, id="byte order mark"),
    pytest.param("https://app\u200b.example.com", [("control_character", "\\u200b")], APP, id="zero-width space"),
    pytest.param("https://app\u202e.example.com", [("control_character", "\\u202e")], APP, id="direction mark"),
    pytest.param("https://app\x00.example.com", [("control_character", "\\x00")], "", id="NUL"),
    pytest.param(
        "https://\ud800.example.com",
        [("control_character", "\\ud800"), ("empty_label", ".example.com")],
        "",
        id="surrogate",
    ),
    pytest.param("https://app .example.com", [("inner_space", " ")], "", id="inner space"),
    pytest.param(f"\u00a0{APP}", [("inner_space", "\\xa0")], APP, id="no-break space"),
    pytest.param("https:\\\\app.example.com", [("backslash", "\\")], APP, id="backslashes for slashes"),
    pytest.param(f"{APP}\\@evil.com", [("backslash", "\\"), ("path", "/@evil.com")], APP, id="backslash and at sign"),
    pytest.param("https://app%2eexample.com", [("percent", "%")], "", id="percent in the host"),
    pytest.param("http://[fe80::1%25eth0]", [("percent", "%")], "", id="IPv6 zone"),
    # Schemes.
    pytest.param("app.example.com", [("missing_scheme", "app.example.com")], APP, id="no scheme"),
    pytest.param("//app.example.com", [("missing_scheme", "//app.example.com")], APP, id="only slashes"),
    pytest.param("://app.example.com", [("missing_scheme", "://app.example.com")], APP, id="colon and slashes"),
    pytest.param(
        "App.example.com:8443", [("missing_scheme", "App.example.com:8443")], f"{APP}:8443", id="no scheme, port"
    ),
    pytest.param(
        "localhost:3000", [("missing_scheme", "localhost:3000")], "http://localhost:3000", id="no scheme, localhost"
    ),
    pytest.param(
        "localhost.example.com",
        [("missing_scheme", "localhost.example.com")],
        "https://localhost.example.com",
        id="no scheme, not localhost",
    ),
    pytest.param(
        "*.example.com", [("missing_scheme", "*.example.com")], "https://*.example.com", id="no scheme, pattern"
    ),
    pytest.param(
        "app.example.com/x?next=https://b.com",
        [("missing_scheme", "app.example.com/x?next=https://b.com"), ("path", "/x"), ("query", "?")],
        APP,
        id="no scheme, address in the query",
    ),
    pytest.param("git:3000", [("missing_scheme", "git:3000")], "https://git:3000", id="no scheme, name like a scheme"),
    pytest.param("https:app.example.com", [("bad_slashes", ":")], APP, id="no slashes"),
    pytest.param("https:/app.example.com", [("bad_slashes", ":/")], APP, id="one slash"),
    pytest.param("https:///app.example.com", [("bad_slashes", "///")], APP, id="three slashes"),
    pytest.param("https//app.example.com", [("bad_slashes", "//")], APP, id="no colon"),
    pytest.param("https://https://app.example.com", [("repeated_scheme", "https:")], APP, id="scheme twice"),
    pytest.param("htps://app.example.com", [("misspelt_scheme", "htps")], APP, id="misspelt https"),
    pytest.param("hhtp://app.example.com", [("misspelt_scheme", "hhtp")], "http://app.example.com", id="misspelt http"),
    pytest.param("x://app.example.com", [("bad_scheme", "x")], "", id="scheme of one letter"),
    pytest.param("1x://localhost", [("bad_scheme", "1x")], "", id="scheme that begins with a digit"),
    pytest.param("my_app://localhost", [("bad_scheme", "my_app")], "", id="scheme with an underscore"),
    pytest.param(f"{'s' * 33}://x", [("bad_scheme", "s" * 33)], "", id="scheme of 33"),
    pytest.param("wss://app.example.com", [("websocket_scheme", "wss")], APP, id="secure WebSocket"),
    pytest.param("ws://localhost:3000", [("websocket_scheme", "ws")], "http://localhost:3000", id="WebSocket"),
    pytest.param("file:///home/me/a.html", [("file_scheme", "file")], "", id="file"),
    pytest.param("file://", [("file_scheme", "file")], "", id="file, empty"),
    pytest.param("FILE:C:\\a.html", [("backslash", "\\"), ("file_scheme", "file")], "", id="file without slashes"),
    pytest.param("ftp://app.example.com", [("refused_scheme", "ftp")], "", id="ftp"),
    pytest.param("javascript:alert(1)", [("refused_scheme", "javascript")], "", id="javascript"),
    pytest.param("javascript://app.example.com", [("refused_scheme", "javascript")], "", id="javascript with a host"),
    pytest.param("data:text/html,x", [("refused_scheme", "data")], "", id="data"),
    pytest.param("about:blank", [("refused_scheme", "about")], "", id="about"),
    pytest.param("view-source:https://app.example.com", [("refused_scheme", "view-source")], APP, id="view-source"),
    pytest.param(f"blob:{APP}/3f-a", [("refused_scheme", "blob"), ("path", "/3f-a")], APP, id="blob"),
    pytest.param("filesystem:file:///x", [("refused_scheme", "filesystem")], "", id="filesystem of a file"),
    pytest.param("me:https://app.example.com", [("refused_scheme", "me")], "", id="unknown scheme around another"),
    # What follows in a URL.
    pytest.param(f"{APP}/login", [("path", "/login")], APP, id="path"),
    pytest.param(f"{APP}//", [("path", "//")], APP, id="two trailing slashes"),
    pytest.param(f"{APP}/?token=secret", [("query", "?")], APP, id="query"),
    pytest.param(f"{APP}#token=secret", [("fragment", "#")], APP, id="fragment"),
    pytest.param("https://me:secret@app.example.com", [("userinfo", "@")], APP, id="user and password"),
    pytest.param("https://@app.example.com", [("userinfo", "@")], APP, id="empty user"),
    pytest.param("https://app.example.com@evil.com", [("userinfo", "@")], "https://evil.com", id="host as user"),
    pytest.param(
        "https://me@App.Example.com:443/a?b#c",
        [("path", "/a"), ("query", "?"), ("fragment", "#"), ("userinfo", "@")],
        APP,
        id="a whole URL",
    ),
    # Hosts.
    pytest.param("https://", [("empty_host", "")], "", id="no host"),
    pytest.param("https://:8443", [("empty_host", "")], "", id="only a port"),
    pytest.param(
        "/login", [("missing_scheme", "/login"), ("path", "/login"), ("empty_host", "")], "", id="only a path"
    ),
    pytest.param("https://a!b=c.com", [("bad_host", "!=")], "", id="punctuation"),
    pytest.param("https://＝.com", [("bad_host", "=")], "", id="punctuation made by the IDN mapping"),
    pytest.param("https://a,b.com", [("bad_host", ",")], "", id="comma"),
    pytest.param("https://℀.com", [("bad_idn", "℀.com")], "", id="account of"),
    pytest.param("https://a\u200db.com", [("bad_idn", "a\\u200db.com")], "", id="joiner out of place"),
    pytest.param("https://xn--a.de", [("bad_idn", "xn--a.de")], "", id="punycode of a control character"),
    pytest.param("https://xn--.de", [("bad_idn", "xn--.de")], "", id="empty punycode"),
    pytest.param("https://xn--abc-.de", [("bad_idn", "xn--abc-.de")], "", id="punycode of plain letters"),
    pytest.param("https://xn--99999999999.de", [("bad_idn", "xn--99999999999.de")], "", id="punycode out of Unicode"),
    pytest.param("https://a..b", [("empty_label", "a..b")], "", id="two dots"),
    pytest.param("https://.example.com", [("empty_label", ".example.com")], "", id="leading dot"),
    pytest.param(f"https://a{LONG_LABEL}.com", [("label_too_long", f"a{LONG_LABEL}")], "", id="label of 64"),
    pytest.param(f"https://x{LONG_HOST}", [("host_too_long", f"x{LONG_HOST}")], "", id="host of 254"),
    pytest.param("https://app.example.com.", [("trailing_dot", "app.example.com.")], APP, id="trailing dot"),
    pytest.param(
        "https://example。com。", [("trailing_dot", "example。com。")], "https://example.com", id="ideographic dots"
    ),
    pytest.param(
        "https://a.com..", [("trailing_dot", "a.com.."), ("empty_label", "a.com.")], "", id="two trailing dots"
    ),
    pytest.param("http://256.1.1.1", [("bad_ip", "256.1.1.1")], "", id="IPv4 out of range"),
    pytest.param("http://1.2.3.4.5", [("bad_ip", "1.2.3.4.5")], "", id="five numbers"),
    pytest.param("http://example.1", [("bad_ip", "example.1")], "", id="name that ends in a number"),
    pytest.param("http://example.0x", [("bad_ip", "example.0x")], "", id="name that ends in 0x"),
    pytest.param("http://[::1", [("bad_ip", "[::1")], "", id="open bracket"),
    pytest.param("http://[::g]", [("bad_ip", "[::g]")], "", id="no IPv6"),
    pytest.param("http://[::1]x", [("bad_ip", "[::1]x")], "", id="text behind a bracket"),
    pytest.param("http://1.1", [("respelt_ip", "1.1")], "http://1.0.0.1", id="short IPv4"),
    pytest.param("http://0x7f.1", [("respelt_ip", "0x7f.1")], "http://127.0.0.1", id="hexadecimal IPv4"),
    pytest.param("http://0177.0.0.1", [("respelt_ip", "0177.0.0.1")], "http://127.0.0.1", id="octal IPv4"),
    pytest.param("http://2130706433", [("respelt_ip", "2130706433")], "http://127.0.0.1", id="IPv4 as one number"),
    pytest.param("http://１２７.0.0.1", [("respelt_ip", "１２７.0.0.1")], "http://127.0.0.1", id="full-width IPv4"),
    pytest.param("http://127.0.0.1.", [("respelt_ip", "127.0.0.1.")], "http://127.0.0.1", id="IPv4 with trailing dot"),
    pytest.param("http://[0:0::1]:81", [("respelt_ip", "[0:0::1]")], "http://[::1]:81", id="long IPv6"),
    pytest.param(
        "http://[::ffff:1.2.3.4]", [("respelt_ip", "[::ffff:1.2.3.4]")], "http://[::ffff:102:304]", id="dotted IPv6"
    ),
    pytest.param(
        "http://2001:db8::1", [("respelt_ip", "2001:db8::1")], "http://[2001:db8::1]", id="IPv6 without brackets"
    ),
    # Ports.
    pytest.param(f"{APP}:", [("empty_port", ":")], APP, id="empty port"),
    pytest.param(f"{APP}:https", [("bad_port", "https")], "", id="port with letters"),
    pytest.param(f"{APP}:٣", [("bad_port", "٣")], "", id="Arabic digit"),
    pytest.param(f"{APP}:+80", [("bad_port", "+80")], "", id="port with sign"),
    pytest.param(f"{APP}:80:90", [("bad_port", "80:90")], "", id="two ports"),
    pytest.param(f"{APP}:08443", [("bad_port", "08443")], f"{APP}:8443", id="leading zero"),
    pytest.param(f"{APP}:0443", [("bad_port", "0443")], APP, id="leading zero of the default port"),
    pytest.param(f"{APP}:0", [("port_out_of_range", "0")], "", id="port 0"),
    pytest.param(f"{APP}:65536", [("port_out_of_range", "65536")], "", id="port 65536"),
    # Wildcards.
    pytest.param("*://app.example.com", [("wildcard_scheme", "*")], APP, id="any scheme"),
    pytest.param("http*://app.example.com", [("wildcard_scheme", "http*")], APP, id="http and https"),
    pytest.param("https://*example.com", [("wildcard_host", "*example.com")], "https://*.example.com", id="no dot"),
    pytest.param(
        "https://**.example.com", [("wildcard_host", "**.example.com")], "https://*.example.com", id="two stars"
    ),
    pytest.param(
        "https://*.*.example.com", [("wildcard_host", "*.*.example.com")], "https://*.example.com", id="two labels"
    ),
    pytest.param("https://pr-*.example.com", [("wildcard_host", "pr-*.example.com")], "", id="part of a label"),
    pytest.param("https://*-pr.example.com", [("wildcard_host", "*-pr.example.com")], "", id="rest of a label"),
    pytest.param("https://a.*.example.com", [("wildcard_host", "a.*.example.com")], "", id="inner label"),
    pytest.param("https://example.*", [("wildcard_host", "example.*")], "", id="any ending"),
    pytest.param("http://127.0.0.*", [("wildcard_host", "127.0.0.*")], "", id="any address"),
    pytest.param(f"{APP}:*", [("wildcard_port", ":*")], APP, id="any port"),
    pytest.param(
        "http://a.localhost:*", [("wildcard_port", ":*")], "http://a.localhost", id="any port below localhost"
    ),
    pytest.param(
        "http://127.0.0.2:*", [("wildcard_port", ":*")], "http://127.0.0.2", id="any port of another loopback"
    ),
    pytest.param("http://localhost:30*", [("wildcard_port", ":30*")], "http://localhost", id="some ports"),
    pytest.param(
        "https://*.example.com:*", [("wildcard_port", ":*")], "https://*.example.com", id="any host, any port"
    ),
    pytest.param("http://127.1:*", [("respelt_ip", "127.1")], "http://127.0.0.1:*", id="any port, respelt address"),
    pytest.param("capacitor://*", [("pattern_scheme", "capacitor")], "", id="custom scheme, any host"),
    pytest.param("capacitor://localhost:*", [("pattern_scheme", "capacitor")], "", id="custom scheme, any port"),
    pytest.param("https://*.10.0.0.1", [("pattern_base_ip", "10.0.0.1")], "", id="subdomains of an address"),
    pytest.param("https://*.[::1]", [("pattern_base_ip", "[::1]")], "", id="subdomains of an IPv6"),
    pytest.param("https://*.com", [("pattern_base_short", "com")], "", id="top-level domain"),
    pytest.param("http://*.localhost", [("pattern_base_short", "localhost")], "", id="all below localhost"),
    pytest.param("https://*.co.uk", [("public_suffix", "co.uk")], "", id="public suffix"),
    pytest.param("https://*.github.io", [("public_suffix", "github.io")], "", id="hosting suffix"),
    pytest.param(
        "https://*.公司.香港", [("public_suffix", "xn--55qx5d.xn--j6w193g")], "", id="public suffix in punycode"
    ),
    pytest.param("https://*.foo.ck", [("public_suffix", "foo.ck")], "", id="public suffix by a wildcard rule"),
    pytest.param(f"https://*.{LONG_HOST}", [("host_too_long", f"*.{LONG_HOST}")], "", id="no room for a subdomain"),
    # Other schemes.
    pytest.param("app://", [("empty_host", "")], "", id="custom scheme, no host"),
    pytest.param("app://a b", [("inner_space", " ")], "", id="custom scheme, space"),
    pytest.param("app://ü", [("bad_host", "ü")], "", id="custom scheme, IDN"),
    pytest.param("app://[::1]", [("bad_host", ":[]")], "", id="custom scheme, IPv6"),
    pytest.param("app://localhost.", [("empty_label", "localhost.")], "", id="custom scheme, trailing dot"),
    pytest.param("app://localhost/x", [("path", "/x")], "app://localhost", id="custom scheme, path"),
    # Several at once.
    pytest.param(
        "ws://me@1.1:0/chat",
        [
            ("websocket_scheme", "ws"),
            ("path", "/chat"),
            ("userinfo", "@"),
            ("respelt_ip", "1.1"),
            ("port_out_of_range", "0"),
        ],
        "",
        id="five problems",
    ),
]


@pytest.mark.parametrize(("text", "problems", "instead"), REFUSED)
def test_parse_origin_anything_else_is_refused_with_every_problem(
    text: str, problems: list[tuple[str, str]], instead: str
) -> None:
    parsed = parse_origin(text)

    assert parsed.origin is None
    assert parsed.mended == ()
    assert [(problem.code, problem.value) for problem in parsed.problems] == problems
    assert {problem.detail for problem in parsed.problems} == {instead}
    assert parse_canonical(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://app.example.com/" + "a" * MAX_INPUT_LENGTH, id="letters"),
        pytest.param("\x00" * (MAX_INPUT_LENGTH + 1), id="characters that are shown escaped"),
    ],
)
def test_parse_origin_too_long_text_is_shown_cut(text: str) -> None:
    problems = parse_origin(text).problems

    assert [(problem.code, len(problem.value), problem.detail) for problem in problems] == [("too_long", 255, "")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://" + "a." * 500_000 + "com", id="labels"),
        pytest.param("https://" + "a" * 1_000_000, id="one label"),
        pytest.param(" " * 1_000_000, id="spaces"),
        pytest.param("\ud800" * 1_000_000, id="surrogates"),
    ],
)
def test_parse_canonical_too_long_text_is_none(text: str) -> None:
    assert parse_canonical(text) is None
    assert [problem.code for problem in parse_origin(text).problems] == ["too_long"]


def test_problem_codes_of_the_parser_all_appear_in_the_table() -> None:
    shown = {code for row in REFUSED for code, _ in row.values[1]}  # type: ignore[union-attr]
    of_rules = {code for code in ProblemCode if code.startswith("needs_")}

    assert shown | {ProblemCode.TOO_LONG} == set(ProblemCode) - of_rules


def test_parse_origin_longest_origin_fits_the_stored_length() -> None:
    longest = f"{'s' * 32}://{LONG_HOST}:65535"

    assert parse_canonical(longest) is not None
    assert len(longest) == MAX_STORED_LENGTH


@pytest.mark.parametrize(
    ("text", "is_pattern", "is_loopback", "is_ip"),
    [
        pytest.param("https://app.example.com", False, False, False, id="name"),
        pytest.param("https://localhost", False, True, False, id="localhost"),
        pytest.param("http://app.localhost:3000", False, True, False, id="below localhost"),
        pytest.param("https://localhost.example.com", False, False, False, id="localhost as a subdomain"),
        pytest.param("https://mylocalhost", False, False, False, id="localhost as an ending"),
        pytest.param("http://127.0.0.1", False, True, True, id="127.0.0.1"),
        pytest.param("http://127.8.9.10", False, True, True, id="127/8"),
        pytest.param("https://127.example.com", False, False, False, id="127 as a label"),
        pytest.param("https://127.0.0.1.example.com", False, False, False, id="address in front of a domain"),
        pytest.param("http://128.0.0.1", False, False, True, id="other IPv4"),
        pytest.param("http://[::1]", False, True, True, id="IPv6 loopback"),
        pytest.param("http://[::ffff:7f00:1]", False, True, True, id="mapped loopback"),
        pytest.param("http://[::2]", False, False, True, id="other IPv6"),
        pytest.param("http://[::ffff:102:304]", False, False, True, id="other mapped IPv4"),
        pytest.param("https://*.example.com", True, False, False, id="subdomains"),
        pytest.param("https://*.app.localhost", True, True, False, id="subdomains below localhost"),
        pytest.param("http://localhost:*", True, True, False, id="ports"),
        pytest.param("capacitor://localhost", False, False, False, id="localhost of an app"),
        pytest.param("app://1", False, False, False, id="number of an app"),
    ],
)
def test_origin_properties_tell_what_the_host_is(text: str, is_pattern: bool, is_loopback: bool, is_ip: bool) -> None:
    origin = parse_canonical(text)

    assert origin is not None
    assert (origin.is_pattern, origin.is_loopback, origin.is_ip) == (is_pattern, is_loopback, is_ip)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("https://app.example.com:81", "https://app.example.com:81", id="nothing to decode"),
        pytest.param("https://xn--bcher-kva.de:81", "https://bücher.de:81", id="punycode"),
        pytest.param("https://*.xn--bcher-kva.de", "https://*.bücher.de", id="pattern"),
        pytest.param("https://xn--80ak6aa92e.com", "https://\u0430\u0440\u0440\u04cf\u0435.com", id="Cyrillic"),
        pytest.param("app://xn--bcher-kva", "app://xn--bcher-kva", id="custom scheme"),
    ],
)
def test_origin_unicode_shows_decoded_punycode(text: str, shown: str) -> None:
    origin = parse_canonical(text)

    assert origin is not None
    assert origin.unicode == shown


SWITCHES = {
    "needs_insecure_http": "allow_insecure_http",
    "needs_insecure_credentials": "allow_insecure_credentials",
    "needs_loopback": "allow_loopback",
    "needs_subdomain_patterns": "allow_subdomain_patterns",
    "needs_custom_schemes": "allow_custom_schemes",
}


@pytest.mark.parametrize(
    ("text", "needs", "needs_with_credentials"),
    [
        pytest.param("https://app.example.com", [], [], id="https"),
        pytest.param("https://10.0.0.1", [], [], id="https of an address"),
        pytest.param(
            "http://app.example.com",
            ["needs_insecure_http"],
            ["needs_insecure_http", "needs_insecure_credentials"],
            id="http",
        ),
        pytest.param(
            "http://10.0.0.1",
            ["needs_insecure_http"],
            ["needs_insecure_http", "needs_insecure_credentials"],
            id="http, IP",
        ),
        pytest.param("http://localhost:3000", ["needs_loopback"], ["needs_loopback"], id="localhost"),
        pytest.param("https://localhost", ["needs_loopback"], ["needs_loopback"], id="https of localhost"),
        pytest.param("https://a.localhost", ["needs_loopback"], ["needs_loopback"], id="https below localhost"),
        pytest.param("http://127.0.0.2", ["needs_loopback"], ["needs_loopback"], id="127/8"),
        pytest.param("http://[::1]:*", ["needs_loopback"], ["needs_loopback"], id="ports of [::1]"),
        pytest.param(
            "https://*.example.com", ["needs_subdomain_patterns"], ["needs_subdomain_patterns"], id="subdomains"
        ),
        pytest.param(
            "http://*.example.com",
            ["needs_subdomain_patterns", "needs_insecure_http"],
            ["needs_subdomain_patterns", "needs_insecure_http", "needs_insecure_credentials"],
            id="http subdomains",
        ),
        pytest.param(
            "http://*.app.localhost",
            ["needs_subdomain_patterns", "needs_loopback"],
            ["needs_subdomain_patterns", "needs_loopback"],
            id="subdomains below localhost",
        ),
        pytest.param("capacitor://localhost", ["needs_custom_schemes"], ["needs_custom_schemes"], id="custom scheme"),
    ],
)
def test_check_rules_origin_needs_exactly_its_switches(
    text: str, needs: list[str], needs_with_credentials: list[str]
) -> None:
    origin = parse_canonical(text)
    assert origin is not None

    for credentials, codes in [(False, needs), (True, needs_with_credentials)]:
        problems = check_rules(origin, OriginRules(credentials=credentials))
        assert problems == tuple((code, text, SWITCHES[code]) for code in codes)

        needed = {SWITCHES[code]: True for code in codes}
        assert check_rules(origin, OriginRules(credentials=credentials, **needed)) == ()
        for code in codes:
            all_but_one = {switch: True for switch in SWITCHES.values() if switch != SWITCHES[code]}
            rules = OriginRules(credentials=credentials, **all_but_one)
            assert check_rules(origin, rules) == ((code, text, SWITCHES[code]),)


def test_check_rules_default_rules_have_every_switch_off() -> None:
    rules = OriginRules()

    assert not any(getattr(rules, switch) for switch in SWITCHES.values())
    assert not rules.credentials


@settings(max_examples=300, deadline=None)
@given(st.one_of(NEARLY_ORIGINS, SENT_ORIGINS))
def test_parse_origin_accepted_web_origin_is_the_whatwg_origin(text: str) -> None:
    origin = parse_origin(text).origin

    if origin is not None and origin.kind is OriginKind.EXACT:
        # The second opinion reads the whole text, not only the host.
        assert ada_url.URL(text).origin == origin.text


@settings(max_examples=300, deadline=None)
@given(st.one_of(NEARLY_ORIGINS, SENT_ORIGINS))
def test_parse_origin_stored_text_parses_to_itself(text: str) -> None:
    origin = parse_origin(text).origin

    if origin is not None:
        again = parse_origin(origin.text)
        assert again.origin == origin
        assert again.mended == ()
        assert len(origin.text) <= MAX_STORED_LENGTH
        assert origin.text.isascii()


@settings(max_examples=300, deadline=None)
@given(st.one_of(SENT_ORIGINS, NEARLY_ORIGINS, ANY_TEXT))
def test_parse_canonical_agrees_with_the_strict_parser(text: str) -> None:
    parsed = parse_origin(text)
    expected = parsed.origin if not parsed.mended else None

    assert parse_canonical(text) == expected
    assert expected is None or expected.text == text


@settings(max_examples=300, deadline=None)
def _passes_plain(text: str) -> bool:
    """Whether the quick way is allowed to take ``text``: by the strict parser, and by every rule there is."""
    parsed = parse_origin(text)
    origin = parsed.origin
    return (
        not parsed.mended
        and origin is not None
        and (origin.kind, origin.scheme, origin.port) == (OriginKind.EXACT, "https", None)
        and not check_rules(origin, OriginRules())
        and not check_rules(origin, OriginRules(credentials=True))
    )


#: Hosts close to everything that the quick way must leave to the parser.
CLOSE_HOSTS = st.lists(
    st.one_of(
        st.text("ax019-_", min_size=1, max_size=4),
        st.sampled_from(["xn--bcher-kva", "xn--", "xn--a", "ab--c", "localhost", "0x7f", "0x", "127", "1", "com", ""]),
        st.integers(62, 65).map(lambda size: "a" * size),
    ),
    min_size=1,
    max_size=6,
).map(".".join)


@given(st.one_of(SENT_ORIGINS, NEARLY_ORIGINS, ANY_TEXT, CLOSE_HOSTS.map("https://{}".format)))
@settings(max_examples=1000)
def test_quick_way_takes_nothing_that_the_strict_one_would_not(text: str) -> None:
    if is_plain_https(text):
        assert _passes_plain(text)


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        pytest.param("app.example.com", True, id="plain"),
        pytest.param("a_b.-c-.example", True, id="underscore and outer hyphens"),
        pytest.param("1.example.com", True, id="number first"),
        pytest.param("127.0.0.1", False, id="address"),
        pytest.param("app.0x7f", False, id="hexadecimal last"),
        pytest.param("xn--bcher-kva.example", False, id="punycode first"),
        pytest.param("app.xn--p1ai", False, id="punycode last"),
        pytest.param("localhost", False, id="localhost"),
        pytest.param("app.localhost", False, id="below localhost"),
        pytest.param("localhost.example", True, id="localhost first"),
        pytest.param(f"{LONG_LABEL}.com", True, id="longest label"),
        pytest.param(f"{LONG_LABEL}a.com", False, id="label too long"),
        pytest.param(f"a.{LONG_LABEL}", True, id="longest last label"),
        pytest.param(f"a.{LONG_LABEL}a", False, id="last label too long"),
        pytest.param(LONG_HOST, True, id="longest host"),
        pytest.param(f"a{LONG_HOST}", False, id="host too long"),
        pytest.param("app.example.com:8443", False, id="port"),
        pytest.param("app.example.com.", False, id="trailing dot"),
        pytest.param("app..example.com", False, id="empty label"),
        pytest.param("*.example.com", False, id="pattern"),
        pytest.param("App.example.com", False, id="upper case"),
        pytest.param("app.example.com\n", False, id="line end"),
    ],
)
def test_quick_way_knows_its_limits(host: str, taken: bool) -> None:
    text = f"https://{host}"
    assert is_plain_https(text) is taken
    assert not taken or _passes_plain(text)


@given(st.one_of(ANY_TEXT, NEARLY_ORIGINS, ANY_TEXT.map("https://".__add__), ANY_TEXT.map("app://".__add__)))
def test_parse_origin_any_text_gives_an_origin_or_sound_problems(text: str) -> None:
    parsed = parse_origin(text)

    assert (parsed.origin is None) == bool(parsed.problems)
    for problem in parsed.problems:
        assert problem.code in set(ProblemCode)
        assert len(problem.value) <= 255
        assert problem.value.isprintable()
        instead = parse_canonical(problem.detail)
        assert (instead is None) == (problem.detail == "")
        # A suggestion never trusts more than what was written.
        assert instead is None or not instead.is_pattern or "*" in text


@settings(max_examples=300, deadline=None)
@given(
    before=st.sampled_from(
        ["", "https://", "https://app", "https://app.example.com", "https://app.example.com:8", "app://x"]
    ),
    char=ANY_CHARACTER.filter(
        lambda char: unicodedata.category(char) in {"Cc", "Cs", "Co", "Zs", "Zl", "Zp"} and char != " "
    ),
    after=st.sampled_from(["", ".com", "https://app.example.com", "/"]),
)
def test_parse_origin_control_and_space_characters_are_never_accepted(before: str, char: str, after: str) -> None:
    assert parse_origin(before + char + after).origin is None
    assert parse_canonical(before + char + after) is None
