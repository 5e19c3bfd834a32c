"""Measure the start of a verification, compared with the one HTTP request that it needs.

In turns, against one simulator: a bare POST of a keep-alive ``requests.Session``, and on each database
``services.start_verification`` for a number that was called before and for one never seen. The exit status is 1 if a
bound is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice

from stage import ROUTER, TITLES, Telroi, bare_session, options, site, telroi
from timing import Timed, print_table, take_turns

KNOWN_NUMBERS = 100
BOUNDS = {
    ("wal", "known"): 3.0,
    ("wal", "new"): 3.0,
    ("sqlite", "known"): 4.5,
    ("sqlite", "new"): 5.0,
    ("postgres", "known"): 4.5,
    ("postgres", "new"): 5.0,
}


def bare_post(simulator: Telroi) -> Callable[[str], object]:
    session = bare_session(simulator)

    def post(number: str) -> None:
        body = {"to": number, "code_length": 6, "language": "en-us"}
        session.post(f"{simulator.base_url}/v1/otp", json=body, timeout=30).raise_for_status()

    return post


def start_on(database: str) -> Callable[[str], object]:
    from django_telroi.domain.states import Status
    from django_telroi.services import start_verification

    def start(number: str) -> None:
        ROUTER.current = database
        attempt = start_verification(number)
        assert attempt.status == Status.PLACED, attempt.error_code

    return start


def contestants(databases: list[str], simulator: Telroi) -> Iterator[Timed[str]]:
    """Return what is timed. Known numbers are called in turns, so that none has an unrealistic number of calls."""
    never_seen = (f"+234803{line:07d}" for line in range(10**7))
    yield Timed("bare POST", never_seen.__next__, bare_post(simulator))
    for name in databases:
        known = cycle(list(islice(never_seen, KNOWN_NUMBERS)))
        for kind, numbers in (("known", known), ("new", never_seen)):
            title = f"{TITLES[name]}, {kind} number"
            yield Timed(title, numbers.__next__, start_on(name), BOUNDS.get((name, kind)))


def main() -> int:
    databases, rounds = options(__doc__)
    with telroi() as simulator, site(databases, simulator):
        timed = list(contestants(databases, simulator))
        take_turns(timed, warm_up=KNOWN_NUMBERS, rounds=rounds)
    return 0 if print_table(timed) else 1


if __name__ == "__main__":
    sys.exit(main())
