"""A site that calls the simulator on a real socket."""

from __future__ import annotations

from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]
