"""Kill 1,000 processes while they check the right code: ``python tests/chaos/code_kills.py``.

The process is killed at one point of the check. It is a worker of a web server with a browser or a JSON client, or a
process that calls the services. Then the same code is sent again, and a stranger sends another code. Prints a table.
The exit status is 1 if a right code was lost, another code was verified, or a response was a 500.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent.parent))

from tests.chaos.code_points import CODE_POINTS, FACES, SERVICES
from tests.chaos.command import database_of_its_own, options

SENT_AGAIN = 3
"""The maximum number of times that a person sends the same code again."""
COLUMNS = ("kills", "verified", "at once", "lost", "other code", "5xx", "no signal", "two signals")
NEVER = ("lost", "other code", "5xx", "two signals")
SERIALS = count()

Outcomes = dict[tuple[str, str], Counter[str]]


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--codes", default="site", choices=[*CODE_POINTS], help="(default: %(default)s)")
    parser.add_argument("--face", default="all", choices=[*FACES, "all", "web"], help="(default: %(default)s)")
    chosen = parser.parse_args()
    faces = {"all": FACES, "web": [face for face in FACES if face != SERVICES]}.get(chosen.face, [chosen.face])
    started = time.monotonic()
    with database_of_its_own(chosen.database), tempfile.TemporaryDirectory(prefix="django-telroi-chaos-") as folder:
        from django.db import connection

        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        kills_each = -(-chosen.kills // len(places(faces, chosen.codes)))
        outcomes = kill_at_every_point(Path(folder), faces, codes=chosen.codes, kills_each=kills_each)
    kills = sum(counted["kills"] for counted in outcomes.values())
    took = f"{chosen.database}, codes of {chosen.codes}: {kills} kills in {time.monotonic() - started:.0f} s"
    found = list(problems(outcomes))
    sys.stdout.write("\n".join([table(outcomes), "", took, *found, ""]))
    return 1 if found else 0


def places(faces: Sequence[str], codes: str) -> list[tuple[str, str]]:
    """Return each face with each of its points."""
    return [(face, name) for face in faces for name, point in CODE_POINTS[codes].items() if face in point.faces]


def kill_at_every_point(folder: Path, faces: Sequence[str], *, codes: str, kills_each: int) -> Outcomes:
    from django.test import override_settings

    from django_telroi.conf import TELROI_BACKEND
    from django_telroi.signals import phone_verified
    from tests.chaos.code_points import receiver
    from tests.chaos.code_server import web_server
    from tests.races.racing import telroi_process

    told = folder / "told"
    told.touch()
    write_down = receiver(told)
    outcomes: Outcomes = {place: Counter() for place in places(faces, codes)}
    with ExitStack() as ends:
        phone_verified.connect(write_down)
        ends.callback(phone_verified.disconnect, write_down)
        telroi = ends.enter_context(telroi_process())
        telroi.throw("set_policy", requests_per_minute=10**6)
        chosen = {
            "BACKEND": TELROI_BACKEND,
            "BASE_URL": telroi.base_url,
            "API_KEY": telroi.api_key,
            "KEY_REQUESTS_PER_MINUTE": 10**6,
            "CODES": codes,
            "RATES": {scope: {"ip": None, "user": None} for scope in ("start", "check")},
        }
        ends.enter_context(override_settings(TELROI=chosen))
        url = ends.enter_context(web_server(folder / "gunicorn", told=told))
        for turn in range(kills_each):
            for (face, point), counted in outcomes.items():
                counted.update(kill_once(url, telroi, told, face, codes, point, turn))
    return outcomes


def kill_once(url: str, telroi: Any, told: Path, face: str, codes: str, point: str, turn: int) -> Iterator[str]:
    """Kill one process and yield the results, as keys of ``COLUMNS``.

    In turns: the person is logged in; sends the same form again instead of loading the page; a stranger sends a code
    first after the kill.
    """
    from django.contrib.auth.models import User

    from tests.chaos.code_people import PEOPLE

    serial = next(SERIALS)
    number = f"+234803{serial:07d}"
    is_user = bool(turn & 1) and not CODE_POINTS[codes][point].is_anonymous
    user = User.objects.create_user(f"user-{serial}") if is_user else None
    person = PEOPLE[face](url, number, user, resends=bool(turn & 2))
    code = telroi.code_of(number)
    others = [f"{(int(code) + step) % 10 ** len(code):0{len(code)}}" for step in (1, 2)]
    if person.is_killed(code, point):
        yield "kills"
    if turn & 4 and person.another_succeeds(others[0]):
        yield "other code"
    results = [person.succeeds(code)]
    while not results[-1] and len(results) < SENT_AGAIN:
        results.append(person.succeeds(code))
    yield "verified" if results[-1] else "lost"
    if results[0]:
        yield "at once"
    if person.another_succeeds(others[1]):
        yield "other code"
    if any(status >= 500 for status in person.statuses):
        yield "5xx"
    signals = told.read_text().count(person.attempt)
    if signals != 1:
        yield "two signals" if signals else "no signal"


def problems(outcomes: Outcomes) -> Iterator[str]:
    """Return the violations."""
    for (face, point), counted in outcomes.items():
        if counted["kills"] != counted["verified"] + counted["lost"]:
            yield f"{face}, {point}: {counted['kills']} of {counted['verified'] + counted['lost']} were killed"
        for what in NEVER:
            if counted[what]:
                yield f"{face}, {point}: {what} {counted[what]} times"


def table(outcomes: Outcomes) -> str:
    def row(face: str, point: str, counted: Mapping[str, int]) -> str:
        return f"{face:<10}{point:<30}" + "".join(f"{counted[name]:>13}" for name in COLUMNS)

    lines = [f"{'face':<10}{'killed':<30}" + "".join(f"{name:>13}" for name in COLUMNS)]
    lines += [row(face, point, counted) for (face, point), counted in outcomes.items()]
    return "\n".join([*lines, row("in all", "", sum(outcomes.values(), Counter()))])


if __name__ == "__main__":
    sys.exit(main())
