"""Run pytest with the arguments, if the installed Django is newer than those that other environments of tox.ini test.

The environment ``django-next`` installs the newest Django, also an alpha. Between a release and the next alpha that is
the version of ``py313-django61``, so there is nothing to add. The exit status is that of pytest, or 0.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import django

TOX = Path(__file__).parents[2] / "tox.ini"


def is_tested_elsewhere(version: tuple[int, int, int, str, int], tox: str) -> bool:
    """Return whether ``version`` (as ``django.VERSION``) is a release that the text of tox.ini tests by its name."""
    major, minor, _, kind, _ = version
    return kind == "final" and f"django{major}{minor}: Django~={major}.{minor}.0" in tox


def main(arguments: Sequence[str]) -> int:
    name = f"Django {django.__version__}"
    if is_tested_elsewhere(django.VERSION, TOX.read_text(encoding="utf-8")):
        sys.stdout.write(f"{name} is the newest, and other environments test it.\n")
        return 0
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
