from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]
