"""CI runs one of ten tenths of all that takes long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS
from tests.tenths import TENTHS, files_with_long_tests, tenth_of, tenths

ROOT = Path(__file__).parents[2]
SEEDS = (1, 2, 20261127)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [0, 1, 9, 10, 25, 418])
def test_the_ten_tenths_are_the_whole_and_no_unit_is_in_two(seed: int, count: int) -> None:
    units = [f"unit {number}" for number in range(count)]

    parts = tenths(units, seed)

    assert len(parts) == TENTHS
    assert sorted(unit for part in parts for unit in part) == sorted(units)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_seed_gives_the_same_tenth_again_and_another_seed_another() -> None:
    first, again, other = (tenth_of(MUTANTS, which) for which in ("1:0", "1:0", "2:0"))

    assert first == again != other


def test_each_tenth_has_one_of_ten_neighbors() -> None:
    parts = tenths(range(100), seed=5)

    assert all([unit // 10 for unit in part] == list(range(10)) for part in parts)
    assert len({tuple(unit % 10 for unit in part) for part in parts}) == TENTHS


def test_the_option_of_pytest_runs_one_tenth_of_the_long_tests() -> None:
    """Collected by pytest, as the tox environments `long` and `tenth` do."""
    everything = collected()

    assert len(everything) >= 100
    assert sorted(collected("--tenth=7:3")) == sorted(tenth_of(everything, "7:3"))


def collected(*options: str) -> list[str]:
    """Return the names of the long tests that pytest would run, in their order."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        "-m",
        "long",
    ]
    done = subprocess.run(
        [*command, *options, *files_with_long_tests()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 5}, done.stdout + done.stderr  # 5: no test is in this tenth
    return [line for line in done.stdout.splitlines() if "::" in line]
