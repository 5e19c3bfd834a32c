"""Check that a tag may be released: ``python tests/project/check_release.py v0.1.0``.

The tag must be ``v`` and ``django_telroi.__version__``, and the newest entry of the changelog must have this version
and a date. The exit status is 1 otherwise.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def problem_with(tag: str, *, version: str, changelog: str) -> str:
    """Return why ``tag`` must not be released, or ``""``."""
    if tag != f"v{version}":
        return f"The tag is {tag} and the version is {version}. The tag must be v{version}."
    heading = re.search(r"^## \[(.+?)\] - (.+)$", changelog, re.MULTILINE)
    if heading is None or heading[1] != version:
        return f"The newest entry of CHANGELOG.md is not {version}."
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading[2]):
        return f"CHANGELOG.md has no date for {version}. Write the date of today instead of {heading[2]!r}."
    return ""


def main() -> None:
    [tag] = sys.argv[1:]
    package = (ROOT / "django_telroi" / "__init__.py").read_text()
    [version] = re.findall('^__version__ = "(.+)"$', package, re.MULTILINE)
    problem = problem_with(tag, version=version, changelog=(ROOT / "CHANGELOG.md").read_text())
    raise SystemExit(problem or 0)


if __name__ == "__main__":
    main()
