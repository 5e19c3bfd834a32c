"""Which requester a request belongs to, by its address."""

from __future__ import annotations

import pytest

from django_telroi.domain.request_headers import client_address, network_of, read_address

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("198.51.100.7:50412", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:DB8:0:0::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:80", "198.51.100.7"),
        ("::ffff:c633:6407", "198.51.100.7"),
    ],
)
def test_an_address_is_read_in_the_formats_of_proxies(text: str, address: str) -> None:
    assert str(read_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "unknown", "_hidden", "localhost", "198.51.100", "198.51.100.256", "198.51.100.07", "1e3.1.1.1",
        "198.51.100.7:", "198.51.100.7:123456", "[2001:db8::1", "2001:db8::1]:80", "[]", "٢.٢.٢.٢", "1.2.3.4\n5.6.7.8",
        "1.2.3.4, 5.6.7.8", '"1.2.3.4"', "for=1.2.3.4", "9" * 10_000, "::ffff:1.2.3.4.5", "\x00",
    ],
)  # fmt: skip
def test_an_invalid_address_is_none(text: str) -> None:
    assert read_address(text) is None


@pytest.mark.parametrize(
    ("forwarded_for", "proxies", "address"),
    [
        ("", 0, PROXY),
        ("198.51.100.7", 0, PROXY),
        ("198.51.100.7", 1, "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", 1, "198.51.100.7"),
        ("203.0.113.9,198.51.100.7", 2, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 198.51.100.7", 2, "203.0.113.9"),
        ("forged, nonsense,, 203.0.113.9, 198.51.100.7", 2, "203.0.113.9"),
        ("", 1, None),
        ("198.51.100.7", 2, None),
        ("198.51.100.7, ", 1, None),
        ("203.0.113.9, unknown", 1, None),
    ],
)
def test_the_client_is_counted_from_the_right(forwarded_for: str, proxies: int, address: str | None) -> None:
    found = client_address(PROXY, forwarded_for, proxies=proxies)

    assert (found and str(found)) == address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("198.51.100.7", "::ffff:198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        # 6to4: the owner of the IPv4 address has the whole /48
        ("2002:c633:6407:1::1", "2002:c633:6407:ffff::9", True),
        ("2002:c633:6407:1::1", "198.51.100.7", True),
        ("2002:c633:6407::1", "2002:c633:6408::1", False),
        # NAT64: all clients are in one /96
        ("64:ff9b::c633:6407", "64:ff9b::c633:6408", False),
        ("64:ff9b::c633:6407", "198.51.100.7", True),
        (
            "64:ff9b:1::c633:6407",
            "64:ff9b:1::c633:6408",
            True,
        ),  # a prefix of an operator: the client's address is not known
        # Teredo: all clients of a server are in one /64
        ("2001:0:5ef5:79fd:0:fbff:39cc:9bf8", "2001:0:5ef5:79fd:0:fbff:39cc:9bf7", False),
        ("2001:0:5ef5:79fd:0:fbff:39cc:9bf8", "2001:0:4136:e378:8000:63bf:39cc:9bf8", True),
        ("2001:0:5ef5:79fd:0:fbff:39cc:9bf8", "198.51.100.7", True),
    ],
)
def test_a_requester_is_an_ipv4_address_or_an_ipv6_network(one: str, other: str, same: bool) -> None:
    first, second = read_address(one), read_address(other)

    assert first
    assert second
    assert (network_of(first) == network_of(second)) is same


@pytest.mark.parametrize(
    ("text", "bits", "network"),
    [
        ("2001:db8:12:3456::1", 64, "2001:db8:12:3456::/64"),
        ("2001:db8:12:3456::1", 56, "2001:db8:12:3400::/56"),
        ("2001:db8:12:3456::1", 48, "2001:db8:12::/48"),
        ("198.51.100.7", 56, None),
        ("::ffff:198.51.100.7", 48, None),
        ("2002:c633:6407:1::1", 48, None),
        ("64:ff9b::c633:6407", 56, None),
    ],
)
def test_only_an_ipv6_address_has_wider_networks(text: str, bits: int, network: str | None) -> None:
    address = read_address(text)

    assert address
    assert network_of(address, bits=bits) == network
