"""The page "How it works" describes the statuses as the code does."""

from __future__ import annotations

import re
from pathlib import Path

from django_telroi.domain.states import FINAL, TRANSITIONS, Status
from tests.project.draw_states import PICTURE, drawing

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "how.rst"
ROW = re.compile(r"^   \* - ``(\w+)``\n     - .+(?:\n       .+)*\n     - (.+)$", re.MULTILINE)


def test_the_drawing_shows_the_current_transitions() -> None:
    """If this fails, draw it again: ``python -m tests.project.draw_states``."""
    assert PICTURE.read_text() == drawing()


def test_the_drawing_names_every_status() -> None:
    assert set(re.findall(r"<text[^>]*>(\w+)</text>", drawing())) == {str(status) for status in Status}


def test_without_a_transition_the_drawing_has_one_arrow_less() -> None:
    fewer = {**TRANSITIONS, Status.UNKNOWN: TRANSITIONS[Status.UNKNOWN] - {Status.PLACED}}

    assert drawing(fewer).count("marker-end") == drawing().count("marker-end") - 1


def test_the_table_lists_every_status_with_its_transitions() -> None:
    page = PAGE.read_text()
    table = page[: page.index("Three transitions")]

    listed = {name: frozenset(re.findall(r"``(\w+)``", following)) for name, following in ROW.findall(table)}

    assert listed == {str(status): frozenset(map(str, following)) for status, following in TRANSITIONS.items()}
    assert {name for name, following in listed.items() if not following} == {str(status) for status in FINAL}
