"""The id of a check is never used again. A site that silenced a check must not silence another one.

``used_ids.txt`` lists all ids that were ever used. An id that is removed from the code stays there, marked ``removed``.
"""

from __future__ import annotations

import re
from pathlib import Path

import django_telroi

LIST = Path(__file__).with_name("used_ids.txt")
ID = r"telroi(?:_[a-z]+)?\.[EW]\d{3}"
LINE = re.compile(rf"({ID})( removed)?")


def listed(*, removed: bool) -> list[str]:
    lines = [LINE.fullmatch(line) for line in LIST.read_text().splitlines()]
    assert all(lines), "a line is an id, or an id and the word removed"
    return [line[1] for line in lines if line and bool(line[2]) is removed]


def ids_in_the_code() -> set[str]:
    files = Path(django_telroi.__file__).parent.rglob("*.py")
    return {found for file in files for found in re.findall(rf'"({ID})"', file.read_text())}


def test_every_id_of_the_code_is_listed_and_no_other_is_in_use() -> None:
    assert ids_in_the_code() == set(listed(removed=False))


def test_a_removed_id_is_not_used_again() -> None:
    assert ids_in_the_code().isdisjoint(listed(removed=True))
    ids = listed(removed=False) + listed(removed=True)
    assert len(ids) == len(set(ids))
