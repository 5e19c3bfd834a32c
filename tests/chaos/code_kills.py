"""A thousand kills while the right code is judged: ``python tests/chaos/code_kills.py``.

A process of its own sends the code and is killed at one point of the judgement; then the same code is sent again.
Prints a table, and ends with 1 where a right code was lost or another code was verified.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

POINTS = {
    "before the try is reserved": ("typed_codes", "_reserve", False),
    "after the try is reserved": ("typed_codes", "_reserve", True),
    "before Telroi judges": ("checking", "ask", False),
    "after Telroi has judged": ("checking", "ask", True),
    "before the success is written": ("judging", "_write_verified", False),
    "within the transaction": ("judging", "move", True),
    "after the commit": ("judging", "_write_verified", True),
}
SENT_AGAIN = 3
"""How often a person sends the same code again, at most."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument("--database", default="postgres", help="postgres, mariadb or sqlite (default: %(default)s)")
    chosen = parser.parse_args()
    os.environ["TELROI_TEST_DB"] = chosen.database

    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    before, started = settings.DATABASES["default"]["NAME"], time.monotonic()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        outcomes = kill_at_every_point(-(-chosen.kills // len(POINTS)))
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    lines = [f"{point:32} {dict(counted)}" for point, counted in outcomes.items()]
    kills = sum(counted["killed"] for counted in outcomes.values())
    lines.append(f"{chosen.database}: {kills} kills in {time.monotonic() - started:.0f} s")
    sys.stdout.write("\n".join([*lines, ""]))
    bad = {"lost", "not killed", "another code verified"}
    return 1 if any(bad & counted.keys() for counted in outcomes.values()) else 0


def kill_at_every_point(kills_each: int) -> dict[str, Counter[str]]:
    from django.conf import settings

    from django_telroi.conf import TELROI_BACKEND
    from tests.races.racing import telroi_process

    with telroi_process() as telroi:
        telroi.throw("set_policy", requests_per_minute=10**6)
        settings.TELROI = {
            "BACKEND": TELROI_BACKEND,
            "BASE_URL": telroi.base_url,
            "API_KEY": telroi.api_key,
            "KEY_REQUESTS_PER_MINUTE": 10**6,
        }
        outcomes: dict[str, Counter[str]] = {point: Counter() for point in POINTS}
        for number, point in enumerate(list(POINTS) * kills_each):
            kill_once(f"+234803{number:07d}", point, telroi, outcomes[point])
    return outcomes


def kill_once(number: str, point: str, telroi: Any, counted: Counter[str]) -> None:
    from django.db import connections

    from django_telroi.services import check_code, start_verification

    attempt = start_verification(number)
    code = telroi.code_of(number)
    connections.close_all()
    child = os.fork()
    if child == 0:
        arm(point)
        check_code(attempt.uuid, code)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    counted["killed" if was_killed else "not killed"] += 1
    results = [check_code(attempt.uuid, code)]
    while results[-1].outcome != "verified" and len(results) < SENT_AGAIN:
        results.append(check_code(attempt.uuid, code))
    counted["verified" if results[-1].outcome == "verified" and results[-1].proof else "lost"] += 1
    other = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
    if check_code(attempt.uuid, other).outcome == "verified":
        counted["another code verified"] += 1


def arm(point: str) -> None:
    """Let this process be killed where it comes to the point."""
    from importlib import import_module

    module, name, is_after = POINTS[point]
    room = import_module(f"django_telroi.services.{module}")
    setattr(room, name, partial(dying, getattr(room, name), is_after))


def dying(act: Callable[..., Any], is_after: bool, *args: Any, **options: Any) -> Any:
    if is_after:
        act(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
