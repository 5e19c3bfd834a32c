"""A broker that has no room: a Redis of the test's own, with hardly any memory."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_telroi.dispatch import Handing, send

pytestmark = [pytest.mark.services, pytest.mark.programs]

TASK = "django_telroi.tasks.place_call"


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
    deadline = time.monotonic() + 30
    while not socket.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield socket
    process.kill()
    process.wait()


def test_a_full_redis_holds_nobody_up(full_redis: Path, celery_app: Any) -> None:
    celery_app.conf.broker_url = f"redis+socket://{full_redis}"
    began = time.monotonic()

    handings = [send(TASK, key) for key in range(5)]

    assert set(handings) == {Handing.LEFT}
    assert time.monotonic() - began < 3
