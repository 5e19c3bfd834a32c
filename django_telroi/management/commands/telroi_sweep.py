"""``manage.py telroi_sweep``: what beat does with Celery, for cron or as a program of its own."""

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
from django_telroi.conf.values import MOST_SECONDS
from django_telroi.errors import Unavailable
from django_telroi.management.output import PrintableCommand

DATABASE_GONE = "The database cannot be asked, or takes no changes. The log tells which."


class Command(PrintableCommand):
    help = "Hand on calls that wait, end what nobody vouches for and expire what is over. Many may run at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop",
            type=_seconds,
            metavar="SECONDS",
            help="Sweep again after each such pause, until stopped.",
        )

    def handle(self, *args: Any, loop: float | None, **options: Any) -> None:
        if loop is None:
            self._sweep()
            return
        with _told_to_stop() as stopped:
            while not stopped.is_set():
                self._sweep_as_well_as_possible()
                stopped.wait(loop)

    def _sweep_as_well_as_possible(self) -> None:
        """A database that is away for a moment does not end the loop."""
        try:
            self._sweep()
        except CommandError as error:
            self.stderr.write(str(error))
        close_old_connections()

    def _sweep(self) -> None:
        try:
            swept = services.sweep()
        except Unavailable:
            raise CommandError(DATABASE_GONE) from None
        self.stdout.write(f"{swept.enqueued} handed on, {swept.called_unknown} called unknown, {swept.expired} expired")


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set when somebody wants the program to end: the pass that has begun is finished."""
    stopped = threading.Event()
    endings = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(ending, lambda *_: stopped.set()) for ending in endings]
    yield stopped
    for ending, handler in zip(endings, before, strict=True):
        signal.signal(ending, handler)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= MOST_SECONDS:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0.")
    return seconds
