"""HTTP/1.1 on a socket: one connection, its requests and its bytes."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

from django_telroi.simulator.request import Request

CHUNK = 65536
GLIMPSE = 512
HEADERS_AT_MOST = 65536
READING_SECONDS = 30
GLANCE_SECONDS = 0.02
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class BadRequest(Exception):
    """Not HTTP, or not all of it."""


class Line:
    """One connection, seen from the server. Used by one thread, but for ``hang_up`` and ``hang_up_if_idle``.

    ``is_idle`` says that nothing is asked of it.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = b""
        self._ending = threading.Lock()
        self.is_idle = True
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_for_request(self, seconds: float) -> bytes:
        """The first bytes of the next request without reading them, or nothing if none came in time."""
        self._sock.settimeout(seconds)
        try:
            return self._buffer or self._sock.recv(GLIMPSE, socket.MSG_PEEK)
        except TimeoutError:
            return b""

    def read_request(self) -> Request:
        """Raises BadRequest, TimeoutError or another OSError."""
        self._sock.settimeout(READING_SECONDS)
        method, target, version, headers = _parsed_head(self._read_until(b"\r\n\r\n", most=HEADERS_AT_MOST))
        if headers.get("expect", "").lower() == "100-continue" and not self._buffer:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        keeps_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(method, target, headers, body, keeps_alive)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def finish(self, data: bytes) -> None:
        """Send the end of an answer. For whoever has read it the line is idle, whatever its thread does next."""
        with self._ending:
            self.send(data)
            self.is_idle = True

    def linger(self, seconds: float | None, *, until: threading.Event | None = None) -> None:
        """Stay silent for so long (None: for ever), until the event, the simulator's stop or the client's leaving."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not (self._stopping.is_set() or (until and until.is_set()) or self.client_has_left()):
            left = GLANCE_SECONDS if ends is None else ends - time.monotonic()
            if left <= 0:
                return
            self._stopping.wait(min(GLANCE_SECONDS, left))

    def client_has_left(self) -> bool:
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
        """Close with RST instead of FIN."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._sock.close()

    def hang_up(self) -> None:
        """End it from another thread: whoever reads or writes here gets an error or an end."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def hang_up_if_idle(self) -> None:
        with self._ending:
            if self.is_idle:
                self.hang_up()

    def close(self) -> None:
        """With FIN, also where a forked child still holds a copy of the socket."""
        self.hang_up()
        self._sock.close()

    def _read_until(self, end: bytes, *, most: int) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > most:
                raise BadRequest
            self._read_more()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _read_exactly(self, size: int) -> bytes:
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0:
            part = self._received(min(missing, CHUNK))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _read_more(self) -> None:
        self._buffer += self._received(CHUNK)

    def _received(self, most: int) -> bytes:
        part = self._sock.recv(most)
        if not part:
            raise BadRequest
        return part

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        parts = []
        while size := self._read_chunk_size():
            parts.append(self._read_exactly(size))
            self._read_until(b"\r\n", most=2)
        while self._read_until(b"\r\n", most=HEADERS_AT_MOST):
            pass
        return b"".join(parts)

    def _read_chunk_size(self) -> int:
        try:
            return int(self._read_until(b"\r\n", most=1024).partition(b";")[0], 16)
        except ValueError:
            raise BadRequest from None


def first_line(glimpse: bytes) -> tuple[str, str]:
    """Method and target as far as they can be seen."""
    method, _, rest = glimpse.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    return method, rest.partition(" ")[0]


def _parsed_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
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
