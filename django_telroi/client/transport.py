"""A transport adapter for requests that sends each request at most once.

requests' own adapter is not safe for a request that calls a phone. It follows the environment (``.netrc``, proxies,
trust stores) and has no limit for the total time. If it fails, it is unknown whether the request was sent: a stalled
TLS handshake and a stalled response raise the same exception.
"""

from __future__ import annotations

import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import (
    SWITCHING_PROTOCOLS,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from time import monotonic
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import Retry, wait_for_read

from django_telroi.client.deadline import (
    Allowance,
    BoundedContext,
    OverlongAnswerError,
    Timeouts,
    open_socket,
    read_whole,
    verifying_context,
)
from django_telroi.client.http_session import take_permit
from django_telroi.client.origin import Origin, Proxy
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiUnreachable

# Seconds. Telroi closes a connection that is idle for 5 s. A request that is sent at that moment is lost, and it is
# unknown whether Telroi got it.
MAX_IDLE_SECONDS = 2.0
# More are closed. Telroi ends them after 5 s anyway.
MAX_IDLE_CONNECTIONS = 8

OF_HTTP = frozenset({"host", "content-length", "transfer-encoding", "proxy-authorization"})
"""The headers that ``http.client`` adds, and the one for a proxy that reads the request itself."""

# The first class that fits decides, so a subclass must stand before its base class. The texts of the exceptions are not
# used: they may contain addresses and parts of the request.
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


class FinalResponse(HTTPResponse):
    """The response that follows the interim ones (1xx), of which a server may send any number (RFC 9110, 15.2).

    A proxy in front of Telroi may send "103 Early Hints". ``http.client`` skips only "100 Continue".
    """

    def begin(self) -> None:
        super().begin()
        # 101 is final. Nothing asks for another protocol, so it is no answer to a request of ours.
        while 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]  # with headers, ``begin`` would read nothing
            super().begin()


