"""Every code block of the page about a number on file runs."""

from __future__ import annotations

from tests.docs_blocks import run_pages

PAGE = "integrations/phonenumber_field.rst"


def test_every_block_of_the_page_runs() -> None:
    assert run_pages([PAGE], "tests.bridges.phonenumber_field.settings") == {PAGE: []}
