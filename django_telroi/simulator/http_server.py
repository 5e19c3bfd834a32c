"""An HTTP server on loopback, with one thread that accepts and one thread for each connection."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from django_telroi.simulator.http_connection import BadRequest, Connection
from django_telroi.simulator.responses import IDLE_SECONDS

HOST = "127.0.0.1"
# Tests connect with many clients at once. A client whose connection does not fit tries again after a second.
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
        """Listen on the port. Raises OSError if another program uses it. Can be called again after a stop."""
        if self._reserved is None:
            self._reserved = _reserve_port(self.port)
            self.port = self._reserved.getsockname()[1]
        listener = socket.create_server((HOST, self.port), backlog=BACKLOG)
        # ``accept`` cannot be interrupted from another thread, so the thread waits for the listener and for this pair.
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
        # Only after the join: until then the thread may still add a connection.
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
                # The client may have left between ``select`` and ``accept``.
                with suppress(OSError):
                    self._start_connection(listener.accept()[0])
            # Without it, the system would accept connections for as long as a forked child has a copy of the listener.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    def _start_connection(self, sock: socket.socket) -> None:
        # A thread for each connection: a fault may hold one for minutes, and all others must be served meanwhile.
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
            pass  # the client has left, or ``close`` ended the connection
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)


def _reserve_port(port: int) -> socket.socket:
    """Return a socket that is bound to the port but never listens. Listeners on the port can start and stop."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock
