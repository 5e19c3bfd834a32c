"""The settings about Telroi: its URL and the requests to it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django_telroi.conf import values


@dataclass(frozen=True)
class Timeouts:
    """The limits of one request to Telroi, in seconds: to connect, for each read, and in total."""

    connect: float
    read: float
    total: float


def base_url() -> str:
    """Return the URL of Telroi, or ``""`` if it is None."""
    url = values.text("BASE_URL") or ""
    try:
        urlsplit(url)  # raises for a malformed IPv6 address, for example; the system checks report the rest
    except ValueError:
        raise values.invalid_setting("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    """Return the URL of the forward proxy for requests to Telroi, or None."""
    return values.text("PROXY_URL")


def timeouts() -> Timeouts:
    """Return the timeouts of a request to Telroi, in seconds."""
    return Timeouts(
        connect=values.seconds("CONNECT_TIMEOUT_SECONDS"),
        read=values.seconds("READ_TIMEOUT_SECONDS"),
        total=values.seconds("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Return the limit of requests with one key, calls and checks together: 2 or more, to spread over a minute."""
    return values.integer("KEY_REQUESTS_PER_MINUTE", least=2)
