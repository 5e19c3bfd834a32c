"""A broker without free memory: a Redis of this test with a low memory limit."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_telroi.dispatch import Published, celery_broker
from django_telroi.dispatch.celery_broker import send

pytestmark = [pytest.mark.services, pytest.mark.programs]

TASK = "django_telroi.tasks.place_call"
HANGS = 600
"""Seconds after which a test hangs, however busy the machine is."""


@pytest.fixture
def full_redis(tmp_path: Path) -> Iterator[Path]:
    program = shutil.which("redis-server")
    assert program
    socket = tmp_path / "redis"
    command = [
        program,
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--maxmemory",
        "1",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + HANGS
    while not socket.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield socket
    process.kill()
    process.wait()


def test_a_full_redis_delays_no_request(
    full_redis: Path, celery_app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker refuses, which ends the wait of the first request. Later requests do not contact it."""
    monkeypatch.setattr(celery_broker, "PUBLISH_TIMEOUT", HANGS)
    monkeypatch.setattr(celery_broker, "PAUSE_SECONDS", HANGS)
    celery_app.conf.broker_url = f"redis+socket://{full_redis}"

    handings = [send(TASK, key) for key in range(5)]

    assert handings == [Published.SKIPPED] * 5
    [refused] = [record.getMessage() for record in caplog.records if "not_enqueued" in record.getMessage()]
    assert refused == "not_enqueued attempt=0 error=OperationalError"
