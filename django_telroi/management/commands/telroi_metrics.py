"""``manage.py telroi_metrics``: print the gauges of the site for Prometheus, for cron and the textfile collector."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi.errors import Unavailable
from django_telroi.management.output import PrintableCommand
from django_telroi.telemetry.textfile import site_text

READABLE_FOR_ALL = 0o644


class Command(PrintableCommand):
    help = (
        "Print the queue, the limited numbers, the switch, the key's budget and the calls of the last hour in "
        "Prometheus' text format. It needs no package of Prometheus. The output has no number, user or address."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output",
            metavar="FILE",
            help="write this file instead, as a whole or not at all; for node_exporter it must end in .prom",
        )

    def handle(self, *args: Any, output: str | None, **options: Any) -> None:
        try:
            text = site_text()
        except Unavailable:
            raise CommandError("The database does not answer, so nothing was written.") from None
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            write_whole_file(Path(output), text)
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error.strerror}.") from None


def write_whole_file(file: Path, text: str) -> None:
    """Write the file so that a reader sees the old text or the new one, never a part. Raises OSError.

    The new text goes into a hidden file in the same folder first, which replaces the old one in one step.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        # Prometheus reads UTF-8 only, also on a machine with another locale.
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        # Those of ``mkstemp`` would hide it from the user of the collector.
        Path(name).chmod(READABLE_FOR_ALL)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
