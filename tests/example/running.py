"""The demo in its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django_telroi

DEMO = Path(__file__).resolve().parent.parent.parent / "example_project" / "demo.py"
CHOSEN_BY_THE_TEST = ("TELROI_", "EXAMPLE_", "DJANGO_", "PYTHONSAFEPATH")
# The demo must use the same package as the tests.
PACKAGE = Path(django_telroi.__file__).parent.parent


class Demo:
    """A running demo, and its output until it was ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        self.told = ""
        for line in process.stdout:
            self.told += line
            if "Ctrl-C" in line:
                return
        raise AssertionError(self.told)

    @property
    def home(self) -> str:
        return self._found(r"Home page +(\S+)")

    @property
    def simulator(self) -> str:
        return self._found(r"simulator at (\S+)\. ")

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.told)
        assert found, self.told
        return found[1]


@contextmanager
def running_demo(state: Path, **environ: str) -> Iterator[Demo]:
    """Start the demo with its database in ``state``. All its processes are stopped at the end of the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CHOSEN_BY_THE_TEST)}
    process = subprocess.Popen(
        [sys.executable, str(DEMO)],
        env={**kept, "PYTHONPATH": str(PACKAGE), "EXAMPLE_STATE_DIR": str(state), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Demo(process)
    finally:
        process.kill()
        process.communicate()
