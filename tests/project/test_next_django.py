"""The environment ``django-next`` omits only a Django that another environment tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.project.next_django import TOX, is_tested_elsewhere


@pytest.mark.parametrize(
    ("version", "is_tested"),
    [
        ((6, 1, 4, "final", 0), True),
        ((5, 2, 0, "final", 0), True),
        ((6, 1, 0, "rc", 1), False),
        ((6, 2, 0, "alpha", 1), False),
        ((6, 2, 0, "final", 0), False),
        ((7, 0, 0, "alpha", 0), False),
    ],
)
def test_a_release_of_the_matrix_is_tested_elsewhere(version: Any, is_tested: bool) -> None:
    assert is_tested_elsewhere(version, TOX.read_text(encoding="utf-8")) is is_tested
