"""Fixtures: ``pytest_plugins = ["django_telroi.testing.fixtures"]`` in a site's ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_telroi import conf
from django_telroi.backends.locmem import LocmemCall
from django_telroi.simulator import Simulator
from django_telroi.testing import outbox, running_simulator

LIVE_KEY_PREFIX = "tlr_live_"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@pytest.fixture(scope="session", autouse=True)
def telroi_refuses_a_live_key() -> Iterator[None]:
    """No test runs with a live key in the settings; one in the environment is out of sight meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TELROI_API_KEY", raising=False)
        if _settings_hold_a_live_key():
            pytest.fail(
                "settings.TELROI holds a live key: these tests could ring people and spend money. "
                "Leave API_KEY out of the test settings, or use a test key.",
                pytrace=False,
            )
        yield


@pytest.fixture
def telroi_outbox() -> Iterator[list[LocmemCall]]:
    """Calls go to memory whatever the settings say; the list begins empty."""
    outbox.clear()
    with override_settings(TELROI={**conf.chosen(), "BACKEND": conf.LOCMEM_BACKEND}):
        yield outbox
    outbox.clear()


@pytest.fixture
def telroi_simulator() -> Iterator[Simulator]:
    """Calls go over HTTP to a simulator of this test's own."""
    with running_simulator() as simulator:
        answering = {
            "BACKEND": conf.TELROI_BACKEND,
            "API_KEY": simulator.api_key,
            "BASE_URL": simulator.base_url,
            "PROXY_URL": None,
            "WEBHOOK_SECRETS": [simulator.webhook_secret],
        }
        with override_settings(TELROI={**conf.chosen(), **answering}):
            yield simulator


def _settings_hold_a_live_key() -> bool:
    """A key that only opens a simulator is none; nor can there be one without settings."""
    try:
        return conf.api_key().startswith(LIVE_KEY_PREFIX) and urlsplit(conf.base_url()).hostname not in LOOPBACK
    except ImproperlyConfigured:
        return False
