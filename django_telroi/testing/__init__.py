"""For a site's own tests: what was called with the in-memory backend, and a Telroi to try on.

In a test run calls go to ``outbox`` unless the site says otherwise, like Django's mail. Fixtures for pytest are in
``django_telroi.testing.fixtures``. ``BackendContract`` tests a backend of your own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django_telroi.backends.locmem import outbox
from django_telroi.simulator import Simulator
from django_telroi.testing.contract import BackendContract
from django_telroi.testing.remote_contract import RemoteBackendContract

__all__ = ["BackendContract", "RemoteBackendContract", "last_code_for", "outbox", "running_simulator"]


def last_code_for(number: str) -> str:
    """The code of the newest call in ``outbox`` to this number (E.164). Raises LookupError if there is none."""
    codes = [call.code for call in outbox if call.to == number]
    if not codes:
        raise LookupError(f"no call to this number among the {len(outbox)} in the outbox")
    return codes[-1]


@contextmanager
def running_simulator(*, port: int = 0, ledger: Path | None = None) -> Iterator[Simulator]:
    """A faithful Telroi on loopback; ``base_url`` and ``api_key`` are what ``settings.TELROI`` needs to call it.

    ``calls`` are the phones that rang. ``fail_next("reset")`` spoils the next request, ``advance(60)`` lets time pass;
    the other switches are methods too. ``ledger`` is a file to which each request is appended before it is carried out.
    """
    with Simulator(port=port, ledger=ledger) as simulator:
        yield simulator
