"""Runs of the tests of a site, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

USES_THE_PLUGIN = """
def pytest_configure(config):
    # As the entry point does. A checkout on PYTHONPATH may not have it.
    from django_telroi import pytest_plugin
    if not config.pluginmanager.has_plugin("telroi"):
        config.pluginmanager.register(pytest_plugin, "telroi")
"""


def run_with_pytest(
    folder: Path, test: str, *, settings: str = "", arguments: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the text of a test module, with these further settings and arguments of pytest."""
    (folder / "conftest.py").write_text(USES_THE_PLUGIN)
    (folder / "test_site.py").write_text(test)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    return _run(folder, ["-m", "pytest", *options, str(folder)], settings=settings, **environment)


def run_with_django(folder: Path, test: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the text of a module of test cases with ``manage.py test``."""
    (folder / "site_cases.py").write_text(test)
    return _run(folder, ["-m", "django", "test", "site_cases", *arguments])


def _run(
    folder: Path, command: list[str], *, settings: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    (folder / "site_settings.py").write_text(f"from tests.settings import *\n{settings}\n")
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
