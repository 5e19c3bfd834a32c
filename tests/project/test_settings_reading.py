"""Settings are read when they are used, and the docs contain all of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_telroi import conf

REPOSITORY = Path(__file__).parents[2]
ENTRY = re.compile(r"^\.\. confval:: ([A-Z_]+)\n   :default: ``(.+?)``$", re.MULTILINE)

# Import every module of the package in a process in which reading settings.TELROI is an error.
IMPORT_EVERYTHING = """
import importlib, pkgutil
from collections.abc import Mapping

import django
from django.conf import settings

from tests import settings as base


class Untouchable(Mapping):
    def touched(self, *args):
        raise AssertionError("settings.TELROI was read while a module was imported")

    __getitem__ = __iter__ = __len__ = __contains__ = touched

    def get(self, key, default):
        if key == "TELEMETRY":  # read once, by the app's ready(), after all of its modules are imported
            return default
        self.touched()


settings.configure(**{name: getattr(base, name) for name in dir(base) if name.isupper()}, TELROI=Untouchable())
django.setup()

import django_telroi

names = [module.name for module in pkgutil.walk_packages(django_telroi.__path__, "django_telroi.")]
for name in names:
    # Each bridge needs its other package; tests/bridges has a site with it. A task of Django needs its backend when it
    # is defined; tests/task_queue has a site with one.
    if not name.endswith(("__main__", ".background_tasks")) and ".contrib." not in name:
        importlib.import_module(name)
print(len(names))
"""


def test_no_module_reads_a_setting_at_import() -> None:
    command = [sys.executable, "-c", IMPORT_EVERYTHING]

    answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert (answer.stderr, answer.returncode) == ("", 0)
    assert int(answer.stdout) > 10


@pytest.mark.codes("site")
def test_the_docs_contain_every_setting_with_its_default() -> None:
    page = (REPOSITORY / "docs" / "reference" / "settings.rst").read_text()

    documented = {key: ast.literal_eval(default) for key, default in ENTRY.findall(page)}

    assert documented == {
        key: list(value) if isinstance(value, tuple) else value for key, value in conf.DEFAULTS.items()
    }
