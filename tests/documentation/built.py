"""The documentation as Sphinx builds it: its pages, and the names in its inventory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
ENTRY = re.compile(r"^(.+?)\s+([\w-]+:[\w-]+)\s+\d+\s+\S+\s+.*$", re.MULTILINE)
"""An entry with a priority below 0 is another name of a class: that of the module which defines it."""


def build(folder: Path) -> Path:
    """Build the pages into the folder, and return it. A warning of Sphinx fails."""
    # Warnings of Sphinx's own code and of extensions are not about the documentation.
    ours = {"DJANGO_SETTINGS_MODULE", "PYTHONDEVMODE", "PYTHONWARNINGS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "-q", "-b", "html", DOCS, folder]
    subprocess.run(command, check=True, env=environment)
    return folder


def inventory(pages: Path) -> dict[str, set[str]]:
    """Return the names that other documentation can link to, by kind, such as ``std:confval``."""
    content = (pages / "objects.inv").read_bytes()
    *_, compressed = content.split(b"\n", 4)
    names: dict[str, set[str]] = {}
    for name, kind in ENTRY.findall(zlib.decompress(compressed).decode()):
        names.setdefault(kind, set()).add(name)
    return names
