"""A site with a webhook secret."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import Client

from django_telroi.testing import outbox
from tests.services.world import Heard
from tests.webhooks.telroi import SECRET, signed

Post = Callable[..., HttpResponse]
URL = "/telroi/webhook"


@pytest.fixture(autouse=True)
def site(settings: Any) -> Any:
    settings.TELROI = {"WEBHOOK_SECRETS": [SECRET]}
    outbox.clear()
    return settings


@pytest.fixture
def heard() -> Iterator[Heard]:
    with Heard() as listening:
        yield listening


@pytest.fixture
def post() -> Post:
    """Return a function that posts like Telroi: without a login, and with CSRF checks enabled."""

    def deliver(body: bytes, headers: dict[str, str] | None = None, *, url: str = URL) -> HttpResponse:
        sent = signed(body) if headers is None else headers
        return Client(enforce_csrf_checks=True).post(url, body, content_type="application/json", headers=sent)

    return deliver


class QuietRequestHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def live_site() -> Iterator[str]:
    """The site on a real socket. Each request has its own thread and database connection."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietRequestHandler)
    server.daemon_threads = False  # server_close waits for the threads, so that no connection outlives its test
    server.set_app(get_wsgi_application())
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    serving.join()
