"""A receiver of webhooks. It keeps each request byte for byte and sends the given answers in turn."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LONG = 120
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""
OK = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{"ok":true}'


def answer(status: int, location: str | None = None) -> bytes:
    where = f"location: {location}\r\n" if location else ""
    return f"HTTP/1.1 {status} x\r\n{where}content-length: 0\r\nconnection: close\r\n\r\n".encode()


@dataclass
class Receiver:
    """Sends ``answers`` one by one, then 200. None: no answer until the sender closes the connection."""

    port: int
    answers: list[bytes | None] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ok?ep=sbx"

    @property
    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.received]

    @property
    def first_lines(self) -> list[str]:
        return [request.partition(b"\r\n")[0].decode() for request in self.received]

    def wait_for(self, count: int) -> None:
        """Return as soon as this many requests have arrived."""
        ends = time.monotonic() + LONG
        while len(self.received) < count and time.monotonic() < ends:
            time.sleep(0.01)

    def take(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(LONG)
            request = b""
            while not _is_whole(request):
                request += sock.recv(65_536)
            self.received.append(request)
            reply = self.answers.pop(0) if self.answers else OK
            if reply is None:
                sock.recv(1)
            else:
                sock.sendall(reply)


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


@contextmanager
def receiving() -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(listener.getsockname()[1])
        stopping = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, receiver.take, stopping), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", receiver.port)).close()
            thread.join()


def _serve(listener: socket.socket, take: Callable[[socket.socket], None], stopping: threading.Event) -> None:
    while True:
        sock, _ = listener.accept()
        if stopping.is_set():
            sock.close()
            return
        take(sock)
