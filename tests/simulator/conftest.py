"""A simulator, and a client that uses only the standard library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_telroi.simulator import Simulator


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Mapping[str, str]:
        error: Mapping[str, str] = self.json()["data"]["error"]
        return error


LONG = 120
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""


class Telroi:
    """A client that sends valid requests, each on a new connection."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return self.ask_raw(method, path, None if fields is None else json.dumps(fields), key=key, headers=headers)

    def ask_raw(
        self,
        method: str,
        path: str,
        body: str | None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        host = urlsplit(self.simulator.base_url)
        asked = {"Authorization": f"Bearer {key or self.simulator.api_key}", "Accept": "application/json"}
        with closing(http.client.HTTPConnection(str(host.hostname), host.port, timeout=LONG)) as connection:
            connection.request(method, path, None if body is None else body.encode(), {**asked, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def send(self, to: str = "+2348031234567", *, key: str | None = None, **fields: Any) -> Reply:
        return self.ask("POST", "/v1/otp", {"to": to, **fields}, key=key)

    def verify(self, code: str, *, key: str | None = None, **target: str) -> Reply:
        return self.ask("POST", "/v1/otp/verify", {"code": code, **target}, key=key)

    def outcome(self, code: str, *, key: str | None = None, **target: str) -> tuple[str, int | None]:
        """Return the status and the attempts left."""
        verification = self.verify(code, key=key, **target).json()
        return verification["status"], verification.get("attempts_left")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        running.freeze()
        yield running


@pytest.fixture
def telroi(simulator: Simulator) -> Telroi:
    return Telroi(simulator)
