"""Whose request it is, by its address: what a proxy says is believed only where the site counts on one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NETWORK_BITS = 64
"""What one IPv6 customer has at the least: within it addresses cost nothing."""

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


def network_of(address: Address) -> str:
    """What counts as one requester: an IPv4 address, or the /64 of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _NETWORK_BITS), strict=False))
