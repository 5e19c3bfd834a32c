"""The page "Compliance" names only files, settings and checks that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_telroi.admin.actions.number_actions import STAFF_ACTIONS
from django_telroi.conf import DEFAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "compliance.rst").read_text()
FILES = sorted(set(re.findall(r"``((?:tests|django_telroi|benchmarks)/[\w/.]+)``", PAGE)))
SETTINGS = sorted(set(re.findall(r"``([A-Z][A-Z_]+[A-Z])(?: = [^`]+)?``", PAGE)) - {"SECRET_KEY"})


def test_it_names_files_and_settings() -> None:
    assert len(FILES) > 15
    assert len(SETTINGS) > 5


@pytest.mark.parametrize("path", FILES)
def test_a_file_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_exists(name: str) -> None:
    assert name in DEFAULTS


def test_it_names_the_actions_of_staff_that_need_no_reason() -> None:
    needs_none = {action.name for action in STAFF_ACTIONS if action.form is None}

    assert needs_none == {"unblock", "release", "reset", "erase"}
    words = "to unblock, to release a hold, to reset limits, to erase and to show a number need none"
    assert words in " ".join(PAGE.split())


def test_each_check_exists() -> None:
    documented = (ROOT / "docs" / "reference" / "checks.rst").read_text()

    assert all(f".. check:: {check}\n" in documented for check in re.findall(r"telroi\.[EW]\d{3}", PAGE))
