"""Ringwell, the invented provider of the how-to page, on a real socket."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TRIES = 5


class RingwellDouble:
    """``codes``: the code of the newest call to each number. ``requests``: the received requests."""

    def __init__(self, *, token: str) -> None:
        self.codes: dict[str, str] = {}
        self.requests = 0
        self._calls: dict[str, dict[str, Any]] = {}
        self._authorization = "Basic " + base64.b64encode(f"api:{token}".encode()).decode()
        self._cuts = False
        self._status: int | None = None
        self._drips: threading.Event | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def closed(self) -> Iterator[None]:
        self._close()
        yield
        self._open()

    @contextmanager
    def cutting_answers(self) -> Iterator[None]:
        self._cuts = True
        yield
        self._cuts = False

    @contextmanager
    def answering(self, status: int) -> Iterator[None]:
        self._status = status
        yield
        self._status = None

    @contextmanager
    def dripping(self) -> Iterator[None]:
        """Send each answer byte by byte. It does not end before the context."""
        self._drips = threading.Event()
        try:
            yield
        finally:
            self._drips.set()
            self._drips = None

    def answer(self, path: str, authorization: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if authorization != self._authorization:
            return 401, {"code": "unauthorized"}
        return self._verification(body) if path == "/v2/verifications" else self._check(body)

    def _verification(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        sid = f"RV{secrets.token_hex(4)}"
        code = "".join(secrets.choice("0123456789") for _ in range(body["length"]))
        self.codes[body["to"]] = code
        self._calls[sid] = {"sid": sid, "to": body["to"], "code": code, "tries": 0, "locale": body.get("locale")}
        return 201, {"sid": sid, "status": "pending"}

    def _check(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = "sid" if "sid" in body else "to"
        found = [call for call in self._calls.values() if call[name] == body[name]]
        if not found:
            return 404, {"code": "not_found"}
        call = found[-1]
        call["tries"] += 1
        if call["tries"] > TRIES:
            return 200, {"status": "max_attempts"}
        return 200, {"status": "approved" if call["code"] == body["code"] else "pending"}

    def _open(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                double._serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        if self._drips is not None:
            self._drip(request, until=self._drips)
            return
        if self._status is not None:
            self._send(request, self._status, b"<html>")
            return
        status, reply = self.answer(request.path, request.headers["Authorization"], body)
        if self._cuts:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(request, status, json.dumps(reply).encode())

    def _drip(self, request: BaseHTTPRequestHandler, *, until: threading.Event) -> None:
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with suppress(OSError):
            for _ in range(2_000):  # not forever, so that a caller without a timeout fails instead of hanging
                if until.wait(0.02):
                    return
                request.wfile.write(b"x")

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Location", "/elsewhere")
        request.send_header("Retry-After", "7")
        request.end_headers()
        request.wfile.write(body)
