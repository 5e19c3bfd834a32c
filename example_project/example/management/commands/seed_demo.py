"""Fill the example with 30 days of invented calls."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from django_telroi.management.option_types import whole_number
from django_telroi.models import VerificationAttempt
from example.attacks import add_attacks, answer_attacks, refused_calls
from example.history import make_history, refusals, verified_phones
from example.number_limits import add_limited_people, block_some, phone_numbers
from example.people import make_people, make_users

SEED = 20
REGULARS = 60
LIMITED = 6
# A regular makes several calls, so fewer calls would need fewer people than there are.
FEWEST_CALLS, MOST_CALLS = 2 * REGULARS, 1_000_000
BATCH = 250
STAFF, PASSWORD = "staff", "demo"


class Command(BaseCommand):
    """Adds 30 days of invented calls, and an account for the admin. A second run adds nothing."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--calls",
            type=whole_number(FEWEST_CALLS, MOST_CALLS),
            default=2000,
            help="approximate number of calls (default: 2000)",
        )

    def handle(self, *args: Any, calls: int, **options: Any) -> None:
        make_staff()
        if VerificationAttempt.objects.exists():
            self.stdout.write("The history exists already.")
            return
        started, now = time.monotonic(), timezone.now()
        # In one transaction: Ctrl-C leaves no half history, which a second run would take for a whole one.
        with transaction.atomic():
            count = self.seed(calls, now=now)
        answer_attacks(by=STAFF, now=now)
        self.stdout.write(f"{count:,} calls of 30 days added in {time.monotonic() - started:.1f} s.".ljust(62))

    def seed(self, calls: int, *, now: datetime) -> int:
        rng = Random(SEED)
        users = make_users(rng, REGULARS)
        self.save(users)
        people = make_people(rng, users, count=calls // 2 + LIMITED)
        ledger = make_history(rng, people[:-LIMITED], regulars=REGULARS, calls=calls, now=now)
        add_attacks(ledger, rng, now=now)
        add_limited_people(ledger, rng, people[-LIMITED:], now=now)
        ledger.sort()
        phones = phone_numbers(ledger)
        block_some(phones, rng, by=STAFF, now=now)
        self.save(phones)
        self.save(ledger.attempts)
        self.save(ledger.events)
        self.save(verified_phones(ledger.attempts))
        self.save([*refusals(rng, ledger.attempts), *refused_calls(now=now)])
        return len(ledger.attempts)

    def save(self, rows: Sequence[Model]) -> None:
        """Save rows of one model in batches and print the progress."""
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            type(rows[0])._default_manager.bulk_create(batch)
            self.print_progress(f"{rows[0]._meta.verbose_name_plural}: {start + len(batch):,} of {len(rows):,}")

    def print_progress(self, progress: str) -> None:
        """Overwrite one line on a terminal. Write a line for each step to a file or pipe."""
        if self.stdout.isatty():
            self.stdout.write(f"\r  {progress:<60}\r", ending="")
            self.stdout.flush()
        else:
            self.stdout.write(f"  {progress}")


def make_staff() -> None:
    """Create the account for the admin. Its password is public: the site is reachable only from this machine."""
    staff, is_new = User.objects.get_or_create(
        username=STAFF, defaults={"is_staff": True, "is_superuser": True, "first_name": "Demo", "last_name": "Staff"}
    )
    if is_new:
        staff.set_password(PASSWORD)
        staff.save()
