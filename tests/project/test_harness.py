from __future__ import annotations

import configparser
import os
import sys
import warnings
from pathlib import Path

import pytest

import django_telroi
from tests.conftest import HALVES, half_of

REPOSITORY = Path(__file__).parents[2]


def test_a_deprecation_warning_fails_its_test() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("an old way", DeprecationWarning, stacklevel=1)


def test_under_tox_the_wheel_is_tested() -> None:
    """Without tox the package is imported from the repository, for quick test runs."""
    home = Path(os.environ.get("TOX_ENV_DIR", REPOSITORY))

    assert home in Path(django_telroi.__file__).parents
    assert "TOX_ENV_DIR" not in os.environ or sys.flags.dev_mode


def test_the_halves_have_about_the_same_size() -> None:
    names = [f"tests/services/test_check.py::test_{number}" for number in range(1000)]

    sizes = [sum(half_of(name) == half for name in names) for half in HALVES]

    assert sum(sizes) == len(names)
    assert min(sizes) > 400


def test_each_pair_of_python_and_django_of_a_half_has_its_other_half_on_the_same_python() -> None:
    tox = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    tox.read(REPOSITORY / "tox.ini")
    halves: dict[str, set[str]] = {}
    for line in tox["testenv"]["commands"].splitlines():
        environments, _, command = line.partition(": ")
        if "--half" in command:
            half = command.split("--half ")[1].split()[0]
            for environment in environments.split(","):
                halves.setdefault(environment.split("-")[0], set()).add(half)

    assert halves == {python: {"1", "2"} for python in ("py312", "py313", "py314")}
