"""The URLconf of the page about Wagtail."""

from __future__ import annotations

from tests.docs_blocks import blocks_of_page

for block in blocks_of_page("integrations/wagtail.rst"):
    if block.file == "home/urls.py":
        exec(compile(block.body, str(block), "exec"))
