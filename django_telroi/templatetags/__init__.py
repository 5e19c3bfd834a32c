"""Template tags: ``{% load telroi %}``."""
