"""Two attacks: one a week ago, which staff ended, and one in the last half hour, which staff have not seen yet.

Both are toll fraud. A few addresses request calls to many numbers of one rented range, and no person types the codes.
The ranges are reserved for fiction. See "Who causes the calls" in the admin's overview.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django_telroi import services
from django_telroi.domain.phone import prefix_of
from django_telroi.models import PhoneNumber, RefusalTally
from example.history import LIFE, Ledger, attempt
from example.people import Person

ADDRESSES = ("203.0.113.77", "203.0.113.78", "198.51.100.201")
REASON = "toll fraud: many calls, no code typed"
BLOCK = timedelta(days=1)


@dataclass(frozen=True)
class Attack:
    """``pattern``: its numbers, each # is a digit. ``ago``: how long before now it ended.

    ``refused``: requests that were rejected after staff had blocked the prefix, 0 if they have not.
    """

    pattern: str
    region: str
    calls: int
    lasted: timedelta
    ago: timedelta
    refused: int = 0


ATTACKS = (
    Attack("+3353649####", "FR", 140, timedelta(minutes=35), timedelta(days=7, hours=3), refused=61),
    Attack("+441164960###", "GB", 46, timedelta(minutes=22), LIFE),
)


def add_attacks(ledger: Ledger, rng: Random, *, now: datetime) -> None:
    """Add the calls of the attacks. Each number is called once, so no limit of a number ends them."""
    for attack in ATTACKS:
        for person in _victims(rng, attack):
            at = now - attack.ago - attack.lasted * rng.random()
            ledger.add(person, *attempt(rng, person, "expired", at=at, again=now))


def refused_calls(*, now: datetime) -> list[RefusalTally]:
    """Return the requests that were rejected because staff had blocked the prefix."""
    return [
        RefusalTally(
            hour=(now - attack.ago).replace(minute=0, second=0, microsecond=0),
            code="destination_paused",
            region=attack.region,
            count=attack.refused,
        )
        for attack in ATTACKS
        if attack.refused
    ]


def answer_attacks(*, by: str, now: datetime) -> None:
    """Block the prefix of each attack that staff have seen, at its end, and let the site find the others itself."""
    logging.disable(logging.ERROR)  # the terminal of `make demo` shows URLs, and the admin shows what happened
    try:
        for attack in ATTACKS:
            if attack.refused:
                prefix, ended = prefix_of(attack.pattern), now - attack.ago
                services.block_destination(prefix, reason=REASON, actor=by, length=BLOCK, now=ended)
        services.sweep()
    finally:
        logging.disable(logging.NOTSET)


def _victims(rng: Random, attack: Attack) -> Iterator[Person]:
    start, digits = attack.pattern.rstrip("#"), attack.pattern.count("#")
    for line in rng.sample(range(10**digits), attack.calls):
        number = f"{start}{line:0{digits}d}"
        phone = PhoneNumber(number=number, last4=number[-4:], region=attack.region)
        yield Person(number, attack.region, phone, rng.choice(ADDRESSES), None)
