"""``manage.py telroi_limits [NUMBER]``: print the limits, and the state of one number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from django_telroi.errors import InvalidNumber, Unavailable
from django_telroi.management.limits import limits_in_force, limits_of
from django_telroi.management.output import PrintableCommand


class Command(PrintableCommand):
    help = "Print every limit and its source. With a number, also print the state of the number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", nargs="?", help="the number; without +, DEFAULT_REGION applies")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        state = self._state_of(options["number"]) if options["number"] is not None else None
        self._table((each.key, each.value, each.source, each.counts) for each in limits_in_force())
        if state:
            self.stdout.write()
            self._table(state)

    @sensitive_variables()
    def _state_of(self, number: str) -> list[tuple[str, str]]:
        """Return the state of the number. It is read before anything is printed, so that an error stands alone."""
        try:
            return list(limits_of(number))
        except InvalidNumber:
            raise CommandError("This is not a phone number. Type it with + and the country code.") from None
        except Unavailable:
            raise CommandError(
                "The database does not answer, so the state of the number is unknown. Without a number, the command "
                "prints the limits."
            ) from None

    def _table(self, rows: Iterable[tuple[str, ...]]) -> None:
        rows = list(rows)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
