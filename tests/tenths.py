"""Tenths of all that takes long. CI runs one of them, chosen by a seed. The ten tenths of a seed are the whole."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

Unit = TypeVar("Unit")
TENTHS = 10


def tenths(units: Sequence[Unit], seed: int) -> list[list[Unit]]:
    """Return ``units`` in ten parts of the same size, give or take one. The same seed gives the same parts.

    Of ten neighbors each part gets one. Neighbors take about the same time, so the parts do too.
    """
    rng = random.Random(seed)
    parts: list[list[Unit]] = [[] for _ in range(TENTHS)]
    for start in range(0, len(units), TENTHS):
        neighbors = units[start : start + TENTHS]
        for part, unit in zip(rng.sample(parts, len(neighbors)), neighbors, strict=True):
            part.append(unit)
    return parts


def tenth_of(units: Sequence[Unit], which: str) -> list[Unit]:
    """Return one of the tenths. ``which``: ``SEED:NUMBER``, such as ``20261127:3`` for the fourth one."""
    seed, _, number = which.partition(":")
    return tenths(units, int(seed))[int(number)]


def files_with_long_tests() -> list[str]:
    """Return the files that use the marker ``long``. To collect all tests would take a minute."""
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    return [str(file) for file in files if "pytest.mark.long" in file.read_text(encoding="utf-8")]
