"""The example project with workers in their own processes, a real broker, and a simulator that counts calls."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django_telroi.simulator import Simulator

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "example_project"
AT_MOST_SECONDS = 600
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""
ASK = "from django_telroi import services; print(services.start_verification('{number}').pk)"
CHECK = (
    "from django_telroi import models, services\n"
    "uuid = models.VerificationAttempt.objects.get(pk={attempt}).uuid\n"
    "print(services.check_code(uuid, '{code}').outcome)"
)
PUBLISH = (
    "from example import celery_app\nfor _ in range({times}):\n"
    " celery_app.send_task('django_telroi.tasks.place_call', args=({attempt},), ignore_result=True)"
)


@dataclass
class Site:
    """The example project in its own folder. ``telroi``: the simulator that it calls. ``codes``: its ``CODES``."""

    folder: Path
    broker: str
    queue: str
    telroi: Simulator
    codes: str = "site"
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONWARNINGS": "",  # as an error, a warning of Celery or of a driver would end a worker
            "DJANGO_SETTINGS_MODULE": "tests.brokers.site",
            "PYTHONPATH": os.pathsep.join([str(EXAMPLE), str(ROOT)]),
            "EXAMPLE_STATE_DIR": str(self.folder),
            "EXAMPLE_BROKER_URL": self.broker,
            "EXAMPLE_SIMULATOR_URL": self.telroi.base_url,
            "EXAMPLE_SIMULATOR_KEY": self.telroi.api_key,
            "TELROI_TEST_QUEUE": self.queue,
            "TELROI_TEST_CODES": self.codes,
        }

    @property
    def sends(self) -> int:
        return sum(request.path == "/v1/otp" for request in self.telroi.requests)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=EXAMPLE, env=self.environ, capture_output=True, text=True, timeout=AT_MOST_SECONDS, check=True
        )
        return done.stdout

    def ask(self, number: str) -> int:
        """Start a call and return the primary key of the attempt."""
        return int(self.manage("shell", "--verbosity", "0", "-c", ASK.format(number=number)).split()[-1])

    def check(self, attempt: int, code: str) -> str:
        """Check a code and return the outcome."""
        return self.manage("shell", "--verbosity", "0", "-c", CHECK.format(attempt=attempt, code=code)).split()[-1]

    @property
    def checks(self) -> int:
        return sum(request.path == "/v1/otp/verify" for request in self.telroi.requests)

    def publish(self, attempt: int, *, times: int) -> None:
        self.manage("shell", "--verbosity", "0", "-c", PUBLISH.format(attempt=attempt, times=times))

    def run(self, command: Sequence[str], *, name: str = "celery") -> subprocess.Popen[bytes]:
        """Start a Celery command of the documentation.

        Each worker gets a unique name: RabbitMQ rejects a second worker with the same name.
        """
        program, *arguments = command
        assert program == "celery"
        if "worker" in arguments:
            arguments += ["--hostname", f"{name}.{self.queue}@%h"]
        with (self.folder / f"{len(self.programs)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *arguments],
                cwd=EXAMPLE,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.programs.append(process)
        return process

    def status_of(self, attempt: int) -> str:
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=AT_MOST_SECONDS)) as database:
            rows = database.execute("SELECT status FROM django_telroi_verificationattempt WHERE id = ?", [attempt])
            return str(rows.fetchone()[0])

    @property
    def logs(self) -> str:
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("*.log")))

    def wait_for(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + AT_MOST_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.1)


@contextmanager
def running_site(folder: Path, broker: str, queue: str, *, codes: str = "site") -> Iterator[Site]:
    with Simulator() as telroi:
        site = Site(folder, broker, queue, telroi, codes)
        site.manage("migrate", "--verbosity", "0")
        try:
            yield site
        finally:
            for program in site.programs:
                if program.poll() is None:
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
