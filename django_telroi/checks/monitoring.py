"""Checks of telemetry."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from django.core import checks
from django.core.checks import CheckMessage

from django_telroi import conf

EXTRAS = {"opentelemetry": "telemetry", "prometheus": "prometheus"}
"""The extra of this package that installs what a value of ``TELEMETRY`` needs."""


def check_telemetry() -> Iterator[CheckMessage]:
    """Yield a warning for each value of ``TELEMETRY`` whose package is not installed."""
    for name in conf.telemetry():
        package = conf.TELEMETRY_PACKAGES[name]
        if find_spec(package) is None:
            yield checks.Warning(
                f'TELROI["TELEMETRY"] has "{name}", but {package} is not installed. Nothing is measured with it.',
                hint=f'Install the extra: python -m pip install "django-telroi[{EXTRAS[name]}]".',
                id="telroi.W040",
            )
