"""The health check answers for the database and the cache, and says nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

URL = "/health/"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.telemetry.measured_urls"


@pytest.mark.django_db
def test_a_healthy_site_is_200_with_one_statement(client: Client) -> None:
    with CaptureQueriesContext(connection) as statements:
        reply = client.get(URL)

    assert (reply.status_code, reply.json()) == (200, {"ok": True, "database": True, "cache": True})
    assert len(statements) == 1
    assert "no-store" in reply["Cache-Control"]
    assert client.post(URL).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("atomic", [False, True])
def test_without_the_database_it_is_503_and_the_cause_is_in_the_log(
    atomic: bool, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(using: str) -> None:
        raise OperationalError("password of ada@db")

    monkeypatch.setattr("django_telroi.health.views.database_now", fail)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)

    reply = client.get(URL)

    assert (reply.status_code, reply.json()) == (503, {"ok": False, "database": False, "cache": True})
    assert "health_failed part=database error=OperationalError" in caplog.text
    assert "ada" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("backend", "error"),
    [
        ("django.core.cache.backends.dummy.DummyCache", "CacheKeepsNothing"),
        ("django.core.cache.backends.redis.RedisCache", "ConnectionError"),
    ],
)
def test_a_cache_that_does_not_answer_or_keeps_nothing_is_503(
    backend: str, error: str, client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}

    reply = client.get(URL)

    assert (reply.status_code, reply.json()) == (503, {"ok": False, "database": True, "cache": False})
    assert f"health_failed part=cache error={error}" in caplog.text
