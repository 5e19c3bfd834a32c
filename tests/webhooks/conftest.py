"""A site that knows its secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
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
    """Deliver as Telroi does: as nobody, with CSRF checks on."""

    def deliver(body: bytes, headers: dict[str, str] | None = None, *, url: str = URL) -> HttpResponse:
        sent = signed(body) if headers is None else headers
        return Client(enforce_csrf_checks=True).post(url, body, content_type="application/json", headers=sent)

    return deliver
