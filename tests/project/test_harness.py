from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

import django_telroi

REPOSITORY = Path(__file__).parents[2]


def test_a_deprecation_warning_fails_the_test_that_meets_it() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("an old way", DeprecationWarning, stacklevel=1)


def test_under_tox_the_wheel_is_what_gets_tested() -> None:
    """Without tox it is the folder, for quick rounds."""
    home = Path(os.environ.get("TOX_ENV_DIR", REPOSITORY))

    assert home in Path(django_telroi.__file__).parents
    assert "TOX_ENV_DIR" not in os.environ or sys.flags.dev_mode
