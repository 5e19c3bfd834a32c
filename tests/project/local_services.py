"""A local server in the place of the services that the recipes ask."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Verifier(ThreadingHTTPServer):
    """Answers each request with ``status`` and ``body``, or with nothing until ``ended``."""

    daemon_threads = True
    status = 200
    body = b""
    is_silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.forms: list[dict[str, list[str]]] = []
        self.bodies: list[str] = []
        self.paths: list[str] = []
        self.ended = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Verifier

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.bodies.append(body)
        self.server.paths.append(self.path)
        self.server.forms.append(parse_qs(body))
        if self.server.is_silent:
            self.server.ended.wait()
            return
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args: object) -> None:
        pass
