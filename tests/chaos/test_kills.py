"""``kill -9`` of the process that places a call, at every point: never two calls, and no request is lost silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.play import TRANSPORTS, play, problems, table
from tests.chaos.stage import HANGS

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

KILLS_EACH = 5
"""105 kills in total. The long version is ``make chaos``, with default settings."""


def test_after_any_kill_no_phone_rings_twice_and_no_request_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A longer queue time than the default. On a slow machine calls would expire, which is not the subject of this test.
    outcomes = play(tmp_path, TRANSPORTS, kills_each=KILLS_EACH, TOTAL_TIMEOUT_SECONDS=3, QUEUE_DEADLINE_SECONDS=HANGS)

    with capsys.disabled():
        print(f"\n{table(outcomes)}")  # noqa: T201 - the figures are the point of it
    assert sum(outcome.kills for outcome in outcomes.values()) >= 100
    assert list(problems(outcomes)) == []
