"""What follows from consecutive wrong codes, counted over all calls: a hint, waits that grow, then a lock.

The default lock of 100 is the limit of NIST SP 800-63B-4, section 3.2.2 "Rate Limiting (Throttling)": no more than 100
consecutive failed attempts. The same section names a wait from a minute to an hour that grows with each failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
LOCK_LENGTH = timedelta(hours=24)

PRESETS: Mapping[str, Mapping[str, int]] = {
    "standard": {"warn": 5, "wait": 10, "lock": 100},
    # PSD2's RTS (article 4) and many banks allow five.
    "strict": {"warn": 3, "wait": 4, "lock": 5},
}


@dataclass(frozen=True)
class WrongCodeLimits:
    """From how many consecutive wrong codes on a person is told, new calls wait, and new calls are locked."""

    warn: int
    wait: int
    lock: int

    def __post_init__(self) -> None:
        if not 1 <= self.warn <= self.wait <= self.lock:
            raise ValueError("warn, wait and lock must be 1 or more, in this order.")


def read_limits(chosen: object) -> WrongCodeLimits:
    """Return the limits of a preset's name, or of a mapping with the keys of a preset. Raises ValueError."""
    figures = PRESETS.get(chosen) if isinstance(chosen, str) else chosen
    if not isinstance(figures, Mapping) or set(figures) != {"warn", "wait", "lock"}:
        raise ValueError("it needs the keys warn, wait and lock.")
    if not all(isinstance(figure, int) and not isinstance(figure, bool) for figure in figures.values()):
        raise ValueError("each figure must be a whole number.")
    return WrongCodeLimits(**figures)


def length_of_bar(limits: WrongCodeLimits, count: int) -> timedelta:
    """Return how long new calls are refused after ``count`` wrong codes: 0 before the first wait.

    The wait doubles with each wrong code, up to an hour. The lock lasts 24 hours.
    """
    if count >= limits.lock:
        return LOCK_LENGTH
    if count < limits.wait:
        return timedelta(0)
    doublings = min(count - limits.wait, 6)  # 64 minutes are more than an hour
    return min(SHORTEST_WAIT * (1 << doublings), MAX_WAIT)


def barred_until(limits: WrongCodeLimits, count: int, last_at: datetime | None, *, now: datetime) -> datetime | None:
    """Return until when new calls are refused, or None. ``last_at``: the moment of the last wrong code."""
    if last_at is None:
        return None
    until = last_at + length_of_bar(limits, count)
    return until if until > now else None


def codes_before_wait(limits: WrongCodeLimits, count: int) -> int | None:
    """Return how many more wrong codes lead to a wait or a lock. None below ``warn``, and from ``wait`` on."""
    return limits.wait - count if limits.warn <= count < limits.wait else None
