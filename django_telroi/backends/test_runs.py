"""No test run rings a phone, whatever the settings are.

Like Django's mail: a test suite needs no change to be safe. A test that wants its own backend gives it a provider on
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

    False for what is no backend: it is refused elsewhere.
    """
    if not conf.is_test_run():
        return False
    kind = backend if isinstance(backend, type) else type(backend)
    return issubclass(kind, Backend) and bool(kind.rings) and not _is_on_this_machine(kind)


def _is_on_this_machine(kind: type[Backend]) -> bool:
    """False if the backend does not say so, or fails to say where it sends its requests."""
    try:
        return urlsplit(kind.provider_url()).hostname in LOOPBACK_HOSTS
    except Exception:  # noqa: BLE001 - a site's own backend may raise anything
        return False
