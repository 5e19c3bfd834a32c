"""What a site's own tests need: a verified phone, the calls of a test, and each refusal and failure by its name.

In a test run, calls go to ``outbox`` unless a test sets another backend, as with Django's mail. ``fake_telroi`` and
``FakeTelroiMixin`` play failures too. pytest has the fixtures of ``django_telroi.pytest_plugin``. ``BackendContract``
tests a backend of your own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django_telroi.backends.locmem import outbox
from django_telroi.simulator import Simulator
from django_telroi.testing.contract import BackendContract
from django_telroi.testing.fake_telroi import FakeTelroi, fake_telroi, simulated_telroi
from django_telroi.testing.remote_contract import RemoteBackendContract
from django_telroi.testing.scenario_table import Scenario
from django_telroi.testing.scenarios import SCENARIOS
from django_telroi.testing.settings_of_test import rate_limits
from django_telroi.testing.test_cases import FakeTelroiMixin
from django_telroi.testing.verified_rows import verify_phone

__all__ = [
    "SCENARIOS",
    "BackendContract",
    "FakeTelroi",
    "FakeTelroiMixin",
    "RemoteBackendContract",
    "Scenario",
    "fake_telroi",
    "last_code_for",
    "outbox",
    "rate_limits",
    "running_simulator",
    "simulated_telroi",
    "verify_phone",
]


def last_code_for(number: str) -> str:
    """Return the code of the newest call in ``outbox`` to ``number`` (E.164). Raises LookupError if there is none."""
    codes = [call.code for call in outbox if call.to == number]
    if not codes:
        raise LookupError(f"None of the {len(outbox)} calls in the outbox is to this number.")
    return codes[-1]


@contextmanager
def running_simulator(*, port: int = 0, ledger: Path | None = None) -> Iterator[Simulator]:
    """Run a simulator of Telroi on loopback while the context lasts, and return it.

    Set its ``base_url`` and ``api_key`` in ``settings.TELROI``. ``calls`` are the phones that rang.
    ``fail_next("reset")`` makes the next request fail. ``advance(60)`` advances its clock by 60 seconds. The other
    switches are methods too.

    ``port``: the port to listen on; 0 chooses a free one. ``ledger``: a file to which each request is appended before
    it is carried out. Raises OSError if the port is in use.
    """
    with Simulator(port=port, ledger=ledger) as simulator:
        yield simulator
