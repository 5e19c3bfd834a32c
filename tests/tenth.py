"""Run a tenth of the long tests and of the mutants: ``python tests/tenth.py``.

The environment variable ``TELROI_SEED`` chooses the tenth. Without it the seed is the day, so another tenth runs each
day, and a failure of today can be repeated today. The seed is printed. The exit status is 1 if one of them fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tenths import files_with_long_tests

ROOT = Path(__file__).parents[1]


def main() -> int:
    seed = os.environ.get("TELROI_SEED") or f"{datetime.now(UTC):%Y%m%d}"
    say(f"a tenth of `make long`. To repeat it: TELROI_SEED={seed} make tenth")
    options = ["-m", "long", "-n", "2", "--dist", "worksteal", "-q", "--durations=15"]
    long_tests = ["-m", "pytest", *options, f"--tenth={seed}:0", *files_with_long_tests()]
    statuses = [run(seed, *long_tests), run(seed, "tests/mutants/run.py", f"--tenth={seed}:0")]
    say(f"TELROI_SEED={seed}")
    return 1 if any(statuses) else 0


def run(seed: str, *arguments: str) -> int:
    environment = {**os.environ, "TELROI_SEED": seed}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=False).returncode


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
