"""A site with the database backend of Django's tasks, and the simulator on a real socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django_tasks_db.management.commands.db_worker import Worker

from django_telroi.conf import task_framework
from django_telroi.dispatch import task_backend
from django_telroi.simulator import Simulator
from tests.calling_site import Configure, configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]

ROOT = Path(__file__).parents[2]

Work = Callable[..., None]


def run_without_app(script: str) -> str:
    """Run ``script`` in a site without the app ``django_tasks_db``, and return what it prints.

    In a process of its own, because this one has imported the models.
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.task_queue.settings_without_app",
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine must not pause the queue. The tests of the pause set the limit."""
    monkeypatch.setattr(task_backend, "SLOW_SECONDS", 600)
    monkeypatch.setattr(task_backend, "PAUSE", task_backend.QueuePause())


@pytest.fixture
def by_tasks(telroi: Simulator, configure: Configure) -> Simulator:
    """A site whose calls are placed by workers of Django's tasks."""
    configure(DISPATCH="tasks")
    return telroi


@pytest.fixture
def work() -> Work:
    """Return a function that runs a worker until its queue is empty."""

    def run(queue: str = "default") -> None:
        Worker(
            queue_names=[queue],
            interval=0,
            batch=True,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id="worker of the test",
            excluded_queue_names=[],
        ).run()

    return run


@pytest.fixture
def backends(settings: Any) -> Callable[..., None]:
    """Return a function that sets the backend ``default``: one of the framework's own, or a dotted path."""

    def choose(name: str, **options: Any) -> None:
        own = f"{task_framework()}.backends.{name}.{name.capitalize()}Backend"
        settings.TASKS = {"default": {"BACKEND": name if "." in name else own, **options}}

    return choose
