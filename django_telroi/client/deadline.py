"""Sockets with a limit on the total time and the total bytes of a request, and the body read within them.

A timeout of requests limits each read, but not their sum: a server that sends one byte every half second can block the
caller without end. Here each connect, handshake, write and read gets only the time that is left of the total.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssltransport import SSLTransport

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


# Bytes: twice the longest body, which leaves room for headers and the framing of chunks.
MAX_ANSWER_BYTES = 128 * 1024


class OverlongAnswerError(Exception):
    """The response has more than ``MAX_ANSWER_BYTES`` bytes."""


@dataclass(frozen=True)
class Timeouts:
    """Timeouts in seconds: for each step of connecting, for each read, and for the whole request."""

    connect: float
    read: float
    total: float


class Allowance:
    """The time and bytes that are left for one request.

    ``sent`` says whether a byte of the request may have been sent, which no exception shows. A connection and its
    sockets share one allowance. ``renew`` resets it for the next request.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.renew()

    def renew(self) -> None:
        self.sent = False
        self._ends = monotonic() + self._timeouts.total
        self._bytes_left = MAX_ANSWER_BYTES

    def seconds(self) -> float:
        """Return the timeout of the next step in seconds. Raises TimeoutError if no time is left."""
        # A timeout of 0 would make the socket non-blocking, and a negative one is a ValueError.
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._timeouts.read if self.sent else self._timeouts.connect)

    def spend(self, received: int) -> None:
        """Count ``received`` bytes. Raises OverlongAnswerError if there are too many."""
        # All bytes count, also headers and the framing of chunks, which a limit for the body does not see.
        self._bytes_left -= received
        if self._bytes_left < 0:
            raise OverlongAnswerError


class BoundedSocket(socket.socket):
    """A socket that sets its timeout from the allowance before each step."""

    allowance: Allowance

    def connect(self, address: Any) -> None:
        # Before each step, because the time that is left gets shorter.
        self.settimeout(self.allowance.seconds())
        super().connect(address)

    def send(self, data: ReadableBuffer, flags: int = 0, **gevents: Any) -> int:
        """``gevents``: if gevent replaces the standard sockets, its ``sendall`` calls this method with a timeout."""
        self.settimeout(self.allowance.seconds())
        return super().send(data, flags, **gevents)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        self.settimeout(self.allowance.seconds())
        super().sendall(data, flags)

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        self.settimeout(self.allowance.seconds())
        received = super().recv(bufsize, flags)
        self.allowance.spend(len(received))
        return received

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.allowance.seconds())
        received = super().recv_into(buffer, memoryview(buffer).nbytes if nbytes is None else nbytes, flags)
        self.allowance.spend(received)
        return received


class BoundedTLSSocket(BoundedSocket, ssl.SSLSocket):
    """A ``BoundedSocket`` over TLS."""


class BoundedContext(ssl.SSLContext):
    """Always verifies certificates and host names. Its handshakes and the sockets that it makes are limited too."""

    sslsocket_class = BoundedTLSSocket

    def wrap_socket(  # type: ignore[override]  # without the arguments for servers
        self, sock: socket.socket, *, server_hostname: str
    ) -> socket.socket | SSLTransport:
        # A tunnel through a proxy that is itself reached over TLS. ``ssl`` cannot wrap a TLS socket; urllib3 can, and
        # the socket below keeps the limits.
        if isinstance(sock, ssl.SSLSocket):
            return SSLTransport(sock, self, server_hostname)
        assert isinstance(sock, BoundedSocket)
        sock.settimeout(sock.allowance.seconds())
        wrapped = super().wrap_socket(sock, server_hostname=server_hostname)
        assert isinstance(wrapped, BoundedTLSSocket)
        wrapped.allowance = sock.allowance
        return wrapped


def verifying_context() -> BoundedContext:
    """Return a context that trusts certifi's list, as requests does. Environment variables cannot change that."""
    context = BoundedContext(ssl.PROTOCOL_TLS_CLIENT)
    # Not left to the configuration of the system's OpenSSL.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    # http.client speaks nothing newer, and a server could choose HTTP/2.
    context.set_alpn_protocols(["http/1.1"])
    return context


def open_socket(
    address: tuple[str, int],
    timeout: object = None,
    source_address: object = None,
    *,
    allowance: Allowance,
    context: BoundedContext | None = None,
) -> socket.socket | SSLTransport:
    """Return a socket that is connected to the first IP address of the host that answers. ``context`` adds TLS.

    Each address gets the time that is left, so six dead addresses take no longer than the total. Only the DNS lookup
    has no limit, because the system's resolver takes no timeout. ``timeout`` and ``source_address`` are part of
    http.client's signature and are not used. Raises OSError if no address can be connected.
    """
    host, port = address
    failure: OSError | None = None
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = BoundedSocket(family, kind, protocol)
            sock.allowance = allowance
            try:
                sock.connect(where)
                return context.wrap_socket(sock, server_hostname=host) if context else sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure or OSError("no address")
    finally:
        del failure  # the exception refers to this frame, and the frame to the exception


MAX_BODY_BYTES = 64 * 1024
"""Bytes of a response's body."""


def read_whole(reply: HTTPResponse, request: PreparedRequest) -> Response:
    """Return the response with its whole raw body. Raises IncompleteRead if the body is cut or its end is unclear.

    A body above ``MAX_BODY_BYTES`` is cut there, plus one byte.
    """
    response = Response()
    response.status_code = reply.status
    response.reason = reply.reason
    response.headers = CaseInsensitiveDict(reply.headers.items())
    response.request = request
    response.url = str(request.url)
    response.raw = BytesIO(_body(reply))
    return response


def _body(reply: HTTPResponse) -> bytes:
    """Return the body. Raises IncompleteRead if it is incomplete or if the length headers contradict each other."""
    if not _is_framed(reply):
        raise IncompleteRead(b"")
    # To the end: ``read(n)`` of http.client returns what there is of a cut body, without an error.
    body = b""
    while len(body) <= MAX_BODY_BYTES and (part := reply.read(MAX_BODY_BYTES + 1 - len(body))):
        body += part
    if len(body) <= MAX_BODY_BYTES and reply.length:
        raise IncompleteRead(b"")
    return body


def _is_framed(reply: HTTPResponse) -> bool:
    # Two different lengths, or a length besides chunks: it is unclear where the body ends, and its rest would be read
    # as the response to the next request. http.client takes one of them without an error.
    lengths = set(reply.headers.get_all("Content-Length", []))
    encodings = [encoding.strip().lower() for encoding in reply.headers.get_all("Transfer-Encoding", [])]
    if encodings:
        return encodings == ["chunked"] and not lengths
    return len(lengths) <= 1 and all(length.isascii() and length.isdigit() for length in lengths)
