"""A server on loopback: a thread that accepts, a thread for each connection, and HTTP read from it by hand."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django_telroi.simulator.http_request import Request
from django_telroi.simulator.responses import IDLE_SECONDS

CHUNK = 65536
GLIMPSE = 512
HEADERS_AT_MOST = 65536
READING_SECONDS = 30
GLANCE_SECONDS = 0.02
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class BadRequest(Exception):
    """Not HTTP, or not all of it."""


class Connection:
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


HOST = "127.0.0.1"
BACKLOG = 512
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

ServeOne = Callable[[bytes, Connection], bool]


class Server:
    """Listens from ``start`` to ``close``; ``serve_one`` is shown a request's first bytes, reads and answers it."""

    def __init__(self, serve_one: ServeOne, *, port: int, stopping: threading.Event) -> None:
        self._serve_one = serve_one
        self._stopping = stopping
        self._lock = threading.Lock()
        self._lines: dict[Connection, threading.Thread] = {}
        self._acceptor: threading.Thread | None = None
        self._waking: socket.socket | None = None
        self._is_listening = False
        self._reserved: socket.socket | None = None
        self.port = port

    def start(self) -> None:
        if self._reserved is None:
            self._reserved = _bound(self.port)
            self.port = self._reserved.getsockname()[1]
        listener = socket.create_server((HOST, self.port), backlog=BACKLOG)
        woken, self._waking = socket.socketpair()
        self._is_listening = True
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, woken), name="telroi-accept", daemon=True
        )
        self._acceptor.start()

    def stop_listening(self) -> None:
        """From now on connections are refused, and those that wait for a next request are ended.

        The port stays ours, so that no other program's server answers there meanwhile.
        """
        self._is_listening = False
        with self._lock:
            acceptor, self._acceptor = self._acceptor, None
        if acceptor and self._waking:
            # A byte, not only an end: a forked child may still hold the other copy of this socket.
            self._waking.send(b".")
            self._waking.close()
            acceptor.join()
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.hang_up_if_idle()

    def close(self) -> None:
        """End every connection and thread."""
        self._stopping.set()
        self.stop_listening()
        with self._lock:
            lines = dict(self._lines)
        for line in lines:
            line.hang_up()
        for thread in lines.values():
            thread.join()
        if self._reserved:
            self._reserved.close()
            self._reserved = None

    def _accept(self, listener: socket.socket, woken: socket.socket) -> None:
        with listener, woken, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while not any(key.fileobj is woken for key, _ in selector.select()):
                with suppress(OSError):
                    self._take(listener.accept()[0])
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    def _take(self, sock: socket.socket) -> None:
        line = Connection(sock, self._stopping)
        thread = threading.Thread(target=self._converse, args=(line,), name="telroi-line", daemon=True)
        with self._lock:
            self._lines[line] = thread
        thread.start()

    def _next_request(self, line: Connection) -> bytes:
        """Idle first, then the question whether to wait at all: so either this or ``stop_listening`` ends the line."""
        line.is_idle = True
        glimpse = line.wait_for_request(IDLE_SECONDS) if self._is_listening else b""
        line.is_idle = False
        return glimpse

    def _converse(self, line: Connection) -> None:
        try:
            while (glimpse := self._next_request(line)) and self._serve_one(glimpse, line):
                pass
        except BadRequest:
            with suppress(OSError):
                line.send(BAD_REQUEST)
        except OSError:
            pass
        finally:
            line.close()
            with self._lock:
                self._lines.pop(line, None)


def _bound(port: int) -> socket.socket:
    """A socket that holds the port and never listens: beside it a listener may come and go."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock
