"""A month of invented calls. Every row is consistent with the state machine and the limits.

The rows are made in memory and not saved here. The same seed and moment give the same rows, newest last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from django_telroi.domain.phone import prefix_of
from django_telroi.domain.states import Dispatch, Status
from django_telroi.models import AttemptEvent, EventKind, RefusalTally, VerificationAttempt, VerifiedPhone
from example.people import Person

DAYS = 30
LIFE = timedelta(minutes=5)
REST = timedelta(hours=6)
MAX_TRIES = 3

# Calls in each hour of a day: few at night, most in the evening.
RHYTHM = (4, 2, 1, 1, 1, 2, 5, 9, 13, 15, 16, 16, 15, 14, 14, 15, 17, 20, 23, 24, 22, 17, 11, 7)

# Outcomes of 1,000 calls.
OUTCOMES = {
    "verified": 790,
    "expired": 95,
    "superseded": 70,
    "locked": 14,
    "canceled": 13,
    "unreachable": 5,
    "call_failed": 7,
    "insufficient_funds": 2,
    "rate_limited": 4,
}

ERROR_DETAILS = {
    "call_failed": "Gateway returned 500",
    "insufficient_funds": "insufficient_funds",
    "rate_limited": "Too many requests for this number. Retry after 3600s.",
}

REFUSALS = {"cooldown": 46, "hourly_limit": 9, "invalid_number": 34, "not_callable": 8, "unavailable": 3}


@dataclass
class Ledger:
    """Rows that are not saved yet."""

    attempts: list[VerificationAttempt] = field(default_factory=list)
    events: list[AttemptEvent] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)

    def add(self, person: Person, attempt: VerificationAttempt, events: list[AttemptEvent]) -> None:
        self.people[person.number] = person
        self.attempts.append(attempt)
        self.events.extend(events)

    def sort(self) -> None:
        """Sort the rows by time, oldest first, as a real site would have written them."""
        self.attempts.sort(key=lambda row: row.created_at)
        self.events.sort(key=lambda event: event.at)


def make_history(rng: Random, people: list[Person], *, regulars: int, calls: int, now: datetime) -> Ledger:
    """Return ``calls`` attempts or a few more. The first ``regulars`` of the people call often."""
    ledger = Ledger()
    last_call: dict[str, datetime] = {}
    for at in moments_of_calls(rng, calls, now=now):
        if len(ledger.attempts) >= calls:
            break
        person = rng.choice(people[:regulars] if rng.random() < 0.35 else people)
        # Six hours between two verifications keep every number within its limits, so the rows could be real.
        if at - last_call.get(person.number, at - REST) >= REST:
            last_call[person.number] = call_person(ledger, rng, person, at=at, now=now)
    return ledger


def moments_of_calls(rng: Random, count: int, *, now: datetime) -> list[datetime]:
    """Return ``count`` moments of the month, oldest first. They follow ``RHYTHM`` and grow a little towards today."""
    hours = [now - timedelta(hours=hour) for hour in range(DAYS * 24)]
    weights = [RHYTHM[hour.hour] * (DAYS * 48 - age) for age, hour in enumerate(hours)]
    return sorted(hour - timedelta(seconds=rng.uniform(300, 3600)) for hour in rng.choices(hours, weights, k=count))


def call_person(ledger: Ledger, rng: Random, person: Person, *, at: datetime, now: datetime) -> datetime:
    """Add the calls of one verification. Returns the moment of the last call."""
    while True:
        is_fresh = at + LIFE > now  # too new to have failed
        outcome = "verified" if is_fresh else rng.choices(list(OUTCOMES), list(OUTCOMES.values()))[0]
        again = at + timedelta(seconds=rng.randrange(65, 170))
        ledger.add(person, *attempt(rng, person, outcome, at=at, again=again))
        if outcome != "superseded":
            return at
        at = again


def attempt(
    rng: Random, person: Person, outcome: str, *, at: datetime, again: datetime
) -> tuple[VerificationAttempt, list[AttemptEvent]]:
    """Return an attempt with ``outcome`` and its events. ``again``: the moment when another attempt superseded it."""
    row = VerificationAttempt(
        uuid=UUID(int=rng.getrandbits(128), version=4),
        phone=person.phone,
        last4=person.phone.last4,
        prefix=prefix_of(person.number),
        region=person.region,
        user=person.user,
        dispatch=Dispatch.INLINE,
        language="en",
        max_tries=MAX_TRIES,
        requester_ip=person.address,
        created_at=at,
        dialed_at=at,
        expires_at=at + LIFE,
    )
    if outcome in {"unreachable", "insufficient_funds", "rate_limited"}:
        _fail(row, outcome, seconds=rng.uniform(0.2, 5))
        return row, []
    _place(rng, row, outcome)
    if outcome == "placed":
        row.status, row.due_at = Status.PLACED, row.expires_at
        return row, []
    return row, list(_close(rng, row, outcome, again=again))


def _fail(row: VerificationAttempt, outcome: str, *, seconds: float) -> None:
    row.status, row.error_code = Status.FAILED, outcome
    row.error_detail = ERROR_DETAILS.get(outcome, "")
    row.closed_at = row.created_at + timedelta(seconds=seconds)


def _place(rng: Random, row: VerificationAttempt, outcome: str) -> None:
    """Record that Telroi accepted the call, or that the outcome is unknown."""
    if outcome == "call_failed":
        row.error_code, row.error_detail = outcome, ERROR_DETAILS[outcome]
        return
    row.telroi_id = str(UUID(int=rng.getrandbits(128), version=4))
    row.livemode = True
    row.placed_at = row.created_at + timedelta(seconds=rng.uniform(0.4, 3))


def _close(rng: Random, row: VerificationAttempt, outcome: str, *, again: datetime) -> Iterator[AttemptEvent]:
    row.status = Status.EXPIRED if outcome == "call_failed" else Status(outcome)
    wrong = {"locked": MAX_TRIES, "verified": rng.choices((0, 1, 2), (88, 10, 2))[0]}.get(outcome, 0)
    row.tries = wrong + (outcome == "verified")
    typed_at = row.created_at + timedelta(seconds=rng.uniform(18, 45))
    # The wrong code that locks a call has no event: it is the end of the attempt.
    for _ in range(wrong - (outcome == "locked")):
        yield AttemptEvent(attempt=row, kind=EventKind.CODE_REJECTED, at=typed_at)
        typed_at += timedelta(seconds=rng.uniform(6, 20))
    ends = {"expired": row.expires_at, "call_failed": row.expires_at, "superseded": again}
    row.closed_at = ends.get(outcome, typed_at)
    if outcome == "verified":
        row.verified_at = row.closed_at


def verified_phones(attempts: list[VerificationAttempt]) -> list[VerifiedPhone]:
    """Return a record for the newest verification of each user and number."""
    newest = {(row.user_id, row.number): row for row in attempts if row.user_id and row.verified_at}
    return [
        VerifiedPhone(user_id=user_id, number=number, verified_at=row.verified_at, attempt=row)
        for (user_id, number), row in newest.items()
    ]


def refusals(rng: Random, attempts: list[VerificationAttempt]) -> list[RefusalTally]:
    """Return about one rejection for every eight calls, in the hour and region of a call."""
    tally: Counter[tuple[datetime, str, str]] = Counter()
    for row in rng.sample(attempts, len(attempts) // 8):
        code = rng.choices(list(REFUSALS), list(REFUSALS.values()))[0]
        hour = row.created_at.replace(minute=0, second=0, microsecond=0)
        tally[hour, code, "" if code == "invalid_number" else row.region] += 1
    return [RefusalTally(hour=hour, code=code, region=region, count=n) for (hour, code, region), n in tally.items()]
