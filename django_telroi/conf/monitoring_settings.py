"""The settings of telemetry."""

from __future__ import annotations

from django_telroi.conf import values

TELEMETRY_PACKAGES = {"opentelemetry": "opentelemetry", "prometheus": "prometheus_client"}
"""The values of ``TELEMETRY``, with the Python package that each one needs."""


def telemetry() -> list[str]:
    """Return what measures this site, a selection of ``TELEMETRY_PACKAGES``. It is read when the site starts."""
    chosen = values.texts("TELEMETRY")
    if set(chosen) - TELEMETRY_PACKAGES.keys():
        raise values.invalid_setting("TELEMETRY", 'a list out of "opentelemetry" and "prometheus"')
    return chosen


def trace_headers() -> bool:
    """Return True if requests to Telroi carry the headers of the site's traces."""
    return values.boolean("TRACE_HEADERS")
