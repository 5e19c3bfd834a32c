"""One request, one answer, at most once.

A transport adapter of requests. Its stock one cannot be used for a call that rings a person: it follows the environment
(``.netrc``, proxies, trust stores), bounds no total, and when it fails nobody can tell whether the request was sent,
because a stalled TLS handshake and a stalled answer surface as the same exception.
"""

from __future__ import annotations

import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from io import BytesIO
from time import monotonic
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util import wait_for_read

from django_telroi.client.deadline import (
    Allowance,
    BoundedContext,
    OverlongAnswerError,
    Timeouts,
    open_socket,
    verifying_context,
)
from django_telroi.client.origin import Origin, Proxy
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiUnreachable

LONGEST_BODY = 64 * 1024
# Telroi closes a connection that idled for 5 s. A request that meets the closing is lost, and how far it got nobody
# knows.
LONGEST_IDLE = 2.0
MOST_IDLE = 8

REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timed out"),
    (ssl.SSLCertVerificationError, "certificate not trusted"),
    (ssl.SSLError, "TLS failed"),
    (socket.gaierror, "no such name"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "connection lost"),
    (OSError, "no connection"),
    (IncompleteRead, "cut"),
    (OverlongAnswerError, "too long"),
    (HTTPException, "not HTTP"),
    (UnicodeError, "no such name"),
)


class BoundedConnection(HTTPConnection):
    """A connection whose every step keeps within its allowance."""

    debuglevel = 0  # who switches it on for all of http.client would have the key and the number printed

    def __init__(
        self, origin: Origin, *, allowance: Allowance, proxy_context: BoundedContext | None, **kwargs: Any
    ) -> None:
        super().__init__(origin.host, origin.port, **kwargs)
        self.allowance = allowance
        self._create_connection = partial(open_socket, allowance=allowance, context=proxy_context)
        self._held: list[bytes] | None = None

    def ask(self, request: PreparedRequest, target: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Send the request, in one piece, and read the answer's head.

        ``allowance.sent`` turns true immediately before the first byte of the request may leave: whatever fails before
        that was not sent for certain.
        """
        if self.sock is None:
            self.connect()
        self._held = []
        self.request(request.method or "GET", target, request.body, headers)
        message, self._held = b"".join(self._held), None
        self.allowance.sent = True
        self.send(message)
        return self.getresponse()

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)

    @property
    def is_quiet(self) -> bool:
        """Open, and nothing has come in unasked: neither the end nor what would pass for the next answer."""
        unread = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return self.sock is not None and not unread and not wait_for_read(self.sock, timeout=0.0)


class BoundedTLSConnection(BoundedConnection, HTTPSConnection):
    """The same over TLS."""


@dataclass(frozen=True)
class Parked:
    """A connection between two requests. A child that was forked meanwhile must not talk on its parent's."""

    connection: BoundedConnection
    since: float
    process: int

    @property
    def is_usable(self) -> bool:
        return self.process == os.getpid() and monotonic() - self.since < LONGEST_IDLE and self.connection.is_quiet


class Transport(BaseAdapter):
    """Sends to one origin, from any number of threads. Repeats nothing, follows nothing, decodes nothing."""

    def __init__(self, origin: Origin, *, proxy: Proxy | None, timeouts: Timeouts) -> None:
        super().__init__()
        self._origin = origin
        self._proxy = proxy
        self._timeouts = timeouts
        needs_tls = origin.is_secure or (proxy is not None and proxy.origin.is_secure)
        self._context = verifying_context() if needs_tls else None
        self._parked: deque[Parked] = deque()
        weakref.finalize(self, _close_all, self._parked)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the signature is that of requests
        timeout: object = None,
        verify: object = True,  # noqa: FBT002
        cert: object = None,
        proxies: object = None,
    ) -> Response:
        """The answer, read to its end. Raises ApiUnreachable or ApiOutcomeUnknown, with one of ``REASONS``.

        The body is raw, and cut one byte behind ``LONGEST_BODY``. All arguments but the first change nothing.
        """
        connection = self._take()
        reusable = False
        try:
            with connection.ask(request, self._target(request), self._headers(request)) as reply:
                response = _read(reply, request)
                reusable = reply.isclosed() and reply.status >= 200
            return response
        except Exception as error:  # noqa: BLE001 - whatever it is, the one question is whether the request left
            reason = next((words for kind, words in REASONS if isinstance(error, kind)), "failed")
        finally:
            self._release(connection, reusable=reusable)
        # Not inside the except block: the error must not carry frames that saw the request.
        failure: type[ApiError] = ApiOutcomeUnknown if connection.allowance.sent else ApiUnreachable
        raise failure(reason)

    def close(self) -> None:
        _close_all(self._parked)

    def _take(self) -> BoundedConnection:
        while self._parked:
            try:
                parked = self._parked.pop()
            except IndexError:  # another thread was faster
                break
            if parked.is_usable:
                parked.connection.allowance.renew()
                return parked.connection
            parked.connection.close()
        return self._new_connection()

    def _release(self, connection: BoundedConnection, *, reusable: bool) -> None:
        if reusable and connection.sock is not None and len(self._parked) < MOST_IDLE:
            self._parked.append(Parked(connection, monotonic(), os.getpid()))
        else:
            connection.close()

    def _new_connection(self) -> BoundedConnection:
        allowance = Allowance(self._timeouts)
        first_hop = self._proxy.origin if self._proxy else self._origin
        proxy_context = self._context if self._proxy and self._proxy.origin.is_secure else None
        if not self._origin.is_secure:
            return BoundedConnection(first_hop, allowance=allowance, proxy_context=proxy_context)
        connection = BoundedTLSConnection(
            first_hop, allowance=allowance, proxy_context=proxy_context, context=self._context
        )
        if self._proxy:
            connection.set_tunnel(self._origin.host, self._origin.port, self._proxy.headers)
        return connection

    @property
    def _is_forwarded(self) -> bool:
        return self._proxy is not None and not self._origin.is_secure

    def _target(self, request: PreparedRequest) -> str:
        return str(request.url) if self._is_forwarded else request.path_url

    def _headers(self, request: PreparedRequest) -> Mapping[str, str]:
        if self._proxy and self._is_forwarded:
            return {**request.headers, **self._proxy.headers}
        return request.headers


def _read(reply: HTTPResponse, request: PreparedRequest) -> Response:
    response = Response()
    response.status_code = reply.status
    response.reason = reply.reason
    response.headers = CaseInsensitiveDict(reply.headers.items())
    response.request = request
    response.url = str(request.url)
    response.raw = BytesIO(_body(reply))
    return response


def _body(reply: HTTPResponse) -> bytes:
    """Raises IncompleteRead if the connection ended before the body did, and for lengths that contradict each other."""
    if not _is_framed(reply):
        raise IncompleteRead(b"")
    body = b""
    while len(body) <= LONGEST_BODY and (part := reply.read(LONGEST_BODY + 1 - len(body))):
        body += part
    if len(body) <= LONGEST_BODY and reply.length:
        raise IncompleteRead(b"")
    return body


def _is_framed(reply: HTTPResponse) -> bool:
    lengths = set(reply.headers.get_all("Content-Length", []))
    encodings = [encoding.strip().lower() for encoding in reply.headers.get_all("Transfer-Encoding", [])]
    if encodings:
        return encodings == ["chunked"] and not lengths
    return len(lengths) <= 1 and all(length.isascii() and length.isdigit() for length in lengths)


def _close_all(parked: deque[Parked]) -> None:
    while parked:
        parked.pop().connection.close()
