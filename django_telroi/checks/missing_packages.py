"""Checks of the packages that only parts of django-telroi need, those of telemetry included."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.backends import uses_telroi
from django_telroi.domain.states import Dispatch
from django_telroi.packages import CELERY, DJANGO_RATELIMIT, REQUESTS, Package

EXTRAS = {"opentelemetry": "telemetry", "prometheus": "prometheus"}
"""The extra of this package that installs what a value of ``TELEMETRY`` needs."""


def check_packages() -> Iterator[CheckMessage]:
    """Yield an error for each package that the settings need and Python does not find.

    ``checks.project`` does the same for the URLs of the API.
    """
    if conf.dispatch() == Dispatch.CELERY:
        yield from errors_without(CELERY, 'TELROI["DISPATCH"] = "celery"')
    if uses_telroi():
        yield from errors_without(REQUESTS, "The backend of Telroi's API")
        yield from errors_without(DJANGO_RATELIMIT, "The request budget of the API key")


def errors_without(package: Package, part: str) -> Iterator[CheckMessage]:
    """Yield an error if the package of ``part`` is not installed."""
    if not package.is_installed:
        yield Error(package.missing_for(part), hint=f"Install it: {package.install_command}", id="telroi.E039")


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
