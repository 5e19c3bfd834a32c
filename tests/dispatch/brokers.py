"""Faulty brokers on real sockets."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANSWERS = {
    b"HELLO": b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
    b"PING": b"+PONG\r\n",
    b"LPUSH": b":1\r\n",
    b"SADD": b":1\r\n",
}


class Redis(socketserver.ThreadingTCPServer):
    """Accepts each command after ``delay`` seconds, ``answers`` times in total. None: without end."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, delay: float, answers: int | None) -> None:
        super().__init__(("127.0.0.1", 0), Client)
        self.delay = delay
        self.answers = answers
        self.published = 0
        self.clients: list[socket.socket] = []

    def drop(self) -> None:
        """Close all connections."""
        for client in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Client(socketserver.StreamRequestHandler):
    server: Redis

    def handle(self) -> None:
        self.server.clients.append(self.request)
        together: int | None = None  # commands of the transaction so far
        try:
            while command := self._command():
                if self.server.answers is not None:
                    if self.server.answers == 0:
                        continue
                    self.server.answers -= 1
                time.sleep(self.server.delay)
                self.server.published += command == b"LPUSH"
                if command == b"MULTI":
                    together = 0
                    self.wfile.write(b"+OK\r\n")
                elif command == b"EXEC":
                    self.wfile.write(b"*%d\r\n" % (together or 0) + b":0\r\n" * (together or 0))
                    together = None
                elif together is not None:
                    together += 1
                    self.wfile.write(b"+QUEUED\r\n")
                else:
                    self.wfile.write(ANSWERS.get(command, b"+OK\r\n"))
        except (OSError, ValueError):
            return

    def _command(self) -> bytes:
        """Return the name of the next command, or empty bytes at the end of the stream or for another protocol."""
        head = self.rfile.readline()
        if not head.startswith(b"*"):
            return b""
        words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
        return words[0].upper()


@contextmanager
def redis(delay: float = 0.0, *, answers: int | None = None) -> Iterator[Redis]:
    """A broker that accepts all connections. It delivers nothing, and only counts published messages."""
    with Redis(delay, answers) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
        server.drop()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections. It is bound but does not listen, so no other process can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
