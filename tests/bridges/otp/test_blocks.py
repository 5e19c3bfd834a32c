"""Every code block of the page about django-otp runs."""

from __future__ import annotations

from tests.docs_blocks import run_pages


def test_every_block_of_the_page_runs() -> None:
    assert run_pages(["integrations/otp.rst"], "tests.bridges.otp.settings") == {"integrations/otp.rst": []}
