"""Measure whether the API's response time reveals that the site knows a number.

In turns, over the API: a start for a verified number and for a new one, and a refusal of a blocked number and of one
that is never called. The exit status is 1 if the two medians of a pair differ by more than 5 ms.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, repeat
from statistics import median

from django.conf import settings
from stage import ROUTER, TITLES, options, site, telroi
from timing import Timed, print_table, take_turns

FAR_APART_MS = 5.0
KNOWN_NUMBERS = 100
BLOCKED, PREMIUM = "+2348099999999", "+2347001234567"
ALIKE = (("unknown number", "known number"), ("premium number", "blocked number"))


def ask(database: str, *, status: int) -> Callable[[str], object]:
    from django.test import Client

    client = Client()

    def start(number: str) -> None:
        ROUTER.current = database
        reply = client.post("/verifications/", json.dumps({"number": number}), "application/json")
        assert reply.status_code == status, reply.content

    return start


def verified_numbers(database: str) -> list[str]:
    """Return verified numbers of accounts. Each was called once."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from django_telroi.models import VerifiedPhone
    from django_telroi.services import start_verification

    ROUTER.current = database
    numbers = [f"+234806{line:07d}" for line in range(KNOWN_NUMBERS)]
    for number in numbers:
        start_verification(number)
        user = User.objects.create(username=number)
        VerifiedPhone.objects.create(user=user, number=number, verified_at=timezone.now())
    return numbers


def contestants(database: str) -> Iterator[Timed[str]]:
    from django_telroi.services import block_number

    known = cycle(verified_numbers(database))
    unknown = (f"+234803{line:07d}" for line in range(10**7))
    block_number(BLOCKED, reason="a benchmark", actor="")
    yield Timed("unknown number", unknown.__next__, ask(database, status=201))
    yield Timed("known number", known.__next__, ask(database, status=201))
    yield Timed("premium number", repeat(PREMIUM).__next__, ask(database, status=400))
    yield Timed("blocked number", repeat(BLOCKED).__next__, ask(database, status=400))


def are_alike(timed: dict[str, Timed[str]]) -> bool:
    held = True
    for one, other in ALIKE:
        apart = abs(median(timed[one].took) - median(timed[other].took))
        held = held and apart <= FAR_APART_MS
        print(f"{one} and {other}: {apart:.2f} ms apart, bound {FAR_APART_MS:.0f} ms")
    return held


def main() -> int:
    databases, rounds = options(__doc__)
    held = []
    with telroi() as simulator, site(databases, simulator):
        settings.ROOT_URLCONF = "django_telroi.rest.urls"
        for name in databases:
            timed = list(contestants(name))
            take_turns(timed, warm_up=KNOWN_NUMBERS // 5, rounds=rounds)
            print(f"\n{TITLES[name]}")
            print_table(timed)
            held.append(are_alike({each.title: each for each in timed}))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
