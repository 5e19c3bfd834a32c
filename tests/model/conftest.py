"""A site on SQLite that calls the model's Telroi, with frozen clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_telroi import dispatch
from django_telroi.dispatch import Published
from django_telroi.redaction import Secret
from django_telroi.services.calls import claim
from django_telroi.services.upkeep import sweep
from tests.manual_clocks import hold_site_clock
from tests.model import judges
from tests.model.telroi import ModelBackend
from tests.model.world import World

STARTS_AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def world(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, code_maker: str) -> Iterator[World]:
    settings.TELROI = {
        "CODES": code_maker,
        "BACKEND": "tests.model.telroi.ModelBackend",
        "COOLDOWN_SECONDS": 0,
        "CALLS_PER_HOUR": 1000,
        "CALLS_PER_DAY": 1000,
        "CODE_TTL_SECONDS": 300,
    }
    world = World(hold_site_clock(monkeypatch, at=STARTS_AT), User.objects.create_user("ada"), maker=code_maker)

    def publish(attempt_id: int) -> Published:
        world.published.append(attempt_id)
        return Published.SENT

    monkeypatch.setattr(dispatch, "send", publish)
    monkeypatch.setattr(
        sweep, "alert_pumping", lambda **options: ()
    )  # it reads an hour of calls and writes at most an alert
    monkeypatch.setattr(ModelBackend, "world", world, raising=False)
    monkeypatch.setattr(claim, "new_code", lambda length: Secret(judges.code_for(world, length)))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute("PRAGMA journal_mode = MEMORY")
    with world.listening():
        yield world
