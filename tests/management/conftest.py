"""A site that calls a Telroi on a real socket."""

from __future__ import annotations

from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]
