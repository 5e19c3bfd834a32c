"""A wire to the database that can be cut, at any message that goes over it."""

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
    """Where the wire breaks: before the server has read the message, or before its answer has come back."""

    BEFORE_THE_SERVER_READS = "before the server reads it"
    BEFORE_THE_ANSWER_COMES = "before its answer comes"


class Proxy:
    """Stands between this process and the database. Both of their protocols take turns: a message, then its answer."""

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
        """Whether ``cut_at`` came to its message."""
        return self._messages_left == 0

    def cut(self, *, stays_cut: bool) -> None:
        """Break every connection; ``stays_cut``: and let no new one through."""
        with self._lock:
            self._is_whole = not stays_cut
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _break(pair)

    def cut_at(self, message: int, cut: Cut, *, stays_cut: bool) -> None:
        """Break all of it at this message from now, which is 1 for the next one."""
        self._has_cut.clear()
        self._messages_left, self._cut, self._stays_cut = message, cut, stays_cut

    def mend(self) -> None:
        """Let everything through. A client waits for no answer to its last message, so a cut may be under way."""
        assert not self.has_cut or self._has_cut.wait(LONG_ENOUGH)
        self._is_whole, self._messages_left = True, None

    def close(self) -> None:
        self._listener.close()
        self.cut(stays_cut=True)

    def _accept(self) -> None:
        """Until the listener is closed."""
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
        """Until either end, or a cut, closes both."""
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
    """This process's connection to the database goes through a proxy."""
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
    """The database has another address."""
    settings = connections[alias].settings_dict
    before = {"HOST": settings["HOST"], "PORT": settings["PORT"]}
    connections[alias].close()
    settings.update(HOST=host, PORT=str(port))
    try:
        yield
    finally:
        connections[alias].close()
        settings.update(before)
