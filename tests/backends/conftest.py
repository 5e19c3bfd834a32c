"""The simulator and the site of the service tests."""

from __future__ import annotations

from tests.services.conftest import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]
