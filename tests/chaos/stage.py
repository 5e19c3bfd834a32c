"""A site as processes: a simulator with a ledger on disk, a broker, workers that restart, and a sweeper."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

from django_telroi.conf import TELROI_BACKEND
from django_telroi.models import VerificationAttempt
from tests.chaos.points import TASKS
from tests.chaos.wire import Wire
from tests.races.racing import Telroi

ROOT = Path(__file__).parent.parent.parent
BROKERS = {
    "Redis": os.environ.get("TELROI_TEST_REDIS", "redis://127.0.0.1:6379/4"),
    "RabbitMQ": os.environ.get("TELROI_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//"),
}


@dataclass(frozen=True)
class Worker:
    pool: str
    places: int


PREFORK, THREADS = Worker("prefork", 3), Worker("threads", 1)
TASK_WORKER = Worker(TASKS, 1)
HANGS = 600
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""


class Stage:
    """The processes of one site. ``broker``: of ``BROKERS``, ``TASKS``, or None if the requests place their calls."""

    def __init__(
        self, folder: Path, *, broker: str | None, database: str, telroi: Telroi, ledger: Path, **settings: Any
    ) -> None:
        self.telroi, self.broker, self._database = telroi, broker, database
        self.wire = Wire(BROKERS[broker]) if broker in BROKERS else None
        self.graves = folder / "graves"
        self.graves.mkdir()
        self._stopping = folder / "stopping"
        self._log = (folder / "log").open("w")
        self.queue = f"telroi_chaos_{uuid4().hex[:12]}"
        self.ledger = ledger
        self._members: list[subprocess.Popen[str]] = []
        self._asker: subprocess.Popen[str] | None = None
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.site_settings",
            "TELROI_TEST_STAGE": json.dumps(self._told(settings)),
            "PYTHONDEVMODE": "",
            "PYTHONWARNINGS": "",
        }

    @property
    def broker_url(self) -> str:
        return self.wire.url if self.wire else "memory://"

    @property
    def calls(self) -> Mapping[str, int]:
        """Return how often each number was called, according to the ledger."""
        lines = map(json.loads, self.ledger.read_text().splitlines())
        return Counter(line["to"] for line in lines if line["path"] == "/v1/otp")

    @property
    def attempts(self) -> QuerySet[VerificationAttempt]:
        return VerificationAttempt.objects.using(self._database)

    @property
    def kills(self) -> set[str]:
        """Return the numbers whose call killed a process."""
        return {f"+{grave.name}" for grave in self.graves.iterdir()}

    def start(self, role: str, *arguments: object) -> subprocess.Popen[str]:
        """Start a process of the site in its own process group, with all its children."""
        command = [sys.executable, "-m", "tests.chaos.members", role, *map(str, arguments)]
        member = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._members.append(member)
        return member

    def ask(self, number: str) -> None:
        """Start a call. Returns after the response."""
        if self._asker is None:
            self._asker = self.start("asker" if self.broker else "caller")
        assert self._asker.stdin
        assert self._asker.stdout
        self._asker.stdin.write(f"{number} {uuid4()}\n")
        self._asker.stdin.flush()
        answered, _, _ = select.select([self._asker.stdout], [], [], HANGS)
        if not answered:
            raise AssertionError("the request hangs")
        if self._asker.stdout.readline() != "asked\n":
            raise AssertionError(f"the {self._asker.args!r} is gone")

    def a_worker_is_stopping(self) -> bool:
        """Return whether a worker received SIGTERM, as in a deployment, and began to stop."""
        return self._stopping.exists()

    def close(self) -> None:
        for member in self._members:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(member.pid, signal.SIGKILL)
            member.communicate()
        self._log.close()
        self._forget_queue()

    @contextmanager
    def _celery(self) -> Iterator[Any]:
        from celery import Celery

        app = Celery("stage", broker=BROKERS[str(self.broker)], set_as_current=False, fixups=[])
        app.conf.broker_transport_options = self._transport_options
        yield app
        app.close()

    def _forget_queue(self) -> None:
        if self.wire is None:
            return
        self.wire.close()
        if self.broker == "RabbitMQ":
            with self._celery() as app, app.connection_for_write() as link:
                link.default_channel.queue_delete(self.queue)
            return
        import redis

        with redis.Redis.from_url(BROKERS["Redis"]) as client:
            for key in client.scan_iter(f"{self.queue}*"):
                client.delete(key)

    @property
    def _dispatch(self) -> str:
        if self.broker == TASKS:
            return "tasks"
        return "celery" if self.broker else "inline"

    @property
    def _transport_options(self) -> dict[str, Any]:
        return {"global_keyprefix": f"{self.queue}:"} if self.broker == "Redis" else {}

    def _told(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        telroi = {
            "BACKEND": TELROI_BACKEND,
            "BASE_URL": self.telroi.base_url,
            "API_KEY": self.telroi.api_key,
            "KEY_REQUESTS_PER_MINUTE": 10**6,
            "DISPATCH": self._dispatch,
            "CELERY_QUEUE": self.queue,
        }
        celery = {
            "broker_url": self.broker_url,
            "broker_transport_options": self._transport_options,
            "broker_connection_retry_on_startup": True,
            "worker_enable_remote_control": False,
            "worker_prefetch_multiplier": 1,
        }
        return {
            "database": str(connections[self._database].settings_dict["NAME"]),
            "telroi": telroi | settings,
            "celery": celery,
            "graves": str(self.graves),
            "stopping": str(self._stopping),
        }


@contextmanager
def database_for(name: str) -> Iterator[str]:
    """Make a copy of the test database for a site that must not see the rows of another. Yields its alias."""
    original = connections[DEFAULT_DB_ALIAS]
    original.creation.clone_test_db(suffix=name, verbosity=0, autoclobber=True)
    copy = original.copy(name)
    copy.settings_dict = original.creation.get_test_db_clone_settings(name)
    connections[name] = copy
    try:
        yield name
    finally:
        copy.close()
        del connections[name]
        original.creation.destroy_test_db(suffix=name, verbosity=0)


@contextmanager
def stage(folder: Path, *, broker: str | None, database: str = DEFAULT_DB_ALIAS, **settings: Any) -> Iterator[Stage]:
    """Start a site. ``settings``: keys of ``TELROI``."""
    ledger = folder / "ledger"
    command = [sys.executable, "-m", "django_telroi.simulator", "--port", "0", "--ledger", str(ledger)]
    with ExitStack() as ends:
        process = ends.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        ends.callback(process.terminate)
        telroi = Telroi(process)
        telroi.throw("set_policy", requests_per_minute=10**6)
        standing = Stage(folder, broker=broker, database=database, telroi=telroi, ledger=ledger, **settings)
        ends.callback(standing.close)
        yield standing


def until(is_so: Callable[[], bool], *, seconds: float = HANGS) -> None:
    """Wait until the condition is true, at most ``seconds``."""
    ends = time.monotonic() + seconds
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.1)
