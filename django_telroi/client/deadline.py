"""Sockets that know how much time and how many bytes an exchange has left.

A timeout of requests bounds each read, not their sum: a server that drips a byte every half second holds its caller for
as long as it likes. Here every connect, handshake, write and read gets what is left of the total.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssltransport import SSLTransport

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# Twice the longest body, for the headers and the framing of chunks.
LONGEST_ANSWER = 128 * 1024


class OverlongAnswerError(Exception):
    """The other side went on and on."""


@dataclass(frozen=True)
class Timeouts:
    """In seconds: for each step of connecting, for each read, and for all of it."""

    connect: float
    read: float
    total: float


class Allowance:
    """What one exchange may use up, and the one fact about it that no exception tells: whether anything was sent.

    Shared by a connection and its sockets, and renewed for each exchange.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.renew()

    def renew(self) -> None:
        self.sent = False
        self._ends = monotonic() + self._timeouts.total
        self._bytes_left = LONGEST_ANSWER

    def seconds(self) -> float:
        """The timeout of the next step. Raises TimeoutError when nothing is left."""
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._timeouts.read if self.sent else self._timeouts.connect)

    def spend(self, received: int) -> None:
        self._bytes_left -= received
        if self._bytes_left < 0:
            raise OverlongAnswerError


class BoundedSocket(socket.socket):
    """A socket that asks before each step how long it may take."""

    allowance: Allowance

    def connect(self, address: Any) -> None:
        self.settimeout(self.allowance.seconds())
        super().connect(address)

    def send(self, data: ReadableBuffer, flags: int = 0, **gevents: Any) -> int:
        """``gevents``: where gevent's sockets stand in for the standard ones, ``sendall`` calls this with a timeout."""
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
    """The same over TLS."""


class BoundedContext(ssl.SSLContext):
    """Verifies certificates and host names, always; its handshakes are bounded, and so are the sockets it makes."""

    sslsocket_class = BoundedTLSSocket

    def wrap_socket(  # type: ignore[override]  # the server's half of it has no place here
        self, sock: socket.socket, *, server_hostname: str
    ) -> socket.socket | SSLTransport:
        if isinstance(sock, ssl.SSLSocket):  # a tunnel through a proxy that is itself reached over TLS
            return SSLTransport(sock, self, server_hostname)
        assert isinstance(sock, BoundedSocket)
        sock.settimeout(sock.allowance.seconds())
        wrapped = super().wrap_socket(sock, server_hostname=server_hostname)
        assert isinstance(wrapped, BoundedTLSSocket)
        wrapped.allowance = sock.allowance
        return wrapped


def verifying_context() -> BoundedContext:
    """Trusts what requests trusts, certifi's list; no variable of the environment adds to it, none switches it off."""
    context = BoundedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
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
    """Connected to the first of the host's addresses that answers, with TLS if there is a ``context``.

    Each address gets what is left, so that six dead ones take no longer than the total. Asking the name server is the
    one wait that nothing bounds: the system's resolver takes no timeout. (Ours come from the allowance; ``timeout`` and
    ``source_address`` are http.client's.)
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
        del failure  # it holds this frame, which holds it
