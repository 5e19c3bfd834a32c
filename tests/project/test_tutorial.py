from __future__ import annotations

from pathlib import Path

from tests.project.stock_project import walk


def test_the_tutorial_ends_with_a_verified_phone(tmp_path: Path) -> None:
    nothing_wrong, no_migration_missing, *addresses = walk(tmp_path)

    assert nothing_wrong == "System check identified no issues (0 silenced)."
    assert no_migration_missing == "No changes detected"
    assert len(addresses) == 2
