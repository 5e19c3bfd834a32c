"""A Celery worker may use gevent, which replaces all sockets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.services


def test_calls_are_placed_and_time_out_with_gevents_sockets_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.client.under_gevent"],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("3 calls, and one that timed out\n", 0), done.stderr
