"""``kill -9`` of whoever places a call, at every point of it: never two calls, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.play import TRANSPORTS, play, problems, table
from tests.chaos.stage import HANGS

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

KILLS_EACH = 5
"""105 in all. The long version is ``make chaos``, with every setting at its default."""


def test_whatever_dies_no_phone_rings_twice_and_no_request_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # On a slow machine a call may wait longer than by default: that it expires then is not what is tested.
    outcomes = play(tmp_path, TRANSPORTS, kills_each=KILLS_EACH, TOTAL_TIMEOUT_SECONDS=3, QUEUE_DEADLINE_SECONDS=HANGS)

    with capsys.disabled():
        print(f"\n{table(outcomes)}")  # noqa: T201 - the figures are the point of it
    assert sum(outcome.kills for outcome in outcomes.values()) >= 100
    assert list(problems(outcomes)) == []
