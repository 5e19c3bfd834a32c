"""Tenths of all that takes long. CI runs one of them, chosen by a seed. The ten tenths of a seed are the whole."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Unit = TypeVar("Unit")
TENTHS = 10


def tenths(units: Sequence[Unit], seed: int) -> list[list[Unit]]:
    """Return ``units`` in ten parts of the same size, give or take one. The same seed gives the same parts."""
    shuffled = random.Random(seed).sample(units, len(units))
    return [shuffled[number::TENTHS] for number in range(TENTHS)]


def tenth_of(units: Sequence[Unit], which: str) -> list[Unit]:
    """Return one of the tenths. ``which``: ``SEED:NUMBER``, such as ``20261127:3`` for the fourth one."""
    seed, _, number = which.partition(":")
    return tenths(units, int(seed))[int(number)]
