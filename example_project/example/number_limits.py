"""The numbers' limits: most have none, some must wait, a few are on hold or blocked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from django_telroi import conf
from django_telroi.domain.number_limits import current_limit, with_call
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from example.history import LIFE, Ledger, attempt
from example.people import Person

# Minutes since the failed calls of a person: just now, hourly limit, hourly limit, daily limit.
BUSY: tuple[tuple[float, ...], ...] = (
    (0.3,),
    (52, 44, 31, 17, 6),
    (38, 33, 27, 21, 12),
    (*range(1180, 90, -60), 48),
)
# Minutes since Telroi put a number on hold for an hour.
HELD = (33, 11)
BLOCKED_BECAUSE = ("ring-bombing", "asked not to be called", "a fax machine")
HOLD = timedelta(hours=1)


def add_limited_people(ledger: Ledger, rng: Random, people: Sequence[Person], *, now: datetime) -> None:
    """Add a person for each of ``BUSY`` and ``HELD``, so that the admin shows every kind of limit."""
    remaining = iter(people)
    for minutes in BUSY:
        person = next(remaining)
        for at in (now - timedelta(minutes=ago) for ago in minutes):
            outcome = "placed" if at + LIFE > now else "expired"
            ledger.add(person, *attempt(rng, person, outcome, at=at, again=now))
    for ago in HELD:
        person = next(remaining)
        ledger.add(person, *attempt(rng, person, "rate_limited", at=now - timedelta(minutes=ago), again=now))


def phone_numbers(ledger: Ledger) -> list[PhoneNumber]:
    """Return a row for each number that was called, with the limits that follow from its calls."""
    attempts: dict[str, list[VerificationAttempt]] = defaultdict(list)
    for row in ledger.attempts:
        attempts[row.number].append(row)
    return [_phone_number(ledger.people[number], rows) for number, rows in attempts.items()]


def block_some(phones: list[PhoneNumber], rng: Random, *, by: str, now: datetime) -> None:
    """Block one random number for each reason."""
    for phone, reason in zip(rng.sample(phones, len(BLOCKED_BECAUSE)), BLOCKED_BECAUSE, strict=True):
        phone.blocked_at = now - timedelta(hours=rng.uniform(5, 200))
        phone.blocked_by, phone.blocked_reason = by, reason


def _phone_number(person: Person, rows: list[VerificationAttempt]) -> PhoneNumber:
    phone = person.phone
    phone.created_at, phone.last_call_at, phone.version = rows[0].created_at, rows[-1].created_at, len(rows)
    moments: tuple[datetime, ...] = ()
    for row in rows:
        # A failed call does not count, as in the services.
        if row.status != Status.FAILED:
            moments = with_call(moments, row.created_at)
        if row.error_code == "rate_limited":
            phone.held_until, phone.held_reason = row.created_at + HOLD, row.error_detail
    phone.moments = moments
    # The admin's list shows these two fields.
    limit = current_limit(conf.policy(), phone.moments, held_until=phone.held_until)
    if limit:
        phone.next_call_at, phone.limited_by = limit.until, limit.rule
    return phone
