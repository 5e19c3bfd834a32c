"""What the system checks cannot see: the network, the clock, the cache, the broker and the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django_telroi.management.doctor.broker import examine_queue
from django_telroi.management.doctor.findings import Finding, bad
from django_telroi.management.doctor.rate_limits import examine_cache
from django_telroi.management.doctor.rows import examine_rows
from django_telroi.management.doctor.setup import examine_settings
from django_telroi.management.doctor.telroi_api import look_at_backend
from django_telroi.redaction import kind_of

EXAMINATIONS: dict[str, Callable[[], Iterable[Finding]]] = {
    "settings": examine_settings,
    "backend": look_at_backend,
    "cache": examine_cache,
    "queue": examine_queue,
    "rows": examine_rows,
}


def examine() -> Iterator[Finding]:
    """Every look, each by itself: one that breaks is a finding too, and hides none of the others."""
    for subject, look in EXAMINATIONS.items():
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - its text may hold a password of a URL, so only its kind is told
            cure = "Install this module in the environment of the site." if isinstance(error, ImportError) else ""
            yield bad(subject, f"This could not be looked at: {kind_of(error)}.", cure)
