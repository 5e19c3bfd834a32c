"""``manage.py telroi_sweep``: the sweep of overdue attempts, for cron or as a service, instead of Celery beat."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections

from django_telroi import services
from django_telroi.conf.values import MAX_SECONDS
from django_telroi.errors import Unavailable
from django_telroi.management.output import PrintableCommand

DATABASE_FAILED = "The database does not answer, or it rejects writes. The log has the cause."
QUEUE_FAILED = "The queue takes no message, so calls that are due still wait. The log has the cause."


class Command(PrintableCommand):
    help = (
        "Enqueue waiting calls again, record calls of lost processes as unknown, and expire overdue attempts. "
        "Several sweeps may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop",
            type=_seconds,
            metavar="SECONDS",
            help="sweep again after this pause, until SIGINT or SIGTERM",
        )

    def handle(self, *args: Any, loop: float | None, **options: Any) -> None:
        if loop is None:
            self._sweep()
            return
        with _stop_signals() as stopped:
            while not stopped.is_set():
                self._sweep_or_print_error()
                stopped.wait(loop)

    def _sweep_or_print_error(self) -> None:
        """Sweep once. An error of the database or queue is printed and does not end the loop. It may be temporary."""
        try:
            self._sweep()
        except CommandError as error:
            self.stderr.write(str(error))
        # No request ends here, so Django would never replace a connection that the database has closed.
        close_old_connections()

    def _sweep(self) -> None:
        try:
            swept = services.sweep()
        except Unavailable:
            raise CommandError(DATABASE_FAILED) from None
        self.stdout.write(
            f"{swept.enqueued} enqueued, {swept.became_unknown} recorded as unknown, {swept.expired} expired"
        )
        if swept.has_queue_failed:
            raise CommandError(QUEUE_FAILED)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, so that a sweep in progress finishes first."""
    stopped = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in signals]
    yield stopped
    # Restored, because ``call_command`` may run this in a process that goes on.
    for number, handler in zip(signals, before, strict=True):
        signal.signal(number, handler)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= MAX_SECONDS:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0.")
    return seconds
