"""Upgrade a full database under load: ``python tests/upgrades/walk.py --rows 200000``.

The processes of the release before start calls and check codes while ``migrate`` of this tree runs, and after it beside
processes of this tree. Prints for each database how much longer a service took meanwhile: the longest lock. The
exit status is 1 if a service failed or took a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

from tests.upgrades.releases import ROOT, add_migrations, copy_tree, release_before, unpack_before

DATABASES = ("sqlite", "postgres", "mariadb")
LONGEST_LOCK = 1.0
"""Seconds. No migration may make a call or a check wait that long."""
WALKS = 3
"""A busy machine makes a service slower, never faster. The shortest of several walks is the migration's own lock."""
SERVICES_BEFORE, SERVICES_AFTER = 20, 20
HANGS = 600
"""Seconds. A guard against hanging only."""


@dataclass(frozen=True)
class Walked:
    """The results of a walk. ``longest``: seconds of the longest lock, see ``longest_lock``."""

    database: str
    before: str
    rows: int
    services: int
    took: float
    longest: float

    def __str__(self) -> str:
        return (
            f"{self.database:9} {self.rows:>9,} attempts of {self.before} upgraded in {self.took:.1f} s, under load of "
            f"{self.services} services; longest lock {self.longest * 1000:.0f} ms"
        )


def walk_quickly(database: str, *, rows: int, held: float = 0) -> Walked:
    """Walk until the longest lock is short enough, at most ``WALKS`` times. Returns the walk with the shortest one."""
    walks = []
    for _ in range(WALKS):
        walks.append(walk(database, rows=rows, held=held))
        if walks[-1].longest < LONGEST_LOCK:
            break
    return min(walks, key=lambda walked: walked.longest)


def walk(database: str, *, rows: int, held: float = 0) -> Walked:
    """Upgrade a database of the release before. Raises AssertionError if a process failed or a right code was refused.

    Before the first release, the one before is this tree, and the next one has migrations that are made here.
    """
    tag = release_before()
    with tempfile.TemporaryDirectory(prefix="django-telroi-walk-") as name, ExitStack() as ends:
        folder = Path(name)
        environ = ends.enter_context(empty_database(database, folder))
        old, new = unpack_before(folder / "old"), copy_tree(folder / "new")
        if tag is None:
            add_migrations(new, database, held=held)
        run(old, environ, "django", "migrate", "-v0")
        run(old, environ, "tests.upgrades.steps", "seed", str(rows))
        with working(old, environ, folder / "work of the old", (0, 1)) as told:
            wait_for_services(told, SERVICES_BEFORE)
            started = time.monotonic()
            run(new, environ, "django", "migrate", "-v0")
            ended = time.monotonic()
            with working(new, environ, folder / "work of the new", (2, 3)) as told_by_new:
                wait_for_services(told_by_new, SERVICES_AFTER)
                wait_for_services(told, len(read(told)) + SERVICES_AFTER)
        run(new, environ, "django", "migrate", "--check", "-v0")
        done = [*read(told), *read(told_by_new)]
    assert {(one["outcome"], one["status"]) for one in done} == {("verified", "placed")}
    return Walked(
        database,
        tag or "this tree",
        rows,
        len(done),
        ended - started,
        longest_lock([one["moments"] for one in done], started, ended),
    )


def longest_lock(moments: list[list[float]], started: float, ended: float) -> float:
    """Return how much longer the slowest service between ``started`` and ``ended`` took than the slowest of the others.

    The others have the same load and the same machine but no migration. What makes them slow is no lock.
    """
    during, beside = [0.0], [0.0]
    for each in moments:
        for begin, end in pairwise(each):
            (during if begin < ended and end > started else beside).append(end - begin)
    return max(0.0, max(during) - max(beside))


@contextmanager
def empty_database(database: str, folder: Path) -> Iterator[dict[str, str]]:
    """Create a database, and drop it at the end. Yields the environment of the processes that use it."""
    server_name = f"{os.environ.get('TELROI_TEST_DB_NAME', 'django_telroi')}_walk"
    name = str(folder / "db.sqlite3") if database == "sqlite" else server_name
    environ = {
        **{key: value for key, value in os.environ.items() if key not in {"PYTHONSAFEPATH", "PYTHONDEVMODE"}},
        "DJANGO_SETTINGS_MODULE": "tests.upgrades.site_settings",
        "TELROI_TEST_DB": database,
        "TELROI_WALK_DB": name,
    }
    statement = {"sqlite": lambda _: None, "postgres": on_postgres, "mariadb": on_mariadb}[database]
    statement(f"DROP DATABASE IF EXISTS {name}")
    statement(f"CREATE DATABASE {name}")
    try:
        yield environ
    finally:
        statement(f"DROP DATABASE IF EXISTS {name}")


def on_postgres(statement: str) -> None:
    import psycopg

    with psycopg.connect(**server(), dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)


def on_mariadb(statement: str) -> None:
    import MySQLdb

    connection = MySQLdb.connect(**server())
    connection.cursor().execute(statement)
    connection.close()


def server() -> dict[str, str]:
    return {
        "host": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "user": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "password": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
    }


def run(package: Path, environ: Mapping[str, str], module: str, *arguments: str) -> None:
    """Run a module with this package. Raises AssertionError with its output if it fails."""
    with started_with(package, environ, module, *arguments) as process:
        output, _ = process.communicate(timeout=HANGS)
    assert process.returncode == 0, output


@contextmanager
def working(package: Path, environ: Mapping[str, str], told: Path, workers: Iterable[int]) -> Iterator[Path]:
    """Run these workers with this package. They write into the folder ``told``, and are stopped at the end."""
    told.mkdir()
    with ExitStack() as ends:
        processes = [
            ends.enter_context(started_with(package, environ, "tests.upgrades.steps", "work", str(told), str(worker)))
            for worker in workers
        ]
        try:
            yield told
        finally:
            (told / "stop").touch()
            outputs = [process.communicate(timeout=HANGS)[0] for process in processes]
    assert not any(process.returncode for process in processes), "\n".join(outputs)


def started_with(package: Path, environ: Mapping[str, str], module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a module. The repository is the second entry of its path: ``tests`` is imported from it."""
    path = os.pathsep.join([str(package), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=package,
        env={**environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_services(told: Path, count: int) -> None:
    """Wait until the processes that write into ``told`` have started that many calls, each with its check."""
    ends = time.monotonic() + HANGS
    while len(read(told)) < count:
        assert time.monotonic() < ends, f"{len(read(told))} of {count} services in {HANGS} s"
        time.sleep(0.02)


def read(told: Path) -> list[dict[str, Any]]:
    """Return what the processes wrote. Their last line may be incomplete."""
    lines = [line for path in told.glob("*.jsonl") for line in path.read_text().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith("\n")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="attempts of the database (default: %(default)s)")
    parser.add_argument("--database", choices=DATABASES, action="append", help="(default: all)")
    chosen = parser.parse_args()
    walks = [walk_quickly(database, rows=chosen.rows) for database in chosen.database or DATABASES]
    sys.stdout.write("\n".join([*map(str, walks), ""]))
    return 1 if any(walked.longest >= LONGEST_LOCK for walked in walks) else 0


if __name__ == "__main__":
    sys.exit(main())
