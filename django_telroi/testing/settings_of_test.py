"""Settings that hold for a part of a test, over those of the settings file and of ``override_settings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from django.core.cache import caches

from django_telroi import conf
from django_telroi.conf import values


@contextmanager
def telroi_settings(**keys: Any) -> Iterator[None]:
    """Set keys of ``settings.TELROI`` while the context lasts, and keep the others.

    Raises TypeError for a key that is not a setting, and RuntimeError in a process that runs no tests.
    """
    refuse_outside_of_tests()
    # A misspelt key would change nothing, and the test would pass for another reason.
    for key in keys.keys() - values.DEFAULTS.keys():
        raise TypeError(f'TELROI["{key}"] is not a setting. {values.hint_for_unknown(key)}')
    below = values.chosen

    def chosen() -> Mapping[str, Any]:
        return {**below(), **keys}

    # Not ``override_settings``: it restores the settings that it found. Ended before an older override of the same
    # test, it would leave that one's values to all later tests.
    with ExitStack() as patches:
        for module in (values, conf):
            patches.enter_context(patch.object(module, "chosen", chosen))
        yield


@contextmanager
def rate_limits(rates: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Count requests against ``RATES`` while the context lasts, from zero. It can decorate a test.

    Otherwise a test run counts no requests, because all of them come from one address. ``rates``: replaces the
    setting ``RATES``. The requests are counted in a cache in memory, with any ``CACHES``.

    Raises RuntimeError in a process that runs no tests.
    """
    # Here and not when the decorator is made: pytest imports the modules of tests before pytest-django sets up its
    # environment.
    refuse_outside_of_tests()
    alias = f"telroi-test-{uuid4()}"
    chosen = values.read("RATES") if rates is None else rates
    # A copy: the object of the settings file would not be counted.
    own = dict(chosen) if isinstance(chosen, Mapping) else chosen
    caches.settings[alias] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": alias}
    try:
        with telroi_settings(RATES=own), patch.object(conf, "rate_limit_cache", lambda: alias):
            yield
    finally:
        caches[alias].clear()
        del caches.settings[alias]


def refuse_outside_of_tests() -> None:
    """Raise RuntimeError in a process that runs no tests. There the helpers would change the numbers of real people.

    Each public name that changes settings, limits, rows or calls begins with it.
    """
    if not conf.is_test_run():
        raise RuntimeError(
            "django_telroi.testing works in Django's test environment only: manage.py test, pytest-django, or a "
            "process that called django.test.utils.setup_test_environment()."
        )
