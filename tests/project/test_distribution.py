"""The distribution, the repository and the documentation agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import django_telroi

REPOSITORY = Path(__file__).parents[2]
CHANGELOG_HEADING = re.compile(r"^## \[(.+?)\] - (?:unreleased|\d{4}-\d{2}-\d{2})$", re.MULTILINE)


def files_under(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(file) for file in files if "__pycache__" not in file.parts}


def test_the_wheel_contains_exactly_the_files_of_the_package() -> None:
    installed = files_under(Path(django_telroi.__file__).parent)

    assert installed == files_under(REPOSITORY / "django_telroi")
    assert "py.typed" in installed


def test_the_newest_entry_of_the_changelog_is_the_version() -> None:
    headings = CHANGELOG_HEADING.findall((REPOSITORY / "CHANGELOG.md").read_text())

    assert headings[0] == django_telroi.__version__


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "django_telroi/__init__.py"}
