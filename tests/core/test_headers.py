import pytest

from django_cors_guard.core.headers import extend_vary, is_origin_shaped, parse_request_headers


@pytest.mark.parametrize(
    ("existing", "names", "expected"),
    [
        pytest.param("Cookie", ("Origin",), "Cookie, Origin", id="extends"),
        pytest.param("origin", ("Origin",), "origin", id="is there in another case"),
        pytest.param("*", ("Origin",), "*", id="star stays"),
        pytest.param("Cookie, *", ("Origin",), "Cookie, *", id="star in a list stays"),
        pytest.param("Cookie,Accept", ("Origin", "Accept"), "Cookie, Accept, Origin", id="no space"),
        pytest.param(" , ", ("Origin",), "Origin", id="only empty elements"),
        pytest.param("X-Origin", ("Origin",), "X-Origin, Origin", id="part of another name"),
    ],
)
def test_extend_vary_adds_what_is_missing(existing: str, names: tuple[str, ...], expected: str) -> None:
    assert extend_vary(existing, names) == expected


def test_parse_request_headers_reads_names_once_and_in_order() -> None:
    assert parse_request_headers("X-B, x-a ,,\tX-b") == ("x-b", "x-a")


def test_parse_request_headers_refuses_what_is_too_large_without_splitting_it() -> None:
    assert parse_request_headers("a," * 128) is None
    assert parse_request_headers("," * 10_000_000) is None
    assert parse_request_headers("x" * 4097) is None


@pytest.mark.parametrize("value", ["https://a", "capacitor://localhost", "https://[::1]:8000", "x-y.z+1://h"])
def test_is_origin_shaped_accepts_scheme_and_host(value: str) -> None:
    assert is_origin_shaped(value)


@pytest.mark.parametrize(
    "value", ["", "https:", "https://", "//a", "https://a,b", "https://a b", "1s://a", "https://a/"]
)
def test_is_origin_shaped_refuses_the_rest(value: str) -> None:
    assert not is_origin_shaped(value)
