"""Validates ``base_url`` and ``proxy_url``."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of a server."""

    scheme: str
    host: str
    port: int

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            # No other name: where it leads is decided by DNS, and may change after this check.
            return self.host == "localhost"


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the headers with its user and password."""

    origin: Origin
    headers: dict[str, str] = field(repr=False)


def read_base_url(base_url: str) -> tuple[Origin, str]:
    """Return the origin, and the URL that paths are appended to.

    Raises ValueError for an invalid URL. The message does not repeat the URL, which may contain a secret.
    """
    parts = _split(base_url, "base_url")
    origin = _origin(parts, "base_url")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("base_url must have no user, no query and no fragment.")
    if not origin.is_secure and not origin.is_loopback:
        raise ValueError("base_url must be https; plain http is for a simulator on a loopback address.")
    return origin, f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def read_proxy_url(proxy_url: str, target: Origin) -> Proxy:
    """Return the proxy. Raises ValueError for an invalid URL, and for a proxy that would see the API key.

    A proxy cannot read https, which goes through a tunnel. It can read plain http.
    """
    # Here, because the system checks use this module: see ``__init__``.
    from urllib3.util import make_headers

    parts = _split(proxy_url, "proxy_url")
    origin = _origin(parts, "proxy_url")
    if not target.is_secure and not origin.is_loopback:
        raise ValueError("A plain http base_url would show the key to this proxy.")
    user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if "@" in parts.netloc else None
    return Proxy(origin, make_headers(proxy_basic_auth=user))


def _split(url: str, name: str) -> SplitResult:
    # ``urlsplit`` removes tabs and line breaks without an error. The host would then not be the one in the settings.
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"{name} must be printable ASCII without spaces.")
    return urlsplit(url)


def _origin(parts: SplitResult, name: str) -> Origin:
    # ``port`` raises ValueError for a text or a number above 65535.
    try:
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if not (port and parts.hostname and parts.scheme in PORTS):
        raise ValueError(f"{name} must be a URL like https://app.telroi.ai.")
    return Origin(parts.scheme, parts.hostname, port)
