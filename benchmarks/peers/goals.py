"""The goals of django-telroi, compared with its peers. Each is one line: it holds or falls short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contestants import BY_NAME
from measuring import WHAT, Rounds
from serving import Served

OURS, FLOOR, PHONE_VERIFY, ALLAUTH = "rest-site", "floor", "phone-verify", "allauth"
TITLES = {"wal": "SQLite (WAL)", "postgres": "PostgreSQL"}
START_OF_ALLAUTH, CHECK_OF_ALLAUTH = 0.75, 0.6
START_OF_PHONE_VERIFY = {"wal": 1.0, "postgres": 1.1}
ROWS_OF_PHONE_VERIFY = 10_000
"""django-phone-verify has no index on the number, so its time depends on the rows."""
GROWTH = 1.1
LEAST_OF_FLOOR = 0.65


@dataclass(frozen=True)
class Goal:
    """``figure`` must be at most ``bound``, or at least ``bound`` if ``is_least``."""

    title: str
    figure: float
    bound: float
    is_least: bool = False

    @property
    def holds(self) -> bool:
        return self.figure >= self.bound if self.is_least else self.figure <= self.bound

    def __str__(self) -> str:
        verdict = "holds      " if self.holds else "falls short"
        bound = f"{'at least' if self.is_least else 'at most'} {self.bound:.2f}"
        return f"{verdict}  {self.figure:5.2f}, {bound}: {self.title}"


def goals(measured: Mapping[str, Rounds], served: Mapping[str, Served]) -> Iterator[Goal]:
    """Yield each goal whose contestants, databases and rows were measured."""
    for database, rounds in measured.items():
        yield from _compared(database, rounds)
        yield from _growth(database, rounds)
    for column, each in served.items():
        if not {OURS, FLOOR} <= each.rates.keys():
            continue
        yield Goal(
            f"requests per second, {column}: ours ÷ the floor's", each.ratio(OURS, FLOOR), LEAST_OF_FLOOR, is_least=True
        )
        for name in each.rates:
            if BY_NAME[name].limits_calls and BY_NAME[name].is_peer:
                title = f"requests per second, {column}: ours ÷ {BY_NAME[name].title}"
                yield Goal(title, each.ratio(OURS, name), 1.0, is_least=True)


def _compared(database: str, rounds: Rounds) -> Iterator[Goal]:
    for name, rows, what in rounds.took:
        ours, where = (OURS, rows, what), f"{what}, {TITLES[database]}, {rows:,} rows"
        if ours not in rounds.took:
            continue
        if name == ALLAUTH:
            bound = START_OF_ALLAUTH if what == "start" else CHECK_OF_ALLAUTH
            yield Goal(f"{where}: ours ÷ django-allauth's", rounds.ratio(ours, (name, rows, what)), bound)
        if name == PHONE_VERIFY and rows == ROWS_OF_PHONE_VERIFY and what == "start":
            bound = START_OF_PHONE_VERIFY[database]
            yield Goal(f"{where}: ours ÷ django-phone-verify's", rounds.ratio(ours, (name, rows, what)), bound)


def _growth(database: str, rounds: Rounds) -> Iterator[Goal]:
    rows = sorted({rows for name, rows, _what in rounds.took if name == OURS})
    if len(rows) < 2:
        return
    for what in WHAT:
        growth = rounds.ratio((OURS, rows[-1], what), (OURS, rows[0], what))
        yield Goal(f"{what}, {TITLES[database]}: ours with {rows[-1]:,} rows ÷ with {rows[0]:,}", growth, GROWTH)
