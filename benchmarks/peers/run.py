"""Compare django-telroi with its peers over HTTP: a start and a check of a code, with all of them in turns.

Each contestant has its own environment, process and tables, is set up as its documentation says, and calls the same
provider: a simulator. All times are ratios to one plain POST to that provider in the same round. Read "Peers" in
benchmarks/README.md first. The exit status is 1 if a goal falls short and --strict is given.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from contestants import BARE, BY_NAME, CONTESTANTS, Contestant
from environments import install
from goals import TITLES, goals
from measuring import Rounds, take_turns
from printing import print_rounds, print_served, print_versions
from processes import Stage, simulator, workers
from serving import COLUMNS, Served, serve

ROWS = "0,10000,1000000"
WARM_UP = 5


def main() -> int:
    chosen = options()
    contestants = [each for each in CONTESTANTS if each.name in chosen.only]
    pythons = install([BARE, BY_NAME["rest-site"], *contestants], upgrade=chosen.upgrade)
    measured: dict[str, Rounds] = {}
    served: dict[str, Served] = {}
    with (
        tempfile.TemporaryDirectory(prefix="django-telroi-peers-") as folder,
        simulator(pythons["rest-site"]) as provider,
    ):
        stage = Stage(provider, pythons, Path(folder))
        for database in chosen.databases:
            measured[database] = in_process(contestants, database, stage, chosen)
        if "postgres" in chosen.databases and chosen.slices:
            served = behind_gunicorn(contestants, stage, chosen)
    reached = list(goals(measured, served))
    print("\nGoals, by round" if reached else "\nNo goal can be judged from these contestants.")
    for goal in reached:
        print(f"  {goal}")
    return int(chosen.strict and not all(goal.holds for goal in reached))


def in_process(contestants: list[Contestant], database: str, stage: Stage, chosen: argparse.Namespace) -> Rounds:
    """Time starts and checks in the processes of the contestants, one request at a time."""
    stage.provider.answer_after(0)
    print(f"{TITLES[database]} ...", file=sys.stderr, flush=True)
    with workers([BARE, *contestants], chosen.rows, database, stage) as started:
        if database == chosen.databases[0]:
            print_versions({each.contestant.name: each.tell("versions") for each in started})
        rounds = take_turns(started, warm_up=WARM_UP, rounds=chosen.rounds)
    print_rounds(database, rounds, contestants)
    return rounds


def behind_gunicorn(contestants: list[Contestant], stage: Stage, chosen: argparse.Namespace) -> dict[str, Served]:
    """Count starts per second through gunicorn on PostgreSQL, with 10,000 rows if they are among the chosen ones."""
    competing = [each for each in contestants if each.is_served]
    rows = min(chosen.rows, key=lambda count: abs(count - 10_000))
    with workers(competing, [rows], "postgres", stage) as started:
        sizes = {"slices": chosen.slices, "requests": chosen.requests}
        served = {column.title: serve(started, column, stage.provider, **sizes) for column in COLUMNS}
    print_served(served, COLUMNS, competing)
    return served


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=ROWS, help="seeded rows, at most 1,000,000 each (default: %(default)s)")
    parser.add_argument("--databases", default="wal,postgres", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=100, help="of each start and check (default: %(default)s)")
    parser.add_argument("--slices", type=int, default=7, help="of each gunicorn; 0 runs none (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=300, help="in a slice (default: %(default)s)")
    names = ",".join(each.name for each in CONTESTANTS)
    parser.add_argument("--only", default=names, help="(default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="0 and 10,000 rows, 20 rounds, 3 slices: some minutes")
    parser.add_argument("--upgrade", action="store_true", help="install the newest releases of the peers again")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a goal falls short")
    chosen = parser.parse_args()
    if chosen.short:
        chosen.rows, chosen.rounds, chosen.slices, chosen.requests = "0,10000", 20, 3, 150
    chosen.rows = sorted({int(count) for count in chosen.rows.split(",")})
    chosen.databases, chosen.only = chosen.databases.split(","), chosen.only.split(",")
    for given, known in ((chosen.databases, TITLES), (chosen.only, BY_NAME)):
        if unknown := set(given) - known.keys():
            parser.error(f"unknown: {', '.join(sorted(unknown))}. Known: {', '.join(known)}")
    if chosen.rounds < 2 or not 0 <= chosen.rows[0] <= chosen.rows[-1] <= 10**6:
        parser.error("--rounds must be 2 or more, and --rows from 0 to 1000000.")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
