from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.core.networks import network_of


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::1", "::/48"),
        pytest.param("unix:", "", id="socket"),
        pytest.param("203.0.113.7, 10.0.0.1", "", id="list"),
        pytest.param("203.0.113.7:8080", "", id="port"),
        pytest.param("203.0.113", "", id="short form"),
        pytest.param("203.0.113.07", "", id="leading zero"),
        pytest.param("\x00" * 1000, "", id="NUL"),
        pytest.param("٢٠٣.0.113.7", "", id="other digits"),
        pytest.param("\ud800::1", "", id="surrogate"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_network_of_an_address(client: str, network: str) -> None:
    assert network_of(client) == network


@given(st.ip_addresses())
def test_network_of_any_address_is_what_the_standard_library_says(address: IPv4Address | IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None) or address
    length = 24 if isinstance(mapped, IPv4Address) else 48
    assert ip_network(network_of(str(address))) == ip_network(f"{mapped}/{length}", strict=False)
