"""Measure a code check, compared with the one HTTP request that it needs.

In turns, against one simulator: a bare POST of a keep-alive ``requests.Session``, and on each database
``services.check_code`` for a right code with and without an account, and for a wrong one. Each code belongs to
a new call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from stage import ROUTER, TITLES, Telroi, bare_session, options, site, telroi
from timing import Timed, print_table, take_turns

CODE = "246810"
WRONG_CODE = "135791"


def calls(simulator: Telroi) -> Iterator[str]:
    """Yield new numbers. The next call to each reads out ``CODE``."""
    for line in range(10**7):
        number = f"+234803{line:07d}"
        simulator.switch("next_otp", code=CODE, to=number)
        yield number


def bare_check(simulator: Telroi, numbers: Iterator[str]) -> Timed[Any]:
    session = bare_session(simulator)

    def place() -> str:
        placed = session.post(f"{simulator.base_url}/v1/otp", json={"to": next(numbers)}, timeout=30)
        call_id: str = placed.json()["id"]
        return call_id

    def check(call_id: str) -> None:
        body = {"id": call_id, "code": CODE}
        session.post(f"{simulator.base_url}/v1/otp/verify", json=body, timeout=30).raise_for_status()

    return Timed("bare POST", place, check)


def check_on(database: str, kind: str, numbers: Iterator[str]) -> Timed[Any]:
    from django.contrib.auth.models import User

    from django_telroi.services import CheckOutcome, check_code, start_verification

    ROUTER.current = database
    user = User.objects.create_user(kind) if kind == "right code, account" else None
    code, wanted = (WRONG_CODE, CheckOutcome.WRONG_CODE) if kind == "wrong code" else (CODE, CheckOutcome.VERIFIED)

    def place() -> Any:
        ROUTER.current = database
        return start_verification(next(numbers), user=user).uuid

    def check(attempt_uuid: Any) -> None:
        ROUTER.current = database
        outcome = check_code(attempt_uuid, code, user=user).outcome
        assert outcome == wanted, outcome

    return Timed(f"{TITLES[database]}, {kind}", place, check)


def contestants(databases: list[str], simulator: Telroi) -> Iterator[Timed[Any]]:
    numbers = calls(simulator)
    yield bare_check(simulator, numbers)
    for name in databases:
        for kind in ("right code", "right code, account", "wrong code"):
            yield check_on(name, kind, numbers)


def main() -> int:
    databases, rounds = options(__doc__)
    with telroi() as simulator, site(databases, simulator):
        timed = list(contestants(databases, simulator))
        take_turns(timed, warm_up=20, rounds=rounds)
    return 0 if print_table(timed) else 1


if __name__ == "__main__":
    sys.exit(main())
