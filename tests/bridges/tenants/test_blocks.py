"""Every code block of the page about django-tenants runs."""

from __future__ import annotations

import os
from unittest.mock import patch

from tests.docs_blocks import run_pages


def test_every_block_of_the_page_runs() -> None:
    with patch.dict(os.environ, {"TELROI_KEYS_FILE": os.devnull}):
        problems = run_pages(["integrations/tenants.rst"], "tests.bridges.tenants.settings")

    assert problems == {"integrations/tenants.rst": []}
