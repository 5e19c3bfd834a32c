"""The modules of the project are the blocks of the page about django-tenants."""

from __future__ import annotations

from typing import Any

from tests.docs_blocks import blocks_of_page

PAGE = "integrations/tenants.rst"


def execute(file: str, names: dict[str, Any]) -> None:
    """Execute the block of the page with this caption in the module whose names are ``names``."""
    [block] = [block for block in blocks_of_page(PAGE) if block.file == file]
    exec(compile(block.body, str(block), "exec"), names)
