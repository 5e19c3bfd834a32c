"""Every code block of the pages about dj-rest-auth and django-ninja runs."""

from __future__ import annotations

import pytest

from tests.docs_blocks import run_pages


@pytest.mark.parametrize("page", ["integrations/dj_rest_auth.rst", "integrations/ninja.rst"])
def test_every_block_of_the_page_runs(page: str) -> None:
    assert run_pages([page], "tests.bridges.recipes.settings") == {page: []}
