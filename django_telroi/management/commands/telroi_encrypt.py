"""``manage.py telroi_encrypt``: write the numbers of all rows in the form that the settings say."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from django_telroi import conf, services
from django_telroi.domain.number_cipher import NumberEncryption
from django_telroi.errors import Unavailable
from django_telroi.management.option_types import whole_number
from django_telroi.management.output import PrintableCommand
from django_telroi.services import Converted
from django_telroi.services.upkeep.number_conversion import BATCH, LARGEST_BATCH_OF_NUMBERS

EXIT_INTERRUPTED = 130
ROWS_BETWEEN_LINES = 100_000
FORMS = {
    NumberEncryption.PREPARE: "in clear",
    NumberEncryption.MIGRATE: "encrypted with the first key",
    NumberEncryption.ON: "encrypted with the first key",
}


class Command(PrintableCommand):
    help = (
        "Write the numbers of all rows in the form that NUMBER_ENCRYPTION and the first of NUMBER_KEYS say: encrypt "
        "them, decrypt them, or encrypt them with a new key. If it is interrupted, the next run continues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count the rows that would be converted, and convert nothing"
        )
        parser.add_argument(
            "--batch-size",
            type=whole_number(1, LARGEST_BATCH_OF_NUMBERS),
            default=BATCH,
            help="rows of one transaction (default: %(default)s)",
        )

    def handle(self, *args: Any, dry_run: bool, batch_size: int, verbosity: int, **options: Any) -> None:
        form = FORMS.get(conf.number_encryption())
        if form is None:
            raise CommandError(
                'TELROI["NUMBER_ENCRYPTION"] is "off". Set it to "migrate" to encrypt the numbers, or to "prepare" to '
                'decrypt them. See "Encrypted numbers" in the documentation.'
            )
        self.done, self.printed = Converted(), 0
        try:
            done = services.convert_numbers(
                batch_size=batch_size, dry_run=dry_run, progress=self._report if verbosity else None
            )
        except KeyboardInterrupt:
            self.stderr.write(f"Interrupted after {self.done.changed:,} rows. The next run continues.")
            sys.exit(EXIT_INTERRUPTED)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except Unavailable:
            raise CommandError("The database does not answer, or it rejects writes. The log has the cause.") from None
        if verbosity:
            merged = f" {done.merged:,} of them were doubles and were merged." if done.merged else ""
            verb = "Would convert" if dry_run else "Converted"
            self.stdout.write(
                f"{verb} {done.changed:,} rows. All numbers are {form}.{merged}"
                if not dry_run
                else (f"{verb} {done.changed:,} of {done.rows:,} rows, so that all numbers are {form}.")
            )

    def _report(self, done: Converted) -> None:
        self.done = done
        if done.rows - self.printed >= ROWS_BETWEEN_LINES:
            self.printed = done.rows
            self.stderr.write(f"{done.rows:,} rows read, {done.changed:,} converted")
