"""The pages of the documentation: nothing is cut off on a phone or a laptop, and axe finds no barrier."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.axe import violations
from tests.documentation.built import build

pytestmark = pytest.mark.browser

# What sticks out of the page, and each table that is wider than its place. A block of code may scroll.
CUT_OFF = """() => {
  const page = document.documentElement
  const tables = [...document.querySelectorAll("table")]
  const places = tables.map(table => table.closest(".table-wrapper") || table)
  const wide = places.filter(place => place.scrollWidth > place.clientWidth)
  const words = wide.map(place => place.textContent.trim().slice(0, 60))
  return page.scrollWidth > page.clientWidth ? ["the page", ...words] : words
}"""


@pytest.fixture(scope="session")
def docs_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = os.environ.get("TELROI_DOCS_HTML")
    return Path(built) if built else build(tmp_path_factory.mktemp("html"))


@pytest.fixture
def docs_page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def html_files(docs_pages: Path) -> list[Path]:
    return [path for path in sorted(docs_pages.rglob("*.html")) if "_static" not in path.parts]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(width: int, docs_pages: Path, docs_page: Page) -> None:
    docs_page.set_viewport_size({"width": width, "height": 900})
    files = html_files(docs_pages)
    cut_off: dict[str, Any] = {}

    for path in files:
        docs_page.goto(path.as_uri())
        if found := docs_page.evaluate(CUT_OFF):
            cut_off[str(path.relative_to(docs_pages))] = found

    assert cut_off == {}
    assert len(files) > 50


OF_THEMES = ("color-contrast", "link-in-text-block", "image-alt", "role-img-alt", "svg-img-alt")
"""axe's rules about what a theme changes: colours, and the pictures that only one theme shows."""


def test_each_page_is_accessible(docs_pages: Path, docs_page: Page) -> None:
    found: dict[tuple[str, str], Any] = {}

    for path in html_files(docs_pages):
        docs_page.emulate_media(color_scheme="light")
        docs_page.goto(path.as_uri())
        in_theme = {"light": violations(docs_page)}
        docs_page.emulate_media(color_scheme="dark")
        in_theme["dark"] = violations(docs_page, OF_THEMES)
        for theme, barriers in in_theme.items():
            if barriers:
                nodes = [(each["id"], [node["html"] for node in each["nodes"]]) for each in barriers]
                found[str(path.relative_to(docs_pages)), theme] = nodes

    assert found == {}


def test_axe_sees_the_dark_theme(docs_pages: Path, docs_page: Page) -> None:
    """A text that can be read in the light theme only is found."""
    docs_page.goto((docs_pages / "index.html").as_uri())
    docs_page.evaluate("document.querySelector('h1').style.color = '#000'")
    assert violations(docs_page, OF_THEMES) == []

    docs_page.emulate_media(color_scheme="dark")

    assert [each["id"] for each in violations(docs_page, OF_THEMES)] == ["color-contrast"]
