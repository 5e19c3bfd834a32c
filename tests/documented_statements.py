"""The table "Statements of a request" in docs/explanation/how.rst."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "how.rst"
ROW = re.compile(r"^   \* - (?P<request>.+)\n     - (?P<count>\d+)\n", re.MULTILINE)


def documented_statements() -> dict[str, int]:
    """Return the number of statements of each request."""
    text = PAGE.read_text().split("Statements of a request\n----", maxsplit=1)[1]
    return {row["request"]: int(row["count"]) for row in ROW.finditer(text)}
