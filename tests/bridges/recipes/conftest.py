"""A site that calls the simulator."""

from tests.calling_site import configure, simulator, telroi  # noqa: F401