class BoundedConnection(HTTPConnection):
    """A connection whose steps all stay within its allowance."""

    debuglevel = 0  # set here, because a debug level set for all of http.client would print the key and the number
    response_class = FinalResponse

    def __init__(
        self,
        origin: Origin,
        *,
        allowance: Allowance,
        proxy_context: BoundedContext | None,
        own_headers: Container[str] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(origin.host, origin.port, **kwargs)
        self.allowance = allowance
        self._own_headers = own_headers
        self._create_connection = partial(open_socket, allowance=allowance, context=proxy_context)
        self._buffered: list[bytes] | None = None

    def exchange(self, request: PreparedRequest, target: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Send the request in one piece and read the head of the response.

        ``allowance.sent`` becomes True immediately before the first byte is sent. If anything fails before that,
        certainly nothing was sent.
        """
        if self.sock is None:
            self.connect()
        # http.client may fail while it builds the request. As long as that is buffered, certainly nothing was sent.
        self._buffered = []
        self.request(request.method or "GET", target, request.body, headers)
        message, self._buffered = b"".join(self._buffered), None
        self.allowance.sent = True
        self.send(message)
        return self.getresponse()

    def putheader(self, header: str | bytes, *values: Any) -> None:
        """Add a header to the request, unless only our own are sent and it is another one."""
        name = header if isinstance(header, str) else header.decode("latin-1")
        if self._own_headers is None or name.lower() in OF_HTTP or name in self._own_headers:
            super().putheader(header, *values)

    def send(self, data: Any) -> None:
        """Send the data, or buffer it while ``exchange`` collects the request."""
        if self._buffered is None:
            super().send(data)
        else:
            self._buffered.append(data)

    @property
    def is_reusable(self) -> bool:
        """Whether the connection is open and no unread data is waiting.

        Waiting data is the end of the connection, or would be taken for the next response.
        """
        unread = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return self.sock is not None and not unread and not wait_for_read(self.sock, timeout=0.0)


class BoundedTLSConnection(BoundedConnection, HTTPSConnection):
    """A ``BoundedConnection`` over TLS."""


@dataclass(frozen=True)
class IdleConnection:
    """A connection between two requests, idle ``since`` a time of the monotonic clock.

    ``process`` is the id of its process: a forked child must not use its parent's connections.
    """

    connection: BoundedConnection
    since: float
    process: int

    @property
    def is_usable(self) -> bool:
        return (
            self.process == os.getpid() and monotonic() - self.since < MAX_IDLE_SECONDS and self.connection.is_reusable
        )


class Transport(BaseAdapter):
    """Sends requests to one origin. Threads can share it. It never retries, follows redirects or decodes bodies.

    ``own_headers``: the names of the only headers that are sent, beside those of HTTP itself. Instrumentations add
    headers of the site's traces, some of them in ``http.client``. Telroi needs no part of them, and baggage may hold
    anything, also about the person. A list of their names would never be complete. None: all headers are sent.
    """

    # Not used here. The test library ``responses`` reads both from an adapter whose ``send`` it replaces.
    build_response = HTTPAdapter.build_response
    max_retries = Retry(0)

    def __init__(
        self, origin: Origin, *, proxy: Proxy | None, timeouts: Timeouts, own_headers: Container[str] | None = None
    ) -> None:
        super().__init__()
        self._origin = origin
        self._proxy = proxy
        self._timeouts = timeouts
        self._own_headers = own_headers
        needs_tls = origin.is_secure or (proxy is not None and proxy.origin.is_secure)
        self._context = verifying_context() if needs_tls else None
        self._idle: deque[IdleConnection] = deque()
        # A client that is dropped without ``close`` must leave no open sockets.
        weakref.finalize(self, _close_all, self._idle)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the signature is that of requests
        timeout: object = None,
        verify: object = True,  # noqa: FBT002
        cert: object = None,
        proxies: object = None,
    ) -> Response:
        """Return the response, read to its end. Raises ApiUnreachable or ApiOutcomeUnknown, with one of ``REASONS``.

        ``read_whole`` limits the body. Only the first argument is used.
        Raises RuntimeError and sends nothing if this thread has no permit for the request, or used it before.
        """
        permit = take_permit()
        connection = self._take()
        reusable = False
        try:
            target = str(request.url) if self._is_forwarded else request.path_url
            with connection.exchange(request, target, self._headers(request)) as reply:
                response = read_whole(reply, request)
                # After 101 the server speaks another protocol.
                reusable = reply.isclosed() and reply.status != SWITCHING_PROTOCOLS
            permit.response = response
            if permit.settled:
                permit.settled(permit)
            return response
        except Exception as error:  # noqa: BLE001 - for every error, only ``allowance.sent`` decides
            reason = next((words for kind, words in REASONS if isinstance(error, kind)), "failed")
        finally:
            self._release(connection, reusable=reusable)
        # Outside the except block: the error must not refer to frames that contain the request.
        failure: type[ApiError] = ApiOutcomeUnknown if connection.allowance.sent else ApiUnreachable
        permit.failure = (failure, reason)
        if permit.settled:
            permit.settled(permit)
        raise failure(reason)

    def close(self) -> None:
        """Close the idle connections."""
        _close_all(self._idle)

    def _take(self) -> BoundedConnection:
        # The newest first: it is the most likely one to be open still.
        while self._idle:
            try:
                idle = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if idle.is_usable:
                idle.connection.allowance.renew()
                return idle.connection
            idle.connection.close()
        return self._new_connection()

    def _release(self, connection: BoundedConnection, *, reusable: bool) -> None:
        if reusable and connection.sock is not None and len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(IdleConnection(connection, monotonic(), os.getpid()))
        else:
            connection.close()

    def _new_connection(self) -> BoundedConnection:
        allowance = Allowance(self._timeouts)
        first_hop = self._proxy.origin if self._proxy else self._origin
        proxy_context = self._context if self._proxy and self._proxy.origin.is_secure else None
        if not self._origin.is_secure:
            return BoundedConnection(
                first_hop, allowance=allowance, proxy_context=proxy_context, own_headers=self._own_headers
            )
        connection = BoundedTLSConnection(
            first_hop,
            allowance=allowance,
            proxy_context=proxy_context,
            own_headers=self._own_headers,
            context=self._context,
        )
        # The proxy's password goes into the CONNECT request only, never to Telroi.
        if self._proxy:
            connection.set_tunnel(self._origin.host, self._origin.port, self._proxy.headers)
        return connection

    @property
    def _is_forwarded(self) -> bool:
        """Whether a proxy reads the request itself, because plain http needs no tunnel."""
        return self._proxy is not None and not self._origin.is_secure

    def _headers(self, request: PreparedRequest) -> Mapping[str, str]:
        if self._proxy and self._is_forwarded:
            return {**request.headers, **self._proxy.headers}
        return request.headers


def _close_all(idle: deque[IdleConnection]) -> None:
    while idle:
        idle.pop().connection.close()
