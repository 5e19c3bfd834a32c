"""The switches over HTTP, for a simulator in a process of its own: from a shell, a test or during front-end work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django_telroi.simulator.http_request import Request
from django_telroi.simulator.responses import JSON, Answer, compact

# Not a path of Telroi, so no response of Telroi is hidden by it.
PREFIX = "/_simulator/"
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
PORT = re.compile(r":\d*$")

Readings = Mapping[str, Callable[[], object]]
SwitchTable = Mapping[str, Callable[..., object]]


class HttpSwitches:
    """GET reads, POST calls a switch with the arguments in a JSON object.

    ``readings`` and ``switches`` are the functions by the last part of their path. Only these can be called, so a
    method such as ``close`` is not reachable.
    """

    def __init__(self, readings: Readings, switches: SwitchTable) -> None:
        self._readings = readings
        self._switches = switches

    def answer(self, request: Request) -> Answer:
        """Return the response: 200, 400 for wrong arguments, 403 for a web page, 404 for an unknown name."""
        # There is no key. Any web page can send a request to loopback: with a form or a script, which browsers mark
        # with ``Origin``, or under a name of its own that resolves to 127.0.0.1. It could read the codes of all calls.
        host = PORT.sub("", request.headers.get("host", ""))
        if "origin" in request.headers or host not in LOOPBACK:
            return _json_answer(403, error="Web pages cannot use the switches.")

        name = request.path.removeprefix(PREFIX)
        if request.method == "GET" and name in self._readings:
            return _json_answer(200, **{name or "simulator": self._readings[name]()})
        if request.method == "POST" and name in self._switches:
            return _run_switch(self._switches[name], request.body)
        return _json_answer(404, error=f"{request.method} is not possible here.", switches=sorted(self._switches))


def _run_switch(switch: Callable[..., object], body: bytes) -> Answer:
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            raise TypeError("The body must be a JSON object of arguments.")
        switch(**arguments)
    except (TypeError, ValueError, LookupError) as error:
        # Python's own messages name the missing or unknown argument. Nothing here is a secret.
        return _json_answer(400, error=str(error))
    return _json_answer(200, done=True)


def _json_answer(status: int, **payload: Any) -> Answer:
    return Answer(status, (("content-type", JSON), ("cache-control", "no-store")), compact(payload))
