"""axe in a page: what it finds against WCAG 2.2 AA."""

from __future__ import annotations

from typing import Any

from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Page

OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    # What else axe could report, such as each element that passes, takes most of the time and is not read.
    "resultTypes": ["violations"],
    "selectors": False,
}


def violations(page: Page) -> list[dict[str, Any]]:
    """Return the violations that axe finds in ``page`` as it is shown now."""
    page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options).then(run => run.violations)", OPTIONS)
    return found
