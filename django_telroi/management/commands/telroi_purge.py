"""``manage.py telroi_purge``: delete what is too old to be kept."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi import conf, services
from django_telroi.errors import Unavailable
from django_telroi.management.output import PrintableCommand
from django_telroi.services import Purged

STOPPED_BY_HAND = 130
WIDEST_BAR = 40


class Command(PrintableCommand):
    help = (
        "Delete attempts and events older than RETENTION_DAYS, and numbers that nothing needs any more. Run it once a "
        "day; one that was stopped is gone on with by the next."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted, and delete nothing")

    def handle(self, *args: Any, dry_run: bool, verbosity: int, **options: Any) -> None:
        self.gone = Purged()
        try:
            purged = services.purge(dry_run=dry_run, progress=None if dry_run else self._progress(verbosity))
        except KeyboardInterrupt:
            self._end_bar()
            self.stderr.write(f"Stopped. Deleted {_told(self.gone)}; the next purge goes on from here.")
            sys.exit(STOPPED_BY_HAND)
        except Unavailable:
            self._end_bar()
            raise CommandError("The database does not answer, or takes no changes. The log tells which.") from None
        self._end_bar()
        if verbosity:
            self.stdout.write(f"{'Would delete' if dry_run else 'Deleted'} {_told(purged)}.{_why_not_more()}")

    def _progress(self, verbosity: int) -> Callable[[Purged], None]:
        """Draws a bar where somebody looks on; elsewhere it only remembers."""
        self.bar_width = min(WIDEST_BAR, shutil.get_terminal_size().columns - 30) if self.stderr.isatty() else 0
        self.expected = services.purge(dry_run=True).total if verbosity and self.bar_width > 0 else 0

        def remember(gone: Purged) -> None:
            self.gone = gone
            if self.expected:
                self._draw(gone.total)

        return remember

    def _draw(self, done: int) -> None:
        share = min(1.0, done / self.expected)
        bar = "#" * round(share * self.bar_width)
        self.stderr.write(f"\r{bar:.<{self.bar_width}} {share:4.0%} {done:,} rows", ending="")
        self.stderr.flush()

    def _end_bar(self) -> None:
        if self.gone.total and self.expected:
            self.stderr.write("")


def _told(purged: Purged) -> str:
    return (
        f"{purged.attempts:,} attempts, {purged.events:,} events, "
        f"{purged.refusals:,} refusals and {purged.numbers:,} numbers"
    )


def _why_not_more() -> str:
    return "" if conf.retention() else " RETENTION_DAYS is None, so attempts and events stay."
