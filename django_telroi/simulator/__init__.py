"""A simulator of Telroi over real HTTP, for tests, demos and work on the pages. It needs only the standard library.

It stores OTPs and calls, and gives the same responses as measured with Telroi, including its quirks. A switch turns
each quirk off or each fault on.
"""

from __future__ import annotations

from django_telroi.simulator.otp import Call
from django_telroi.simulator.simulator import Simulator

__all__ = ["Call", "Simulator"]
