"""A database of the release before is upgraded under load. ``make upgrades`` does it with 200,000 attempts.

The tests run on the database of ``TELROI_TEST_DB``, so the environments `postgres` and `mariadb` run them too.
"""

from __future__ import annotations

import os

import pytest

from tests.upgrades.releases import release_before
from tests.upgrades.walk import LONGEST_LOCK, longest_lock, walk, walk_quickly

DATABASE = os.environ.get("TELROI_TEST_DB", "sqlite")


@pytest.mark.programs
def test_an_upgrade_makes_no_service_wait_a_second_and_loses_none() -> None:
    walked = walk_quickly(DATABASE, rows=1000)

    print(walked)  # noqa: T201 - the figure
    assert walked.longest < LONGEST_LOCK


@pytest.mark.programs
@pytest.mark.skipif(release_before() is not None, reason="the next migrations are those of this tree")
def test_a_migration_that_keeps_its_locks_is_found() -> None:
    assert walk(DATABASE, rows=10, held=4 * LONGEST_LOCK).longest > LONGEST_LOCK


def test_the_lock_is_what_a_service_took_longer_than_those_beside_the_migration() -> None:
    moments = [[0.0, 0.5, 0.75], [0.75, 4.0, 4.25], [9.0, 9.25, 9.5]]

    assert longest_lock(moments, started=1.0, ended=3.0) == 2.75
    assert longest_lock(moments, started=5.0, ended=6.0) == 0
    assert longest_lock(moments, started=9.0, ended=9.2) == 0
