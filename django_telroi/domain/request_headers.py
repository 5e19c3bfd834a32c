"""What the headers of a request say about its sender: the IP address, and the region of the language.

``X-Forwarded-For`` is read only if the site trusts a number of proxies. Language tags are in the spelling of BCP 47.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_CUSTOMER_BITS = 64
"""Prefix length of the smallest IPv6 network that a customer gets. The customer can use any address in it for free."""

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""The prefix of IPv4 addresses that NAT64 translated to IPv6 (RFC 6052). All of them are in this one /96."""

_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_MAX_LENGTH = 100


def client_address(remote_addr: str, forwarded_for: str, *, proxies: int) -> Address | None:
    """Return the address of the client, or None if it is missing or malformed.

    ``remote_addr`` is the peer of the connection. ``forwarded_for`` is the header ``X-Forwarded-For``, or ``""``.
    ``proxies`` is the number of trusted reverse proxies. Each of them appends the address of its own client to the
    header, so the client is entry number ``proxies`` from the right. Entries further left may be forged. A header with
    fewer entries means that the request did not pass all proxies, so the address is None.
    """
    if not proxies:
        return read_address(remote_addr)
    entries = forwarded_for.rsplit(",", proxies)
    return read_address(entries[-proxies]) if len(entries) >= proxies else None


def read_address(text: str) -> Address | None:
    """Return the address without port, brackets and zone, or None. An IPv4-mapped IPv6 address becomes IPv4."""
    text = text.strip()[:_MAX_LENGTH]
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(address: Address, *, bits: int = _CUSTOMER_BITS) -> str | None:
    """Return the network that counts as one requester: an IPv4 address, or the IPv6 network with ``bits`` prefix bits.

    Returns None for an IPv4 address if ``bits`` is not 64, because its neighbours are other customers.
    """
    inside = _ipv4_inside(address)
    if inside is not None:
        return str(inside) if bits == _CUSTOMER_BITS else None
    return str(IPv6Network((int(address), bits), strict=False))


def _ipv4_inside(address: Address) -> IPv4Address | None:
    """Return the IPv4 address of the client inside an IPv6 address, or None if there is none.

    6to4 (RFC 3056) gives each IPv4 address 65,536 networks of 64 bits, so all of them count as one requester. NAT64 and
    Teredo (RFC 4380) do the opposite: all their clients, or all clients of one Teredo server, share the same 64 bits.
    A Teredo address contains the client's IPv4 address. Responses go to that address, so it cannot be forged.
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


MAX_TAG_LENGTH = 35
"""Characters. RFC 5646, section 4.4.1: enough for any tag without extensions."""

MAX_HEADER_LENGTH = 200
"""Characters. A browser sends fewer."""

_TAG = re.compile(r"[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")


def language_tag(text: str) -> str | None:
    """Return the tag in the case of RFC 5646, section 2.1.1, such as ``en-US`` or ``zh-Hans``. None if it is no tag.

    Django writes ``en-us`` and ``zh-hans``. Tags are case-insensitive, but a provider may compare them exactly. The
    function does not check that the language exists.
    """
    if len(text) > MAX_TAG_LENGTH or not _TAG.fullmatch(text):
        return None
    language, *subtags = text.lower().split("-")
    tag, in_extension = [language], len(language) == 1
    for subtag in subtags:
        in_extension = in_extension or len(subtag) == 1
        # Two letters are a region, four letters a script. After a single letter both would be part of an extension.
        is_cased = subtag.isalpha() and not in_extension
        tag.append({2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag) if is_cased else subtag)
    return "-".join(tag)


def region_of(accept_language: str) -> str:
    """Return the region of the first language of an ``Accept-Language`` header that names one, such as ``NG``.

    ``en-NG`` names one. ``en`` does not, because it is spoken in many. Returns ``""`` if no language names a region.
    The region may be one that does not exist.
    """
    ranked = sorted(
        map(_weight_and_tag, accept_language[:MAX_HEADER_LENGTH].split(",")), key=lambda each: each[0], reverse=True
    )
    for weight, text in ranked:
        tag = language_tag(text) if weight > 0 else None
        found = re.search("-([A-Z]{2})(?:-|$)", tag) if tag else None
        if found:
            return found[1]
    return ""


def _weight_and_tag(part: str) -> tuple[float, str]:
    """Return the weight and the tag of a part such as ``en-NG;q=0.8``. The weight is 0 if it is not a number."""
    tag, _, weight = part.partition(";")
    try:
        return float(weight.strip().removeprefix("q=") or 1), tag.strip()
    except ValueError:
        return 0, tag.strip()
