"""``manage.py telroi_limits [NUMBER]``: what is allowed here, and how one number stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from django_telroi.errors import InvalidNumber, Unavailable
from django_telroi.management.limits import limits_in_force, limits_of
from django_telroi.management.output import PrintableCommand


class Command(PrintableCommand):
    help = "Print the limits in force and where each comes from; with a number, how that number stands."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", nargs="?", help="as a person types it; DEFAULT_REGION counts")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        self._table((each.key, each.value, each.source, each.counts) for each in limits_in_force())
        if options["number"]:
            self.stdout.write()
            try:
                self._table(limits_of(options["number"]))
            except InvalidNumber:
                raise CommandError("This is not a phone number. Give its country code.") from None
            except Unavailable:
                raise CommandError("The database does not answer, so nothing is known about the number.") from None

    def _table(self, rows: Iterable[tuple[str, ...]]) -> None:
        rows = list(rows)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
