"""The processes of a benchmark: the provider's simulator, and one worker for each contestant and number of rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from contestants import Contestant

HERE = Path(__file__).resolve().parent
NUMBERS_EACH = 300_000
"""How many numbers a contestant may call before it reaches those of the next one."""


class Simulator:
    """The provider: one process of ``python -m django_telroi.simulator`` that all contestants call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
        self.base_url, self.api_key = said["TELROI_BASE_URL"], said["TELROI_API_KEY"]

    def switch(self, name: str, **arguments: object) -> None:
        url = f"{self.base_url}/_simulator/{name}"
        with urlopen(Request(url, json.dumps(arguments).encode(), method="POST"), timeout=10) as reply:
            reply.read()

    def answer_after(self, seconds: float) -> None:
        """Forget all calls, lift all limits, and answer each request after ``seconds``."""
        self.switch("reset")
        self.switch("set_policy", cooldown=0, per_hour=10**6, per_day=10**6, requests_per_minute=10**9)
        self.switch("latency", seconds=seconds)


@contextmanager
def simulator(python: Path) -> Iterator[Simulator]:
    command = [str(python), "-m", "django_telroi.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Simulator(process)
        finally:
            process.terminate()


class Worker:
    """A contestant with a number of rows, in a process of its own."""

    def __init__(self, contestant: Contestant, rows: int, environ: Mapping[str, str], python: Path) -> None:
        self.contestant, self.rows, self.environ, self.python = contestant, rows, dict(environ), python
        self.process = subprocess.Popen(
            [str(python), str(HERE / "worker.py")],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, name: str, *arguments: object) -> Any:
        """Run one command in the process and return its reply. Exits if the process has ended."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {self.contestant.name} with {self.rows:,} rows has ended. See above.")
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe and pipe.close()


@dataclass(frozen=True)
class Stage:
    """Where contestants run: the provider, the Python of each contestant, and a folder for files."""

    provider: Simulator
    pythons: Mapping[str, Path]
    folder: Path


@contextmanager
def workers(
    contestants: Sequence[Contestant], rows: Sequence[int], database: str, stage: Stage
) -> Iterator[list[Worker]]:
    """Start the workers of one database and fill their tables. The tables are dropped at the end."""
    filled: set[str] = set()
    with ExitStack() as stack:
        started = []
        for place, each in enumerate(contestants):
            for count in rows if each.has_tables else [0]:
                name = f"telroi_peers_{stage.folder.name[-8:].lower()}_{each.tables}_{count}"
                environ = _environ(each, database, name, stage) | {"PEERS_OFFSET": str(place * NUMBERS_EACH)}
                python = stage.pythons[each.name]
                if each.has_tables and name not in filled:
                    print(f"  {each.tables}: {count:,} rows ...", file=sys.stderr, flush=True)
                    stack.callback(_run_once, python, environ, "drop")
                    _run_once(python, environ, "fill", str(count))
                    filled.add(name)
                started.append(Worker(each, count, environ, python))
                stack.callback(started[-1].close)
        yield started


def _run_once(python: Path, environ: Mapping[str, str], *arguments: str) -> None:
    if subprocess.run([str(python), str(HERE / "tables.py"), *arguments], env=environ, check=False).returncode:
        raise SystemExit(f"{environ['PEERS_DATABASE_NAME']}: could not {arguments[0]} the database. See above.")


def _environ(contestant: Contestant, database: str, name: str, stage: Stage) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return clean | {
        "PEERS_CONTESTANT": contestant.name,
        "PEERS_DATABASE": database,
        "PEERS_DATABASE_NAME": name,
        "PEERS_FOLDER": str(stage.folder),
        "PEERS_BASE_URL": stage.provider.base_url,
        "PEERS_API_KEY": stage.provider.api_key,
        **dict(contestant.options),
    }
