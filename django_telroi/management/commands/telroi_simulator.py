"""``manage.py telroi_simulator``: run the simulator of Telroi as a separate process."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi.management.output import PrintableCommand
from django_telroi.simulator import command


class Command(PrintableCommand):
    needs_tables = False
    help = "Run a simulator of Telroi on a loopback address: real HTTP, no phones. Prints its URL and its keys."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        command.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            command.run(options, self._print)
        except OSError as error:
            raise CommandError(command.failure_text(error, options["port"])) from None

    def _print(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()
