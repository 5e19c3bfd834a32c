"""A site without some apps of Django or REST framework verifies phones with the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.stock_project import StockProject
from tests.project.stock_sites import KINDS, walk


@pytest.mark.programs
@pytest.mark.parametrize("name", KINDS)
def test_a_site_without_some_apps_verifies_a_phone(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]

    walk(StockProject(tmp_path), kind)
