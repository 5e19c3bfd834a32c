"""What every test stands on."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from hypothesis import settings

# How long one example takes says more about the machine than about the code.
settings.register_profile("telroi", deadline=None, print_blob=True)
settings.load_profile("telroi")


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> None:
    """The doorkeeper counts in the cache, and every test comes from one address."""
    cache.clear()
