"""The simulator on a real socket, and secrets that the tests search for in all output."""

from __future__ import annotations

import pytest

from django_telroi.simulator import Simulator
from tests.secrets.canaries import Canaries
from tests.services.conftest import Configure, ada, configure, simulator, telroi

__all__ = ["ada", "canaries", "configure", "simulator", "telroi"]


@pytest.fixture
def canaries(telroi: Simulator, configure: Configure) -> Canaries:
    configure(CODE_LENGTH=10)
    telroi.set_policy(cooldown=0, per_hour=10_000, per_day=10_000)
    for n in range(1000):  # more than any test uses; Telroi itself would make codes of six digits
        telroi.next_otp(code=f"9081726{n:03d}")  # too long to appear by chance
    return Canaries(telroi)
