"""``proof_site`` in a process of its own."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest


@dataclass
class Site:
    """Where it answers, what it prints, and its database."""

    address: str
    process: subprocess.Popen[str]
    database: Path

    def next_code(self) -> str:
        """What the next call reads out; waits for it."""
        assert self.process.stdout
        for line in self.process.stdout:
            if said := re.search(r"The code is (\d+)", line):
                return said.group(1)
        raise AssertionError("nobody was called")

    def execute(self, statement: str, *values: object) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.database, timeout=120)) as database, database:
            return database.execute(statement, values).fetchall()

    def let_time_pass(self, seconds: float) -> None:
        """As if every call had been placed so much earlier."""
        for number, calls in self.execute("SELECT number, calls FROM django_telroi_phonenumber"):
            earlier = [
                (datetime.fromisoformat(at) - timedelta(seconds=seconds)).isoformat() for at in json.loads(calls)
            ]
            self.execute("UPDATE django_telroi_phonenumber SET calls = ? WHERE number = ?", json.dumps(earlier), number)

    def calls_become(self, status: str) -> None:
        self.execute("UPDATE django_telroi_verificationattempt SET status = ?", status)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = tmp_path / "db.sqlite3"
    command = [sys.executable, "-u", "-m", "tests.browser.proof_site", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield Site(process.stdout.readline().strip(), process, database)
        process.terminate()
