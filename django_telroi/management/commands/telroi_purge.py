"""``manage.py telroi_purge``: delete attempts, events and numbers that are older than ``RETENTION_DAYS``."""

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

EXIT_INTERRUPTED = 130
WIDEST_BAR = 40


class Command(PrintableCommand):
    help = (
        "Delete attempts, events and notes older than RETENTION_DAYS, and numbers that are no longer needed. Run it "
        "once a day. If it is interrupted, the next run continues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count the rows that would be deleted, and delete nothing"
        )

    def handle(self, *args: Any, dry_run: bool, verbosity: int, **options: Any) -> None:
        self.deleted = Purged()
        try:
            purged = services.purge(dry_run=dry_run, progress=None if dry_run else self._progress(verbosity))
        except KeyboardInterrupt:
            self._end_bar()
            self.stderr.write(f"Interrupted. Deleted {_counts(self.deleted)}. The next run continues.")
            sys.exit(EXIT_INTERRUPTED)
        except Unavailable:
            self._end_bar()
            raise CommandError("The database does not answer, or it rejects writes. The log has the cause.") from None
        self._end_bar()
        if verbosity:
            kept = "" if conf.retention() else " RETENTION_DAYS is None, so attempts and events are kept."
            self.stdout.write(f"{'Would delete' if dry_run else 'Deleted'} {_counts(purged)}.{kept}")

    def _progress(self, verbosity: int) -> Callable[[Purged], None]:
        """Return the callback for the purge. It draws a bar on a terminal, and always keeps the counts for a Ctrl-C."""
        # The rows are counted before only for a bar, because counting reads the same rows as the purge.
        self.bar_width = min(WIDEST_BAR, shutil.get_terminal_size().columns - 30) if self.stderr.isatty() else 0
        self.expected = services.purge(dry_run=True).total if verbosity and self.bar_width > 0 else 0

        def remember(deleted: Purged) -> None:
            self.deleted = deleted
            if self.expected:
                self._draw(deleted.total)

        return remember

    def _draw(self, done: int) -> None:
        share = min(1.0, done / self.expected)
        bar = "#" * round(share * self.bar_width)
        self.stderr.write(f"\r{bar:.<{self.bar_width}} {share:4.0%} {done:,} rows", ending="")
        self.stderr.flush()

    def _end_bar(self) -> None:
        if self.deleted.total and self.expected:
            self.stderr.write("")


def _counts(purged: Purged) -> str:
    return (
        f"{purged.attempts:,} attempts, {purged.events:,} events, {purged.notes:,} notes, "
        f"{purged.refusals:,} refusals and {purged.numbers:,} numbers"
    )
