"""Phone verification by voice call: Telroi rings a number and reads out a code, the person types it."""

__version__ = "0.1.0"
