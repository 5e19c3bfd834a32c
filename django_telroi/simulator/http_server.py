"""An HTTP server on loopback, with one thread that accepts and one thread for each connection.

It parses HTTP itself, because faults must control each byte and each connection.
"""

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
PEEK_BYTES = 512
HEADERS_AT_MOST = 65536
READING_SECONDS = 30
POLL_SECONDS = 0.02
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
        """End the connection from another thread. A read in its own thread then gets the end, a write an error."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def hang_up_if_idle(self) -> None:
        with self._ending:
            if self.is_idle:
                self.hang_up()

    def close(self) -> None:
        """Close with FIN, even if a forked child still has a copy of the socket."""
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


HOST = "127.0.0.1"
BACKLOG = 512
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

ServeOne = Callable[[bytes, Connection], bool]


class Server:
    """Listens from ``start`` to ``close``.

    ``serve_one`` gets the first bytes of a request and its connection. It reads the request, responds, and returns
    whether the connection stays open.
    """

    def __init__(self, serve_one: ServeOne, *, port: int, stopping: threading.Event) -> None:
        self._serve_one = serve_one
        self._stopping = stopping
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._acceptor: threading.Thread | None = None
        self._wake_sender: socket.socket | None = None
        self._is_listening = False
        self._reserved: socket.socket | None = None
        self.port = port

    def start(self) -> None:
        if self._reserved is None:
            self._reserved = _reserve_port(self.port)
            self.port = self._reserved.getsockname()[1]
        listener = socket.create_server((HOST, self.port), backlog=BACKLOG)
        wake_receiver, self._wake_sender = socket.socketpair()
        self._is_listening = True
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, wake_receiver), name="telroi-accept", daemon=True
        )
        self._acceptor.start()

    def stop_listening(self) -> None:
        """Refuse new connections and end the idle ones.

        The port stays reserved, so that no other program can listen on it.
        """
        self._is_listening = False
        with self._lock:
            acceptor, self._acceptor = self._acceptor, None
        if acceptor and self._wake_sender:
            # Closing alone is not enough to wake the thread: a forked child may still have a copy of this socket.
            self._wake_sender.send(b".")
            self._wake_sender.close()
            acceptor.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.hang_up_if_idle()

    def close(self) -> None:
        """End every connection and thread."""
        self._stopping.set()
        self.stop_listening()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            connection.hang_up()
        for thread in connections.values():
            thread.join()
        if self._reserved:
            self._reserved.close()
            self._reserved = None

    def _accept(self, listener: socket.socket, wake_receiver: socket.socket) -> None:
        with listener, wake_receiver, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake_receiver, selectors.EVENT_READ)
            while not any(key.fileobj is wake_receiver for key, _ in selector.select()):
                with suppress(OSError):
                    self._start_connection(listener.accept()[0])
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    def _start_connection(self, sock: socket.socket) -> None:
        connection = Connection(sock, self._stopping)
        thread = threading.Thread(target=self._serve_connection, args=(connection,), name="telroi-line", daemon=True)
        with self._lock:
            self._connections[connection] = thread
        thread.start()

    def _next_request(self, connection: Connection) -> bytes:
        """Return the first bytes of the next request, or ``b""`` if the connection must end.

        ``is_idle`` is set before ``_is_listening`` is read. So if ``stop_listening`` runs at the same time, either this
        method or ``stop_listening`` ends the connection.
        """
        connection.is_idle = True
        first_bytes = connection.wait_for_request(IDLE_SECONDS) if self._is_listening else b""
        connection.is_idle = False
        return first_bytes

    def _serve_connection(self, connection: Connection) -> None:
        try:
            while (first_bytes := self._next_request(connection)) and self._serve_one(first_bytes, connection):
                pass
        except BadRequest:
            with suppress(OSError):
                connection.send(BAD_REQUEST)
        except OSError:
            pass
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)


def _reserve_port(port: int) -> socket.socket:
    """Return a socket that is bound to the port but never listens. Listeners on the port can start and stop."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock
