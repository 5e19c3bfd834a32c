"""The server's side of an HTTP connection: reads requests and sends bytes.

It parses HTTP itself, because faults must control each byte and each connection: ``http.server`` of the standard
library cannot reset a connection, cut a body or reject a request that it has not read.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

from django_telroi.simulator.http_request import Request

CHUNK = 65536
# Bytes. The first line of every request to Telroi fits, and only that is needed before the request is read.
PEEK_BYTES = 512
HEADERS_AT_MOST = 65536
# Seconds. A client that stops in the middle of its request must not keep its thread for longer.
READING_SECONDS = 30
# Seconds. A wait ends on three signals, one of which is on the socket. Polling needs no extra thread or socket.
POLL_SECONDS = 0.02
# SO_LINGER on, with a time of 0: closing then sends RST and discards what was not sent.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class BadRequest(Exception):
    """The request is not HTTP, or it is incomplete."""


class Connection:
    """The server's side of a connection. Only one thread may use it, except ``hang_up`` and ``hang_up_if_idle``.

    ``is_idle`` is True between two requests.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = b""
        self._ending = threading.Lock()
        self.is_idle = True
        # Faults send a response in several pieces. With Nagle's algorithm each piece could wait for the ACK of the
        # one before, which the client's system may delay by 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_for_request(self, seconds: float) -> bytes:
        """Wait for the next request, at most ``seconds``. Return its first bytes without reading them, or ``b""``."""
        self._sock.settimeout(seconds)
        try:
            return self._buffer or self._sock.recv(PEEK_BYTES, socket.MSG_PEEK)
        except TimeoutError:
            return b""

    def read_request(self) -> Request:
        """Read and return the next request. Raises BadRequest, TimeoutError or another OSError."""
        self._sock.settimeout(READING_SECONDS)
        method, target, version, headers = _parse_head(self._read_until(b"\r\n\r\n", most=HEADERS_AT_MOST))
        # curl asks first if it may send a large body. If the body has begun to arrive, it did not wait for the answer.
        if headers.get("expect", "").lower() == "100-continue" and not self._buffer:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        keeps_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(method, target, headers, body, keeps_alive)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def finish(self, data: bytes) -> None:
        """Send the end of a response and mark the connection as idle.

        Both happen under the lock: a client that has read the response can then rely on an idle connection.
        """
        with self._ending:
            self.send(data)
            self.is_idle = True

    def wait(self, seconds: float | None, *, until: threading.Event | None = None) -> None:
        """Wait ``seconds`` (None: no limit). Return early if ``until`` is set, on stop or if the client disconnects."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not (self._stopping.is_set() or (until and until.is_set()) or self.client_has_closed()):
            left = POLL_SECONDS if ends is None else ends - time.monotonic()
            if left <= 0:
                return
            self._stopping.wait(min(POLL_SECONDS, left))

    def client_has_closed(self) -> bool:
        """Whether the client has ended or reset the connection. Reads no byte of a next request."""
        self._sock.settimeout(0)
        try:
            return self._sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._sock.settimeout(READING_SECONDS)

    def reset(self) -> None:
        """Close with RST instead of FIN. The client then gets ``ConnectionResetError`` instead of an early end."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._sock.close()

    def hang_up(self) -> None:
        """End the connection from another thread. A read in its own thread then gets the end, a write an error."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def hang_up_if_idle(self) -> None:
        """End the connection from another thread, unless a request is being served on it."""
        with self._ending:
            if self.is_idle:
                self.hang_up()

    def close(self) -> None:
        """Close with FIN, even if a forked child still has a copy of the socket.

        ``close`` alone only drops this process's copy, and the client would wait for the child.
        """
        self.hang_up()
        self._sock.close()

    def _read_until(self, end: bytes, *, most: int) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > most:
                raise BadRequest
            self._buffer += self._receive(CHUNK)
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _read_exactly(self, size: int) -> bytes:
        # Parts instead of one growing ``bytes``, which would copy a body of 2 MB again for each piece.
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0:
            part = self._receive(min(missing, CHUNK))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _receive(self, most: int) -> bytes:
        part = self._sock.recv(most)
        if not part:
            raise BadRequest
        return part

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        # ``int`` also accepts signs, underscores and other digits than ASCII, which are not HTTP.
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        parts = []
        while size := self._read_chunk_size():
            parts.append(self._read_exactly(size))
            self._read_until(b"\r\n", most=2)
        # Trailers may follow the last chunk. Telroi uses none of them.
        while self._read_until(b"\r\n", most=HEADERS_AT_MOST):
            pass
        return b"".join(parts)

    def _read_chunk_size(self) -> int:
        try:
            return int(self._read_until(b"\r\n", most=1024).partition(b";")[0], 16)
        except ValueError:
            raise BadRequest from None


def first_line(first_bytes: bytes) -> tuple[str, str]:
    """Return method and target, as far as the first bytes contain them."""
    method, _, rest = first_bytes.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    return method, rest.partition(" ")[0]


def _parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
    except ValueError:
        raise BadRequest from None
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return method, target, version, headers
