"""Telemetry: spans and metrics, with OpenTelemetry's API or Prometheus' library, if ``TELEMETRY`` names them.

Neither library is imported unless the setting names it, nor any other module of this package. See "Monitoring" in the
documentation.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from django_telroi import conf


def connect() -> None:
    """Measure this process with the libraries that ``TELEMETRY`` names. Called when the site starts."""
    try:
        chosen = conf.telemetry()
    except ImproperlyConfigured:
        return  # a system check reports the invalid setting
    if chosen:
        from django_telroi.telemetry.connecting import connect_sinks

        connect_sinks(chosen)
