"""Set up a benchmark: a simulator in a separate process, and a site with several databases in this process."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django
import requests
from django.conf import settings
from django.db import OperationalError, connections

TITLES = {
    "wal": "SQLite, WAL, synchronous=NORMAL",
    "sqlite": "SQLite, stock",
    "postgres": "PostgreSQL",
    "mariadb": "MariaDB",
}


def options(about: str | None) -> tuple[list[str], int]:
    """Parse the options. Returns the databases and the number of rounds."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--databases", default="wal,sqlite,postgres", help=f"some of {','.join(TITLES)} (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=300, help="how often each is timed (default: %(default)s)")
    chosen = parser.parse_args()
    databases = chosen.databases.split(",")
    if unknown := set(databases) - TITLES.keys():
        parser.error(f"no such database: {', '.join(sorted(unknown))}")
    return databases, chosen.rounds


class Telroi:
    """A simulator in a separate process, because threads would share the interpreter lock."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in ("base url", "live key", "test key"))
        self.base_url, self.api_key = said["TELROI_BASE_URL"], said["TELROI_API_KEY"]

    def switch(self, name: str, **arguments: object) -> None:
        requests.post(f"{self.base_url}/_simulator/{name}", json=arguments, timeout=10).raise_for_status()


@contextmanager
def telroi() -> Iterator[Telroi]:
    """Run a simulator without limits per number."""
    command = [sys.executable, "-m", "django_telroi.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            simulator = Telroi(process)
            simulator.switch("set_policy", cooldown=0, per_hour=10**6, per_day=10**6, requests_per_minute=10**9)
            yield simulator
        finally:
            process.terminate()


def bare_session(simulator: Telroi) -> requests.Session:
    """Return a plain session of requests, for the comparison."""
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {simulator.api_key}", "Accept": "application/json"})
    return session


class OneDatabase:
    """A router that uses the database that is measured now."""

    current = "default"

    def db_for_read(self, *_: object, **__: object) -> str:
        return self.current

    db_for_write = db_for_read


ROUTER = OneDatabase()


@contextmanager
def site(databases: Sequence[str], simulator: Telroi) -> Iterator[None]:
    """Set Django up with these databases. They are dropped at the end."""
    with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder, ExitStack() as stack:
        settings.configure(
            SECRET_KEY="not a secret",
            USE_TZ=True,
            INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_telroi"],
            DATABASES={"default": {}} | {name: database(name, folder=Path(folder)) for name in databases},
            DATABASE_ROUTERS=[ROUTER],
            TELROI={
                "API_KEY": simulator.api_key,
                "BASE_URL": simulator.base_url,
                "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
                "KEY_REQUESTS_PER_MINUTE": 10**9,
                "RATES": None,  # all measured requests come from one address
                "COOLDOWN_SECONDS": 0,
                "CALLS_PER_HOUR": 1000,
                "CALLS_PER_DAY": 1000,
            },
        )
        django.setup()
        for name in databases:
            stack.enter_context(made(name))
        yield


@contextmanager
def made(name: str) -> Iterator[None]:
    """Create an empty database of that name, and drop it at the end of the block."""
    ROUTER.current = name
    connection = connections[name]
    lasting_name = connection.settings_dict["NAME"]
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    except OperationalError as error:
        sys.exit(f"{TITLES[name]} does not answer; name others with --databases. It said: {error}")
    try:
        yield
    finally:
        connection.creation.destroy_test_db(lasting_name, verbosity=0)


def database(name: str, *, folder: Path) -> dict[str, Any]:
    """Return Django's settings of the database of that name. SQLite's file is in ``folder``."""
    if name in ("wal", "sqlite"):
        file = str(folder / f"{name}.sqlite3")
        wal = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": file,
            "OPTIONS": wal if name == "wal" else {},
            "TEST": {"NAME": file},
        }
    return {
        "ENGINE": f"django.db.backends.{'postgresql' if name == 'postgres' else 'mysql'}",
        "NAME": os.environ.get("TELROI_TEST_DB_NAME", "django_telroi_bench"),
        "HOST": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "USER": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "PASSWORD": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
    }
