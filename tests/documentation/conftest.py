"""The pages of the documentation, built once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.documentation.built import build


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages: those that were built already, or pages that are built now."""
    built = os.environ.get("TELROI_DOCS_HTML")
    return Path(built) if built else build(tmp_path_factory.mktemp("html"))
