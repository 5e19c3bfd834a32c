"""The provider of the peers: one POST over a keep-alive ``requests.Session``, the same for all of them."""

from __future__ import annotations

import os
import secrets
import threading

import requests

_of_thread = threading.local()
last_code = ""
"""The code of the newest call of this process, for the check that follows."""


def new_code() -> str:
    return f"{secrets.randbelow(10**6):06d}"


def call(number: str, code: str) -> None:
    """Call ``number`` (E.164) and read out ``code``. Raises an exception of requests."""
    global last_code  # noqa: PLW0603 - a process has one request at a time where this is read
    last_code = code
    # One session per thread: the documentation of requests does not promise that threads can share one.
    session = getattr(_of_thread, "session", None)
    if session is None:
        session = _of_thread.session = requests.Session()
        session.headers["Authorization"] = f"Bearer {os.environ['PEERS_API_KEY']}"
        session.headers["Accept"] = "application/json"
    body = {"to": number, "language": "en-us", "code": code}
    session.post(f"{os.environ['PEERS_BASE_URL']}/v1/otp", json=body, timeout=30).raise_for_status()
