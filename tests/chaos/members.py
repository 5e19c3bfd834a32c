"""The processes of that site: ``python -m tests.chaos.members ROLE``, until standard input ends.

``asker`` starts a verification for each line, ``NUMBER UUID``. ``caller`` does the same in a child process for each
line. If the child is killed, it retries, like a client whose connection broke. ``worker POOL PLACES`` runs a Celery
worker in a child process and replaces it at once if it is killed. ``worker tasks 1`` runs a worker of Django's tasks.
``sweeper`` sweeps every second.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from celery import Celery, signals
from django.conf import settings

from tests.chaos.points import TASKS, Executioner, Point, before, place_points

SLOT = 0.02
BREAK_OFF = 50
"""How often a client repeats a request before it gives up."""


def site() -> Celery:
    django.setup()
    app = Celery("site", fixups=[], broker=settings.CELERY["broker_url"])
    app.conf.update(settings.CELERY)
    import django_telroi.tasks  # noqa: F401 - the worker must know them

    app.finalize()
    return app


def executioner() -> Executioner:
    placed = Executioner(Path(settings.GRAVES))
    place_points(placed)
    return placed


def asker() -> None:
    for line in sys.stdin:
        ask(line)
        say_asked()


def caller() -> None:
    kills = executioner()
    for line in sys.stdin:
        for _ in range(BREAK_OFF):
            if in_child(lambda line=line: call(line, kills)) == 0:  # type: ignore[misc]
                break
        say_asked()


def call(line: str, kills: Executioner) -> None:
    ask(line)
    kills.reached(Point.BEFORE_ACK)


def say_asked() -> None:
    sys.stdout.write("asked\n")
    sys.stdout.flush()


def ask(line: str) -> None:
    from django_telroi.services import start_verification

    number, uuid = line.split()
    start_verification(number, attempt_uuid=UUID(uuid))


def worker(app: Celery, pool: str, places: str) -> None:
    work = task_worker() if pool == TASKS else celery_worker(app, pool, places)
    stop = Stop()
    while not stop.told:
        child = fork(work)
        stop.end_with(child)


def task_worker() -> Callable[[], None]:
    from django_tasks_db.management.commands.db_worker import Worker
    from django_tasks_db.models import DBTaskResult

    if settings.GRAVES:
        kills = executioner()
        before(DBTaskResult, "set_successful", lambda: kills.reached(Point.BEFORE_ACK))
    before(Worker, "shutdown", lambda: Path(settings.STOPPING).touch())

    def work() -> None:
        running = Worker(
            queue_names=["default"],
            interval=0.1,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=str(os.getpid()),
            excluded_queue_names=[],
        )
        running.configure_signals()
        running.run()

    return work


def celery_worker(app: Celery, pool: str, places: str) -> Callable[[], None]:
    if settings.GRAVES:
        kills = executioner()
        signals.task_postrun.connect(lambda **_: kills.reached(Point.BEFORE_ACK), weak=False)
    signals.worker_shutting_down.connect(lambda **_: Path(settings.STOPPING).touch(), weak=False)
    arguments = ["worker", "--pool", pool, "--concurrency", places, "--queues", settings.TELROI["CELERY_QUEUE"]]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    return lambda: app.worker_main(arguments)


def sweeper() -> None:
    from django_telroi.services import sweep

    while not input_ended(1):
        sweep()


class Stop:
    """Return whether standard input has ended or SIGTERM has arrived. On SIGTERM the worker is stopped cleanly."""

    def __init__(self) -> None:
        self.told = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "told", True))

    def end_with(self, child: int) -> None:
        """Wait for the child, or kill it."""
        while True:
            pid, _ = os.waitpid(child, os.WNOHANG)
            if pid:
                return
            if self.told:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
                return
            if input_ended(SLOT):
                os.killpg(os.getpgid(0), signal.SIGKILL)


def input_ended(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def fork(act: Callable[[], Any]) -> int:
    """Fork a child that has loaded all modules, so that a killed process is replaced at once."""
    if child := os.fork():
        return child
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        act()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def in_child(act: Callable[[], Any]) -> int:
    _, status = os.waitpid(fork(act), 0)
    return status


def main(role: str, *arguments: str) -> None:
    app = site()
    if role == "worker":
        worker(app, *arguments)
    else:
        {"asker": asker, "caller": caller, "sweeper": sweeper}[role]()


if __name__ == "__main__":
    main(*sys.argv[1:])
