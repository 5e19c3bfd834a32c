"""Whose request it is, by its address: what a proxy says is believed only where the site counts on one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_CUSTOMER_BITS = 64
"""What one IPv6 customer has at the least: within it addresses cost nothing."""

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""How a translator (NAT64, RFC 6052) writes an IPv4 address: all of them are in one /96."""

_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_LONGEST = 100


def client_address(remote_addr: str, forwarded_for: str, *, proxies: int) -> Address | None:
    """The address of whoever asks; None for one that cannot be told.

    ``proxies`` of our own stand in front, and each appends to ``X-Forwarded-For`` whom it was asked by: the client is
    the entry that many places from the right, whatever stands further left. With fewer entries than that, the request
    came around them.
    """
    if not proxies:
        return read_address(remote_addr)
    entries = forwarded_for.rsplit(",", proxies)
    return read_address(entries[-proxies]) if len(entries) >= proxies else None


def read_address(text: str) -> Address | None:
    """The address, without port, brackets and zone; an IPv4 address in IPv6 clothes is an IPv4 address."""
    text = text.strip()[:_LONGEST]
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(address: Address, *, bits: int = _CUSTOMER_BITS) -> str | None:
    """What counts as one requester: an IPv4 address, or an IPv6 network with a prefix of so many bits.

    None where a wider network is asked for and the requester is an IPv4 address: its neighbours are other customers.
    """
    inside = _ipv4_inside(address)
    if inside is not None:
        return str(inside) if bits == _CUSTOMER_BITS else None
    return str(IPv6Network((int(address), bits), strict=False))


def _ipv4_inside(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for; None for any other.

    6to4 (RFC 3056) gives each IPv4 address 65,536 networks of 64 bits, so all of them are one requester. NAT64 and
    Teredo (RFC 4380) do the opposite: all their clients, or all clients of one Teredo server, share the same 64 bits.
    A Teredo address contains the client's IPv4 address. The answers of this site go there, so it cannot be made up.
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
