"""What the processes of a walk do: ``python -m tests.upgrades.steps seed 2000``, ``… work FOLDER 0``.

They use only what is public in each release, because they also run with the package of the release before.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import django

BATCH = 500


def seed(rows: int) -> None:
    """Store ``rows`` attempts of the last 90 days, each with its number."""
    from django_telroi.models import PhoneNumber, VerificationAttempt

    now = datetime.now(UTC)
    for start in range(0, rows, BATCH):
        lines = range(start, min(start + BATCH, rows))
        phones = [PhoneNumber(number=f"+234806{line:07d}", last4=f"{line:07d}"[-4:], region="NG") for line in lines]
        PhoneNumber.objects.bulk_create(phones)
        # MariaDB and SQLite may not return the keys of created rows.
        stored = PhoneNumber.objects.filter(number__in=[phone.number for phone in phones]).order_by("number")
        VerificationAttempt.objects.bulk_create(
            VerificationAttempt(
                phone=phone,
                last4=phone.last4,
                region=phone.region,
                status="expired",
                dispatch="inline",
                max_tries=3,
                created_at=(at := now - timedelta(days=1 + 89 * line / rows)),
                expires_at=at + timedelta(minutes=5),
                closed_at=at + timedelta(minutes=5),
            )
            for phone, line in zip(stored, lines, strict=True)
        )


def work(folder: Path, worker: int) -> None:
    """Start calls and check their codes until the file ``stop`` exists. ``worker``: a number of its own, below ten.

    Writes a line for each call into ``folder``: the moments before the start, after it and after the check, in seconds
    of the monotonic clock, and how both ended.
    """
    from django_telroi import services
    from tests.upgrades.silent_backend import SilentBackend

    with (folder / f"{worker}.jsonl").open("w", buffering=1) as told:
        for line in count():
            if (folder / "stop").exists():
                break
            number = f"+234803{worker}{line:06d}"
            before = time.monotonic()
            attempt = services.start_verification(number)
            between = time.monotonic()
            code = SilentBackend.codes[number]
            outcome = services.check_code(attempt.uuid, code).outcome
            moments = [before, between, time.monotonic()]
            told.write(json.dumps({"moments": moments, "outcome": str(outcome), "status": str(attempt.status)}) + "\n")


def main() -> None:
    django.setup()
    match sys.argv[1:]:
        case ["seed", rows]:
            seed(int(rows))
        case ["work", folder, worker]:
            work(Path(folder), int(worker))


if __name__ == "__main__":
    main()
