"""``kill -9`` of the process that judges the right code, at each point of each face. Typed again, it verifies.

The long version, with a thousand kills, is ``make chaos``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.code_kills import kill_at_every_point, places, problems, table
from tests.chaos.code_points import CODE_POINTS, FACES


@pytest.mark.programs
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("codes", CODE_POINTS)
@pytest.mark.parametrize("face", FACES)
def test_after_a_kill_the_right_code_is_a_success_and_no_other_code_is(
    tmp_path: Path, settings: object, face: str, codes: str
) -> None:
    outcomes = kill_at_every_point(tmp_path, [face], codes=codes, kills_each=2)

    assert outcomes.keys() == set(places([face], codes))
    assert list(problems(outcomes)) == [], table(outcomes)
