"""A server on loopback: a thread that accepts, and a thread for each connection."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from django_telroi.simulator.outgoing import IDLE_SECONDS
from django_telroi.simulator.wire import BadRequest, Line

HOST = "127.0.0.1"
BACKLOG = 512
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

ServeOne = Callable[[bytes, Line], bool]


class Server:
    """Listens from ``start`` to ``close``; ``serve_one`` is shown a request's first bytes, reads and answers it."""

    def __init__(self, serve_one: ServeOne, *, port: int, stopping: threading.Event) -> None:
        self._serve_one = serve_one
        self._stopping = stopping
        self._lock = threading.Lock()
        self._lines: dict[Line, threading.Thread] = {}
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
        line = Line(sock, self._stopping)
        thread = threading.Thread(target=self._converse, args=(line,), name="telroi-line", daemon=True)
        with self._lock:
            self._lines[line] = thread
        thread.start()

    def _next_request(self, line: Line) -> bytes:
        """Idle first, then the question whether to wait at all: so either this or ``stop_listening`` ends the line."""
        line.is_idle = True
        glimpse = line.wait_for_request(IDLE_SECONDS) if self._is_listening else b""
        line.is_idle = False
        return glimpse

    def _converse(self, line: Line) -> None:
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
