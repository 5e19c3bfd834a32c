"""A server on a raw socket that follows a script exactly and keeps all requests.

It uses no code of the client, and no HTTP library, which would send only valid responses.
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
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""
HEAD = rb"(\S+) (\S+) HTTP/1\.[01]((?:\r\n[^\r\n]+)*)\r\n\r\n"
CERTIFICATE = Path(__file__).parent / "loopback.pem"

Script = Callable[["Peer"], None]


@dataclass(frozen=True)
class Request:
    """A request as it was sent."""

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
        """Return the next request, which is recorded first. None if the client closed the connection."""
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
        """Send byte by byte, with ``every`` seconds between two bytes."""
        for byte in data:
            self.send(bytes([byte]))
            if self.closing.wait(every):
                return

    def hold(self) -> None:
        """Keep the connection open and send nothing."""
        self.closing.wait(PATIENCE)

    def reset(self) -> None:
        """Close the connection with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _receive(self) -> bool:
        received = self.sock.recv(65536)
        self.unread += received
        return bool(received)


@dataclass
class Server:
    """Listens on its own loopback port, with one thread per connection."""

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
        # Closing a socket does not wake a thread that waits in accept(). A connection does.
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
            pass  # the client may close the connection at any time
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
    """Return a whole response. ``body`` is sent as JSON unless it is bytes. ``length``: a false Content-Length."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *(f"{name}: {value}" for name, value in headers)]
    if length is None:
        length = len(content)
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1") + content


def answering(*answers: bytes) -> Script:
    """Answer each request with the next answer, and repeat the last one."""

    def script(peer: Peer) -> None:
        remaining = list(answers)
        while peer.read():
            peer.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return script


def once(answer: bytes) -> Script:
    """Send one answer and close the connection."""

    def script(peer: Peer) -> None:
        if peer.read():
            peer.send(answer)

    return script


def placing(peer: Peer) -> None:
    """Answer like Telroi when it accepts a call."""
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
    """Return whether the condition becomes true before the guard against hanging ends."""
    ends = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    return condition()
