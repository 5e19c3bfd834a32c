"""Every code block of the page about moving from the phone method runs."""

from __future__ import annotations

from tests.docs_blocks import run_pages

PAGE = "migrating/two_factor_phone.rst"


def test_every_block_of_the_page_runs() -> None:
    assert run_pages([PAGE], "tests.bridges.two_factor.settings") == {PAGE: []}
