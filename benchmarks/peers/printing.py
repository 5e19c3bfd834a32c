"""The tables of the comparison, as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from contestants import Contestant
from goals import TITLES
from measuring import WHAT, Rounds
from serving import Column, Served

WIDTH = 42


def print_versions(versions: Mapping[str, Mapping[str, str]]) -> None:
    print(f"Measured on {datetime.now(UTC):%d %B %Y} with:")
    for line in sorted({", ".join(f"{name} {number}" for name, number in each.items()) for each in versions.values()}):
        print(f"  {line}")


def print_rounds(database: str, rounds: Rounds, contestants: Sequence[Contestant]) -> None:
    """Print the start and the check of one database: the ratio to the bare POST for each number of rows."""
    rows = sorted({rows for _name, rows, _what in rounds.took})
    milliseconds = [seconds * 1000 for seconds in rounds.bare]
    print(f"\nOne POST to the provider took {median(milliseconds):.2f} ms (median of the rounds).")
    for what in WHAT:
        print(f"\nA {what} over HTTP, {TITLES[database]}: x of one POST to the provider, median (p10 to p90)")
        print(f"{'':{WIDTH}}" + "".join(f"{f'{count:,} rows':>22}" for count in rows) + f"{'SQL':>6}{'session':>9}")
        for each in contestants:
            cells = "".join(f"{_spread(rounds, each.name, count, what):>22}" for count in rows)
            counted = rounds.statements[each.name, rows[0], what]
            print(f"{each.title:{WIDTH}}{cells}{counted['work']:>6}{counted['session']:>9}")


def _spread(rounds: Rounds, name: str, rows: int, what: str) -> str:
    low, middle, high = rounds.spread((name, rows, what))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def print_served(served: Mapping[str, Served], columns: Sequence[Column], contestants: Sequence[Contestant]) -> None:
    print("\nStarts per second behind gunicorn, PostgreSQL: median of the slices, and ÷ the floor of the same slice")
    print(f"{'':{WIDTH}}" + "".join(f"{column.title:>34}" for column in columns))
    for each in contestants:
        cells = "".join(f"{_rate(served[column.title], each.name):>34}" for column in columns)
        print(f"{each.title:{WIDTH}}{cells}")


def _rate(served: Served, name: str) -> str:
    beside = f" ({served.ratio(name, 'floor'):.2f})" if "floor" in served.rates else ""
    return f"{served.rate(name):.0f}{beside}"
