"""The examinations of ``telroi_doctor``: settings, network, clock, cache, broker and database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django_telroi.management.doctor.broker import examine_queue
from django_telroi.management.doctor.findings import Finding, bad
from django_telroi.management.doctor.rate_limits import examine_cache
from django_telroi.management.doctor.rows import examine_rows
from django_telroi.management.doctor.setup import examine_settings
from django_telroi.management.doctor.telroi_api import examine_backend
from django_telroi.redaction import kind_of

EXAMINATIONS: dict[str, Callable[[], Iterable[Finding]]] = {
    "settings": examine_settings,
    "backend": examine_backend,
    "cache": examine_cache,
    "queue": examine_queue,
    "rows": examine_rows,
}


def examine() -> Iterator[Finding]:
    """Yield the findings of all examinations. An examination that raises is a finding, and the next ones still run."""
    for subject, examination in EXAMINATIONS.items():
        try:
            yield from examination()
        except Exception as error:  # noqa: BLE001 - only its type is shown: its text may contain a URL with a password
            cure = "Install this module in the site's environment." if isinstance(error, ImportError) else ""
            yield bad(subject, f"The examination failed: {kind_of(error)}.", cure)
