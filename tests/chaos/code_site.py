"""The site whose web process is killed in a check. A request header names the point."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import Client

from django_telroi.signals import phone_verified
from tests.chaos.code_points import DIES_AT, TOLD, arm, receiver

_site = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if point := environ.get(f"HTTP_{DIES_AT.upper().replace('-', '_')}"):
        arm(point)
    return respond(environ, start_response)


def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Return the whole response. The server sends nothing before that."""
    return _site(environ, start_response)


def warm_up() -> None:
    """Import and compile what the first request needs, before the server forks a worker for each kill."""
    for path in ("/phone/", "/phone/done/", "/api/phone/verifications/"):
        Client().get(path)
    connections.close_all()


phone_verified.connect(receiver(Path(os.environ[TOLD])), weak=False)
warm_up()
