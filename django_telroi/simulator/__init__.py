"""A faithful Telroi over real HTTP, standard library only: for tests, demos and work on the pages.

It keeps real state and answers as the real one was measured to, quirks included; each quirk and each fault is a switch.
"""

from __future__ import annotations

from django_telroi.simulator.otp_store import Call
from django_telroi.simulator.simulator import Simulator

__all__ = ["Call", "Simulator"]
