"""Every link inside the documentation leads to a page and an anchor that exist."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.docs


class Anchors(HTMLParser):
    """The ids of a page, and the targets of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {value for value in (values.get("id"), values.get("name")) if value}
        self.links |= {value for value in (values.get("href"), values.get("src")) if value}


def test_no_link_is_broken(pages: Path) -> None:
    anchors = {path.resolve(): Anchors(path.read_text()) for path in pages.rglob("*.html")}
    broken, count = [], 0

    for path, page in anchors.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            is_found = target.is_file() and (
                target not in anchors or not parts.fragment or _has(anchors[target], parts.fragment)
            )
            if not is_found:
                broken.append(f"{path.relative_to(pages.resolve())}: {link}")

    assert broken == []
    assert count > 3000


def _has(page: Anchors, fragment: str) -> bool:
    return unquote(fragment) in page.ids
