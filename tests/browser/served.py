"""``proof_site`` in its own process."""

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
from django.contrib.sessions.backends.db import SessionStore

from django_telroi.models import CallControl


@dataclass
class Site:
    """The site's address, its output and its database."""

    address: str
    process: subprocess.Popen[str]
    database: Path

    def next_code(self) -> str:
        """Wait for the next call and return its code."""
        assert self.process.stdout
        for line in self.process.stdout:
            if said := re.search(r"The code is (\d+)", line):
                return said.group(1)
        raise AssertionError("no call was placed")

    def execute(self, statement: str, *values: object) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.database, timeout=120)) as database, database:
            return database.execute(statement, values).fetchall()

    def let_time_pass(self, seconds: float) -> None:
        """Move all calls into the past."""
        for number, calls in self.execute("SELECT number, calls FROM django_telroi_phonenumber"):
            earlier = [
                (datetime.fromisoformat(at) - timedelta(seconds=seconds)).isoformat() for at in json.loads(calls)
            ]
            self.execute("UPDATE django_telroi_phonenumber SET calls = ? WHERE number = ?", json.dumps(earlier), number)

    def let_the_waits_end(self) -> None:
        """Move the waits that sessions know into the past, and the calls that caused them."""
        store = SessionStore()
        for key, data in self.execute("SELECT session_key, session_data FROM django_session"):
            session = store.decode(data)
            for flow in session.get("telroi", {}).values():
                if flow["notice"] and flow["notice"]["over_at"]:
                    flow["notice"]["over_at"] = 1.0
            self.execute("UPDATE django_session SET session_data = ? WHERE session_key = ?", store.encode(session), key)
        self.let_time_pass(3600)

    def stop_calls(self) -> None:
        """Stop all calls, as another process does."""
        columns = self.execute("SELECT name, type, \"notnull\" FROM pragma_table_info('django_telroi_callcontrol')")
        empty = {name: None if not is_set else 0 if kind == "integer" else "" for name, kind, is_set in columns}
        row = {**empty, "name": CallControl.SWITCH, "stopped_at": "2026-01-01 00:00:00"}
        places = ", ".join("?" * len(row))
        names = ", ".join(row)
        self.execute(f"REPLACE INTO django_telroi_callcontrol ({names}) VALUES ({places})", *row.values())

    def calls_become(self, status: str) -> None:
        self.execute("UPDATE django_telroi_verificationattempt SET status = ?", status)


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A running site. A test may give settings: ``@pytest.mark.parametrize("site", [{…}], indirect=True)``."""
    database = tmp_path / "db.sqlite3"
    chosen = json.dumps(getattr(request, "param", {}))
    command = [sys.executable, "-u", "-m", "tests.browser.proof_site", str(database), chosen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield Site(process.stdout.readline().strip(), process, database)
        process.terminate()
