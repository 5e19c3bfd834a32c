"""The same site as the services have."""

from __future__ import annotations

from tests.services.conftest import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]
