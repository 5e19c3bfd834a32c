"""Mend what the theme and Sphinx write and axe reports: landmarks without names, headings without levels and so on.

The pages are changed after the build, because neither has an option or a template for it.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

REPLACEMENTS = (
    # The captions in the list of pages are headings. A heading needs a level.
    (re.compile(r'<p class="caption" role="heading">'), '<p class="caption" role="heading" aria-level="2">'),
    (re.compile(r'<aside class="sidebar-drawer">'), '<aside class="sidebar-drawer" aria-label="All pages">'),
    (re.compile(r'<aside class="toc-drawer( no-toc)?">'), r'<aside class="toc-drawer\1" aria-label="On this page">'),
    # A block of code scrolls on a small screen, so the keyboard must reach it.
    (re.compile(r"<pre>"), '<pre tabindex="0">'),
    # The parameters of a long signature are a list of definitions without terms.
    (re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>"), r'<div class="sig-params">\n\1</div>'),
    (re.compile(r'<dd>(<em class="sig-param">.*)</dd>'), r"<div>\1</div>"),
    # The page of the search has no heading.
    (re.compile(r'(<article role="main" id="furo-main-content">\s*)(<noscript>)'), r"\1<h1>Search</h1>\n\2"),
)


def mend_pages(app: Sphinx, error: Exception | None) -> None:
    """Change the pages that this build wrote, and leave those that are mended already."""
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        before = after = page.read_text()
        for pattern, replacement in REPLACEMENTS:
            after = pattern.sub(replacement, after)
        if after != before:
            page.write_text(after)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
