"""A real server answers every authentic webhook with 2xx, sequentially and eight at once.

The speed depends on the machine, so it is not tested here. ``benchmarks/webhooks.py`` has a bound for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "webhooks.py"
LINE = re.compile(r"^(\w+), (\d) at once +[\d.]+ +[\d.]+ +[\d.]+ +(\d+)$", re.MULTILINE)


@pytest.mark.programs
def test_a_thousand_webhooks_through_gunicorn_are_all_acknowledged() -> None:
    database = {"postgresql": "postgres", "mysql": "mariadb"}.get(connection.vendor, "sqlite")
    command = [sys.executable, str(BENCHMARK), "--databases", database, "--deliveries", "1000", "--bound", "inf"]

    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARK.parent), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert LINE.findall(done.stdout) == [(database, "1", "0"), (database, "8", "0")]
