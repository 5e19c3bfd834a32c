"""A proxy of the database connection that can be cut at any message."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from django.db import connection, connections

CHUNK = 1 << 16
LONG_ENOUGH = 120
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}


class Cut(StrEnum):
    """Where the connection breaks: before the server reads the message, or before its answer arrives."""

    BEFORE_THE_SERVER_READS = "before the server reads it"
    BEFORE_THE_ANSWER_COMES = "before its answer comes"


class Proxy:
    """A proxy between this process and the database. Both protocols alternate: a message, then its answer."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._is_whole = True
        self._messages_left: int | None = None
        self._cut, self._stays_cut = Cut.BEFORE_THE_SERVER_READS, False
        self._has_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def has_cut(self) -> bool:
        """Return whether the message of ``cut_at`` was reached."""
        return self._messages_left == 0

    def cut(self, *, stays_cut: bool) -> None:
        """Break all connections. ``stays_cut``: also refuse new ones."""
        with self._lock:
            self._is_whole = not stays_cut
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _break(pair)

    def cut_at(self, message: int, cut: Cut, *, stays_cut: bool) -> None:
        """Break all connections at this message, counted from now. 1 is the next message."""
        self._has_cut.clear()
        self._messages_left, self._cut, self._stays_cut = message, cut, stays_cut

    def mend(self) -> None:
        """Forward everything again. A cut may still be in progress: a client does not wait for the last answer."""
        assert not self.has_cut or self._has_cut.wait(LONG_ENOUGH)
        self._is_whole, self._messages_left = True, None

    def close(self) -> None:
        self._listener.close()
        self.cut(stays_cut=True)

    def _accept(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        with self._lock:
            if not self._is_whole:
                client.close()
                return
            pair = (client, socket.create_connection(self._upstream))
            self._pairs.add(pair)
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pass_on(*pair)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Forward data until one end or a cut closes both ends."""
        try:
            with DefaultSelector() as selector:
                selector.register(client, EVENT_READ, server)
                selector.register(server, EVENT_READ, client)
                while True:
                    for key, _ in selector.select():
                        self._pass_one(key.fileobj, key.data, is_message=key.fileobj is client)
        except (OSError, ValueError):
            with self._lock:
                self._pairs.discard((client, server))
            _break((client, server))

    def _pass_one(self, source: Any, target: socket.socket, *, is_message: bool) -> None:
        data = source.recv(CHUNK)
        if not data:
            raise ConnectionResetError
        if is_message and self._is_last():
            if self._cut == Cut.BEFORE_THE_ANSWER_COMES:
                target.sendall(data)
                target.recv(CHUNK)
            self.cut(stays_cut=self._stays_cut)
            self._has_cut.set()
            raise ConnectionResetError
        target.sendall(data)

    def _is_last(self) -> bool:
        if self._messages_left:
            self._messages_left -= 1
            return self._messages_left == 0
        return False


def _break(pair: tuple[socket.socket, socket.socket]) -> None:
    for end in pair:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def proxied(alias: str = "default") -> Iterator[Proxy]:
    """Route this process's database connection through a proxy."""
    settings = connections[alias].settings_dict
    port = int(settings["PORT"] or DEFAULT_PORTS[connection.vendor])
    proxy = Proxy(settings["HOST"], port)
    try:
        with reached_at("127.0.0.1", proxy.port):
            yield proxy
    finally:
        proxy.close()


@contextmanager
def reached_at(host: str, port: int, alias: str = "default") -> Iterator[None]:
    """Connect to the database at another address."""
    settings = connections[alias].settings_dict
    before = {"HOST": settings["HOST"], "PORT": settings["PORT"]}
    connections[alias].close()
    settings.update(HOST=host, PORT=str(port))
    try:
        yield
    finally:
        connections[alias].close()
        settings.update(before)
