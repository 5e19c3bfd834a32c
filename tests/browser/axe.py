"""axe in a page: what it finds against WCAG 2.2 AA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Page

ALL_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {
    # What else axe could report, such as each element that passes, takes most of the time and is not read.
    "resultTypes": ["violations"],
    "selectors": False,
}


def violations(page: Page, rules: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the violations that axe finds in ``page`` as it is shown now. ``rules``: the only rules, by axe's ids."""
    page.evaluate(AXE_SCRIPT)
    run_only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": ALL_TAGS}
    options = {"runOnly": run_only, **OPTIONS}
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options).then(run => run.violations)", options)
    return found
