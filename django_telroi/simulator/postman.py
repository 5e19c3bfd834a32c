"""One attempt to hand an event over, the way Telroi's server does it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

FOLLOWED_AS_GET = frozenset({301, 302, 303})
FOLLOWED_AS_POST = frozenset({307, 308})
MOST_REDIRECTS = 20
LONGEST_ANSWER = 64 * 1024
CONNECTIONS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


@dataclass(frozen=True)
class Parcel:
    """``body`` is None after a redirect that turned the POST into a GET: the event is lost."""

    url: str
    body: bytes | None
    signature: str | None


def webhook_url(url: str) -> str:
    """The address itself. Raises ValueError for what nobody can post to."""
    parts = urlsplit(url)
    if parts.scheme not in CONNECTIONS or not parts.hostname:
        raise ValueError("The address of a webhook begins with http:// or https://.")
    return url


def post(parcel: Parcel, *, patience: float) -> int | None:
    """The status in the end, None without an answer. Redirects are followed, 301 and 302 with a GET."""
    try:
        for _ in range(MOST_REDIRECTS + 1):
            status, location = _ask(parcel, patience)
            if location is None or status not in FOLLOWED_AS_GET | FOLLOWED_AS_POST:
                return status
            body = None if status in FOLLOWED_AS_GET else parcel.body
            parcel = replace(parcel, url=urljoin(parcel.url, location), body=body)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return None


def _ask(parcel: Parcel, patience: float) -> tuple[int, str | None]:
    parts = urlsplit(webhook_url(parcel.url))
    connect = CONNECTIONS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(connect(str(parts.hostname), parts.port, timeout=patience)) as connection:
        method = "GET" if parcel.body is None else "POST"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in _headers(parcel, parts.netloc):
            connection.putheader(name, value)
        connection.endheaders(parcel.body)
        answer = connection.getresponse()
        answer.read(LONGEST_ANSWER)
        return answer.status, answer.getheader("location")


def _headers(parcel: Parcel, host: str) -> Sequence[tuple[str, str]]:
    """In Telroi's order and letters."""
    kind = [] if parcel.body is None else [("Content-Type", "application/json")]
    signed = [] if parcel.signature is None else [("telroi-signature", parcel.signature)]
    length = [] if parcel.body is None else [("content-length", str(len(parcel.body)))]
    return [
        ("host", host.rpartition("@")[2]),
        ("connection", "keep-alive"),
        *kind,
        ("User-Agent", "Telroi-Webhooks/1"),
        *signed,
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("accept-encoding", "gzip, deflate"),
        *length,
    ]
