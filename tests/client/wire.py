"""A server on a raw socket that does exactly what a script says, and keeps every request it read.

Nothing of the client stands in here, and no library that could be too polite to misbehave.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 120
"""Seconds after which a test hangs: no figure that a busy machine comes near."""
HEAD = rb"(\S+) (\S+) HTTP/1\.[01]((?:\r\n[^\r\n]+)*)\r\n\r\n"
CERTIFICATE = Path(__file__).parent / "loopback.pem"

Script = Callable[["Peer"], None]


@dataclass(frozen=True)
class Request:
    """A request as it stood on the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    """One connection, seen from the server."""

    sock: socket.socket
    ledger: list[Request]
    closing: threading.Event
    unread: bytes = b""
    sent: int = 0

    def read(self) -> Request | None:
        """The next request, in the ledger before anything else happens; None when the client has hung up."""
        while not (found := re.match(HEAD, self.unread)):
            if not self._receive():
                return None
        lines = (line.partition(":") for line in found[3].decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        ends = found.end() + int(headers.get("content-length", 0))
        while len(self.unread) < ends:
            if not self._receive():
                return None
        request = Request(found[1].decode(), found[2].decode(), headers, self.unread[found.end() : ends])
        self.unread = self.unread[ends:]
        self.ledger.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.sent += len(data)

    def drip(self, data: bytes, *, every: float) -> None:
        """Byte by byte, with ``every`` seconds between them."""
        for byte in data:
            self.send(bytes([byte]))
            if self.closing.wait(every):
                return

    def hold(self) -> None:
        """Neither answer nor hang up."""
        self.closing.wait(PATIENCE)

    def reset(self) -> None:
        """End with an RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _receive(self) -> bool:
        received = self.sock.recv(65536)
        self.unread += received
        return bool(received)


@dataclass
class Server:
    """Listens on a loopback port of its own, one thread a connection."""

    script: Script
    tls: bool = False
    ledger: list[Request] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closing.set()
        # Closing a socket does not wake a thread that waits in accept; a visitor does.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join(PATIENCE)
        self._listener.close()
        for peer in self.peers:
            with suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(PATIENCE)
        assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._closing.is_set():
                sock.close()
                return
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        peer = Peer(sock, self.ledger, self._closing)
        self.peers.append(peer)
        try:
            if self.tls:
                peer.sock = tls_context().wrap_socket(sock, server_side=True)
            self.script(peer)
        except OSError:
            pass  # the client hung up, as it may at any time
        except Exception as failure:  # noqa: BLE001 - told to the test when the server closes
            self.failures.append(failure)
        finally:
            peer.sock.close()


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def reply(
    status: str = "200 OK",
    body: object = b"",
    *,
    headers: Iterable[tuple[str, str]] = (),
    length: int | None = None,
) -> bytes:
    """A whole answer. ``body`` is sent as JSON unless it is bytes; ``length`` is a lie about it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *(f"{name}: {value}" for name, value in headers)]
    if length is None:
        length = len(content)
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1") + content


def answering(*answers: bytes) -> Script:
    """Each request gets the next of the answers, the last one again and again."""

    def script(peer: Peer) -> None:
        remaining = list(answers)
        while peer.read():
            peer.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return script


def once(answer: bytes) -> Script:
    """One answer, then the end of the connection."""

    def script(peer: Peer) -> None:
        if peer.read():
            peer.send(answer)

    return script


def placing(peer: Peer) -> None:
    """What Telroi does with a call that it accepts."""
    while request := peer.read():
        peer.send(reply(body=call_to(request.json["to"])))


def call_to(to: str, **other: object) -> dict[str, object]:
    return {
        "object": "otp",
        "livemode": True,
        "id": "75cbe7ef-28b7-4842-b2c0-6e956a9c3d56",
        "to": to,
        "status": "delivered",
        "expires_at": "2026-11-23T16:30:59.052Z",
    } | other


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true while anybody would still wait for it."""
    ends = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    return condition()
