"""Test runs never call a phone, with any settings.

A site's test suite needs no change to be safe, as with Django's mail. A test of a real backend starts a provider on
this machine.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django_telroi import conf
from django_telroi.backends.base import Backend

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

REFUSED = (
    "A test run never calls a phone. Set TELROI['BACKEND'] to \"django_telroi.backends.locmem.LocmemBackend\" in this "
    "test. Or use a provider on this machine: for Telroi set TELROI['BASE_URL'] to a simulator "
    "(django_telroi.testing.running_simulator), for a backend of your own let its provider_url() return a URL with the "
    "host 127.0.0.1, ::1 or localhost. A test double that sends nothing sets rings = False."
)


def would_ring_from_test_run(backend: object) -> bool:
    """Whether this is a test run and ``backend`` (a class or an instance) may send requests to another machine.

    Returns False for an object that is not a backend. Other code rejects it.
    """
    if not conf.is_test_run():
        return False
    kind = backend if isinstance(backend, type) else type(backend)
    return issubclass(kind, Backend) and bool(kind.rings) and not _is_on_this_machine(kind)


def _is_on_this_machine(kind: type[Backend]) -> bool:
    """Whether ``provider_url`` has a host on this machine. False if it raises an exception."""
    try:
        return urlsplit(kind.provider_url()).hostname in LOOPBACK_HOSTS
    except Exception:  # noqa: BLE001 - a site's own backend may raise anything
        return False
