"""A request as data: it is run in the process of a contestant, or sent to its gunicorn."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

HOST = "testserver"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
ATTRIBUTE = re.compile(r'\b(name|value)="([^"]*)"')


@dataclass(frozen=True)
class Posting:
    """A request. ``address``: the IP address of the visitor, which the reverse proxy adds as X-Forwarded-For.

    ``method``: all that is sent to gunicorn is a POST.
    """

    path: str
    body: str
    content_type: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @property
    def all_headers(self) -> dict[str, str]:
        own = {"Content-Type": self.content_type, "X-Forwarded-For": self.address, "Accept": "application/json"}
        return {**own, **self.headers}


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    seconds: float
    location: str = ""


@dataclass(frozen=True)
class Expected:
    """The reply of a start or a check that has done its work."""

    status: int
    text: str = ""
    location: str = ""

    def fits(self, status: int, location: str, body: bytes) -> bool:
        return status == self.status and location == self.location and self.text.encode() in body


def json_posting(path: str, body: object, address: str, **headers: str) -> Posting:
    return Posting(path, json.dumps(body), JSON, address, headers)


def form_posting(path: str, fields: Mapping[str, str], address: str, client: Any) -> Posting:
    """Return the POST of a browser with the cookies of ``client``, a ``django.test.Client``."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    return Posting(path, urlencode(fields), FORM, address, {"Cookie": cookies, "Accept": "text/html"})


def hidden_fields(page: bytes) -> dict[str, str]:
    """Return the hidden fields of a page, with the CSRF token."""
    found = (dict(ATTRIBUTE.findall(tag)) for tag in HIDDEN.findall(page.decode()))
    return {each["name"]: each.get("value", "") for each in found if "name" in each}


def run(application: Callable[..., Any], posting: Posting) -> Reply:
    """Run the request in this process through the WSGI handler and time it, until the response is closed."""
    body = posting.body.encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": posting.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": posting.path,
        "QUERY_STRING": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": posting.content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in posting.all_headers.items():
        if name != "Content-Type":
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    started = perf_counter()
    response = application(environ, lambda status, headers, error=None: heads.append((status, headers)))
    content = b"".join(response)
    response.close()
    seconds = perf_counter() - started
    status, headers = heads[0]
    return Reply(int(status.split()[0]), content, seconds, dict(headers).get("Location", ""))
