"""gunicorn with one worker, which is replaced at once after a kill, and browsers that use it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection

from tests.chaos.code_points import DIES_AT, TOLD

ROOT = Path(__file__).parent.parent.parent
AT_MOST_SECONDS = 120
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""


@contextmanager
def web_server(log: Path, *, told: Path) -> Iterator[str]:
    """The address of this process's site: its settings of TELROI, its database.

    This process owns the socket, so a request waits in it while there is no worker.
    """
    stage = {
        "database": str(connection.settings_dict["NAME"]),
        "telroi": settings.TELROI,
        "celery": {},
        "graves": "",
        "stopping": "",  # no worker
    }
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.site_settings",
        "TELROI_TEST_STAGE": json.dumps(stage),
        TOLD: str(told),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDEVMODE": "",
        # A warning as an error would end the master of gunicorn: Python warns of a fork in a process with threads.
        "PYTHONWARNINGS": "",
    }
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener, log.open("w") as output:
        command = [sys.executable, "-m", "gunicorn", "tests.chaos.code_site:application", "--preload"]
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "--timeout", str(AT_MOST_SECONDS)],
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(AT_MOST_SECONDS)


@dataclass(frozen=True)
class Answer:
    """A response, in the form of Django's test client."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.headers[name]

    def json(self) -> Any:
        return json.loads(self.content)


class Browser:
    """Sends real requests with cookies. It does not follow redirects."""

    def __init__(self, url: str, cookies: Mapping[str, str] | None = None) -> None:
        self.statuses: list[int] = []
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.update(cookies or {})

    @property
    def cookies(self) -> dict[str, str]:
        return self._session.cookies.get_dict()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._ask("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        return self._ask("POST", path, data=fields, headers=headers)

    def post_json(self, path: str, body: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        token = {"X-CSRFToken": self.cookies.get("csrftoken", "")}
        return self._ask("POST", path, json=body, headers=token | dict(headers or {}))

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        reply = self._session.request(
            method, self._url + path, allow_redirects=False, timeout=AT_MOST_SECONDS, **options
        )
        self.statuses.append(reply.status_code)
        return Answer(reply.status_code, reply.content, reply.headers)


def is_killed_by(post: Any, *arguments: Any, at: str) -> bool:
    """Send the request. Returns whether it killed the server's process."""
    try:
        post(*arguments, headers={DIES_AT: at})
    except requests.ConnectionError:
        return True
    return False
