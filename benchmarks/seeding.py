"""A month of a busy site: 100,000 numbers, a million attempts and their events.

All values are text that all three databases accept. PostgreSQL gets them by COPY, the others in batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.models import Model

DAYS = 30
SEED = 20
BATCH = 10_000
LIFE = timedelta(minutes=5)
# Calls in each hour of a day: few at night, most in the evening.
RHYTHM = (4, 2, 1, 1, 1, 2, 5, 9, 13, 15, 16, 16, 15, 14, 14, 15, 17, 20, 23, 24, 22, 17, 11, 7)
# Per thousand. Rare values show whether a list searches row by row.
PREFIXES = {"NG": "+234803", "US": "+1201", "GB": "+447700", "GH": "+23324", "FR": "+3361"}
REGIONS = {"NG": 480, "US": 200, "GB": 150, "GH": 100, "FR": 70}
RARE_REGION, RARE_PREFIX = "IS", "+35461"
PURPOSES = {"": 820, "sign-up": 120, "payout": 60}
RARE_PURPOSE = "vault"
OUTCOMES = {"verified": 790, "expired": 100, "superseded": 66, "locked": 14, "canceled": 13, "failed": 17}
ERRORS = {"unreachable": 7, "rate_limited": 6, "insufficient_funds": 3, "invalid": 1}
RARE_ERROR = "lost"
ONE_IN = 50_000
"""How often the rare values occur."""
STILL_OPEN = ("queued", "queued", "dialing", "unknown", "unknown", "unknown", *["placed"] * 24)
REFUSALS = ("cooldown", "hourly_limit", "invalid_number", "not_callable")
# fmt: off
ATTEMPT = [
    "id", "uuid", "phone_id", "last4", "region", "prefix", "user_id", "purpose", "status", "dispatch", "telroi_id",
    "livemode", "language", "code_length", "judge", "tries", "max_tries", "created_at", "dialed_at", "placed_at",
    "expires_at", "verified_at", "closed_at", "due_at", "had_user", "is_again", "asked", "judging", "code_digest",
    "proof_spent_at", "error_code", "error_detail", "requester_ip",
]
NUMBER = [
    "id", "number", "last4", "region", "calls", "last_call_at", "next_call_at", "limited_by", "held_until",
    "held_reason", "blocked_at", "blocked_by", "blocked_reason", "created_at", "version",
]
# fmt: on
EVENT = ["attempt_id", "phone_id", "kind", "at", "actor", "detail", "digest"]
VERIFIED = ["user_id", "number", "purpose", "verified_at", "attempt_id"]
TALLY = ["hour", "code", "region", "count"]

Row = tuple[str | int | None, ...]


@dataclass(frozen=True)
class Size:
    """The number of rows."""

    numbers: int
    attempts: int
    users: int = 1000


class Month:
    """The rows of a month that ends at ``now``. The same size and moment give the same rows."""

    def __init__(self, size: Size, *, now: datetime, has_uuids: bool) -> None:
        """``has_uuids``: the database has a UUID type, and accepts values with dashes."""
        self.size, self.now, self.has_uuids = size, now, has_uuids
        self.random = Random(SEED)
        self.people = list(self._people())
        self.last_call: dict[str, datetime] = {}
        self.verified: dict[tuple[int, str, str], tuple[str, int]] = {}
        self.events: list[Row] = []

    def _people(self) -> Iterator[tuple[str, str, int | None]]:
        """Make numbers with region and user. Seven in ten have a user."""
        regions = self.random.choices(list(REGIONS), list(REGIONS.values()), k=self.size.numbers)
        for line, region in enumerate(regions):
            user = line % self.size.users + 1 if line % 10 < 7 else None
            if line % ONE_IN == ONE_IN // 2:
                yield f"{RARE_PREFIX}{line * 7 % 10**6:06d}", RARE_REGION, user
            else:
                yield f"{PREFIXES[region]}{line * 7 % 10**6:06d}", region, user

    def _moments(self) -> list[datetime]:
        """Return moments, oldest first, distributed over the hours of the day."""
        hours = range(DAYS * 24)
        weights = [RHYTHM[(self.now - timedelta(hours=hour)).hour] for hour in hours]
        seconds = self.random.choices([hour * 3600 for hour in hours], weights, k=self.size.attempts)
        ages = sorted((second + self.random.random() * 3600 for second in seconds), reverse=True)
        return [self.now - timedelta(seconds=age) for age in ages]

    def attempts(self) -> Iterator[Row]:
        moments = self._moments()
        outcomes = self.random.choices(list(OUTCOMES), list(OUTCOMES.values()), k=len(moments))
        outcomes[-len(STILL_OPEN) :] = STILL_OPEN[-len(moments) :]
        purposes = self.random.choices(list(PURPOSES), list(PURPOSES.values()), k=len(moments))
        for number, (at, status, purpose) in enumerate(zip(moments, outcomes, purposes, strict=True), 1):
            yield self._attempt(number, at, status, RARE_PURPOSE if number % ONE_IN == 7 else purpose)

    def _attempt(self, pk: int, at: datetime, status: str, purpose: str) -> Row:
        random, is_open = self.random, status in STILL_OPEN
        line = int(random.random() * len(self.people))
        phone, region, user = self.people[line]
        self.last_call[phone] = at
        was_placed = status not in ("failed", "queued", "dialing", "unknown")
        took = timedelta(seconds=18 + random.random() * 40)
        ended_at = at + (LIFE if status == "expired" else took)
        wrong = 3 if status == "locked" else int(status == "verified" and random.random() < 0.1)
        self._reject(pk, wrong, at=at + took / 2)
        error = random.choices(list(ERRORS), list(ERRORS.values()))[0] if status == "failed" else ""
        if status == "expired" and pk % 1000 == 3:
            error = RARE_ERROR
        due_at = {"queued": at, "dialing": at + timedelta(seconds=45)}.get(status, at + LIFE)
        if status == "verified" and user:
            self.verified[user, phone, purpose] = text(ended_at), pk
        uuid = UUID(int=random.getrandbits(128), version=4)
        dispatch = "celery" if status == "queued" else "inline"
        livemode = int(pk % ONE_IN != 11) if was_placed else None
        return (
            *(pk, str(uuid) if self.has_uuids else uuid.hex, line + 1, phone[-4:], region, phone[:8], user, purpose),
            status,
            dispatch,
            *(str(uuid)[::-1] if was_placed else None, livemode),
            *("en", 6, "telroi", wrong + (status == "verified"), 3, text(at), None if status == "queued" else text(at)),
            *(text(at + timedelta(seconds=1.2)) if was_placed else None, text(at + LIFE)),
            *(text(ended_at) if status == "verified" else None, None if is_open else text(ended_at)),
            *(text(due_at) if is_open else None, int(user is not None), 0, wrong, "{}", "", None),
            *(error, "Telroi's words" if error else "", f"203.0.{line // 250 % 250}.{line % 250}"),
        )

    def _reject(self, pk: int, times: int, *, at: datetime) -> None:
        self.events.extend((pk, None, "code_rejected", text(at), "", "", None) for _ in range(times))

    def numbers(self) -> Iterator[Row]:
        """Yield the rows of numbers. Call it after the attempts: a number stores its last call."""
        for pk, (number, region, _user) in enumerate(self.people, 1):
            at = self.last_call.get(number)
            calls = [at.isoformat()] if at and self.now - at < timedelta(days=1) else []
            next_call = text(at + timedelta(seconds=60)) if at else None
            held = text(self.now + timedelta(minutes=30)) if pk % 2000 == 5 else None
            blocked = text(self.now - timedelta(days=3)) if pk % 1000 == 9 else None
            limited_by = "held" if held else "cooldown" if at else ""
            if blocked:
                self.events.append((None, pk, "number_blocked", blocked, "operator", "ring-bombing", None))
            yield (
                *(pk, number, number[-4:], region, json.dumps(calls), text(at) if at else None, held or next_call),
                *(limited_by, held, "asked to wait" if held else "", blocked, "operator" if blocked else ""),
                *("ring-bombing" if blocked else "", text(self.now - timedelta(days=DAYS)), 1),
            )

    def other_events(self) -> Iterator[Row]:
        yield from self.events
        for day in range(DAYS):
            yield None, None, "alert", text(self.now - timedelta(days=day, minutes=7)), "", "key_limited", f"{day:064d}"

    def verified_phones(self) -> Iterator[Row]:
        for (user, number, purpose), (at, attempt) in self.verified.items():
            yield user, number, purpose, at, attempt

    def tallies(self) -> Iterator[Row]:
        hour = self.now.replace(minute=0, second=0, microsecond=0)
        for age in range(DAYS * 24):
            for code in REFUSALS:
                for region in REGIONS:
                    yield text(hour - timedelta(hours=age)), code, region, self.random.randrange(1, 9)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def seed(using: str, size: Size, *, now: datetime) -> None:
    """Fill empty tables, without checks of foreign keys."""
    from django.contrib.auth.models import User

    from django_telroi.models import AttemptEvent, PhoneNumber, RefusalTally, VerificationAttempt, VerifiedPhone

    month = Month(size, now=now, has_uuids=connections[using].features.has_native_uuid_field)
    users = [User(pk=pk, username=f"user{pk}", password="!") for pk in range(1, size.users + 1)]
    User.objects.using(using).bulk_create(users)
    with unchecked(using):
        write(VerificationAttempt, ATTEMPT, month.attempts(), using=using)
        write(PhoneNumber, NUMBER, month.numbers(), using=using)
        write(AttemptEvent, EVENT, month.other_events(), using=using)
        write(VerifiedPhone, VERIFIED, month.verified_phones(), using=using)
        write(RefusalTally, TALLY, month.tallies(), using=using)
    settle(using, (User, PhoneNumber, VerificationAttempt, AttemptEvent))


@contextmanager
def unchecked(using: str) -> Iterator[None]:
    """Allow rows in any order: PostgreSQL checks foreign keys at the commit, the others do not check them."""
    connection = connections[using]
    with connection.constraint_checks_disabled(), transaction.atomic(using=using):
        yield


def write(model: type[Model], columns: list[str], rows: Iterable[Row], *, using: str) -> None:
    """Insert rows with these columns. Each other column gets the default of its field."""
    connection = connections[using]
    quote = connection.ops.quote_name
    others = [
        field
        for field in model._meta.concrete_fields
        if field.column not in columns and not field.null and not field.primary_key
    ]
    defaults = tuple(field.get_db_prep_save(field.get_default(), connection) for field in others)
    columns = [*columns, *(str(field.column) for field in others)]
    rows = (row + defaults for row in rows)
    table, names = quote(model._meta.db_table), ", ".join(map(quote, columns))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            copy_in(cursor, f"COPY {table} ({names}) FROM STDIN", rows)
            return
        marks = ", ".join(["%s"] * len(columns))
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH)):
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", batch)


def copy_in(cursor: Any, statement: str, rows: Iterable[Row]) -> None:
    with cursor.copy(statement) as copy:
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH)):
            lines = ("\t".join("\\N" if value is None else str(value) for value in row) for row in batch)
            copy.write("\n".join(lines) + "\n")


def settle(using: str, models: Iterable[type[Model]]) -> None:
    """Set the id sequences after the last id, and update the planner's statistics."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
