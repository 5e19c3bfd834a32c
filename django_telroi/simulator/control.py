"""The switches over HTTP, under ``/_simulator/``, for a simulator that runs as a process of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django_telroi.simulator.answers import JSON, Answer, compact
from django_telroi.simulator.request import Request

PREFIX = "/_simulator/"
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
PORT = re.compile(r":\d*$")

Readings = Mapping[str, Callable[[], object]]
Switches = Mapping[str, Callable[..., object]]


class Control:
    """``GET`` reads, ``POST`` throws a switch; the body is a JSON object of the switch's arguments."""

    def __init__(self, readings: Readings, switches: Switches) -> None:
        self._readings = readings
        self._switches = switches

    def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix(PREFIX)
        if _comes_from_a_page(request):
            return _said(403, error="The switches are not for web pages.")
        if request.method == "GET" and name in self._readings:
            return _said(200, **{name or "simulator": self._readings[name]()})
        if request.method == "POST" and name in self._switches:
            return _thrown(self._switches[name], request.body)
        return _said(404, error=f"Nothing to {request.method} here.", switches=sorted(self._switches))


def _comes_from_a_page(request: Request) -> bool:
    """A page of any site may reach loopback: through a form, or under a name that resolves to it."""
    host = PORT.sub("", request.headers.get("host", ""))
    return "origin" in request.headers or host not in LOOPBACK


def _thrown(switch: Callable[..., object], body: bytes) -> Answer:
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            raise TypeError("The body must be a JSON object of arguments.")
        switch(**arguments)
    except (TypeError, ValueError, LookupError) as error:
        return _said(400, error=str(error))
    return _said(200, done=True)


def _said(status: int, **payload: Any) -> Answer:
    return Answer(status, (("content-type", JSON), ("cache-control", "no-store")), compact(payload))
