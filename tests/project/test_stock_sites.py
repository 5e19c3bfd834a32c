"""A site that lacks an app of Django's, or REST framework's, verifies phones with what it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.stock_sites import KINDS, walk


@pytest.mark.programs
@pytest.mark.parametrize("name", KINDS)
def test_a_site_verifies_a_phone_with_the_apps_that_it_has(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]

    walk(tmp_path, kind)
