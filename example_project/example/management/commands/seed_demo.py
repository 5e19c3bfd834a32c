"""Fill the example with a month that never was."""

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

from django_telroi.models import VerificationAttempt
from example.history import make_history, refusals, verified_phones
from example.people import make_people, make_users
from example.standing import add_limited_people, block_some, phone_numbers

SEED = 20
REGULARS = 60
LIMITED = 6
BATCH = 250
STAFF, PASSWORD = "staff", "demo"


class Command(BaseCommand):
    """Fills the example with 30 days of made-up calls and an account for the admin. Does nothing the second time."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=2000, help="about how many calls the month had (2000)")

    def handle(self, *args: Any, calls: int, **options: Any) -> None:
        make_staff()
        if VerificationAttempt.objects.exists():
            self.stdout.write("The history is there already.")
            return
        started = time.monotonic()
        with transaction.atomic():
            count = self.seed(calls, now=timezone.now())
        self.stdout.write(f"{count:,} calls of 30 days made up in {time.monotonic() - started:.1f} s.".ljust(62))

    def seed(self, calls: int, *, now: datetime) -> int:
        rng = Random(SEED)
        users = make_users(rng, REGULARS)
        self.save(users)
        people = make_people(rng, users, count=calls // 2 + LIMITED)
        ledger = make_history(rng, people[:-LIMITED], regulars=REGULARS, calls=calls, now=now)
        add_limited_people(ledger, rng, people[-LIMITED:], now=now)
        ledger.sort()
        phones = phone_numbers(ledger)
        block_some(phones, rng, by=STAFF, now=now)
        self.save(phones)
        self.save(ledger.attempts)
        self.save(ledger.events)
        self.save(verified_phones(ledger.attempts))
        self.save(refusals(rng, ledger.attempts))
        return len(ledger.attempts)

    def save(self, rows: Sequence[Model]) -> None:
        """Write rows of one kind in batches, telling how far it is."""
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            type(rows[0])._default_manager.bulk_create(batch)
            self.tell(f"{rows[0]._meta.verbose_name_plural}: {start + len(batch):,} of {len(rows):,}")

    def tell(self, progress: str) -> None:
        """A terminal gets one line that changes, anything else a line for each step."""
        if self.stdout.isatty():
            self.stdout.write(f"\r  {progress:<60}\r", ending="")
            self.stdout.flush()
        else:
            self.stdout.write(f"  {progress}")


def make_staff() -> None:
    """The account for the admin; its password is no secret, for the site answers only to this machine."""
    staff, is_new = User.objects.get_or_create(
        username=STAFF, defaults={"is_staff": True, "is_superuser": True, "first_name": "Demo", "last_name": "Staff"}
    )
    if is_new:
        staff.set_password(PASSWORD)
        staff.save()
