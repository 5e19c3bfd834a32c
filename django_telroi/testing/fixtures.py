"""Fixtures for pytest. Set ``pytest_plugins = ["django_telroi.testing.fixtures"]`` in your ``conftest.py``."""

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
    """Stop the tests if the settings contain a live key. Hide ``TELROI_API_KEY`` of the environment from them."""
    # A developer's shell may have a live key. It is hidden and not rejected, because the tests do not need it.
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TELROI_API_KEY", raising=False)
        if _settings_contain_live_key():
            pytest.fail(
                "settings.TELROI contains a live key, so these tests could call phones and spend money. "
                "Remove API_KEY from the test settings, or use a test key.",
                pytrace=False,
            )
        yield


@pytest.fixture
def telroi_outbox() -> Iterator[list[LocmemCall]]:
    """Use the in-memory backend, with any settings. Returns the list of calls, which is empty at first."""
    outbox.clear()
    # The site's other settings stay, so its limits and purposes are tested too.
    with override_settings(TELROI={**conf.chosen(), "BACKEND": conf.LOCMEM_BACKEND}):
        yield outbox
    outbox.clear()


@pytest.fixture
def telroi_simulator() -> Iterator[Simulator]:
    """Run a simulator for this test and send calls to it over HTTP. Returns the simulator."""
    with running_simulator() as simulator:
        simulator_settings = {
            "BACKEND": conf.TELROI_BACKEND,
            "API_KEY": simulator.api_key,
            "BASE_URL": simulator.base_url,
            "PROXY_URL": None,  # a proxy would not find the simulator on this machine
            "WEBHOOK_SECRETS": [simulator.webhook_secret],
        }
        with override_settings(TELROI={**conf.chosen(), **simulator_settings}):
            yield simulator


def _settings_contain_live_key() -> bool:
    """A key for a simulator on this machine does not count. Without valid settings there is no key."""
    try:
        return conf.api_key().startswith(LIVE_KEY_PREFIX) and urlsplit(conf.base_url()).hostname not in LOOPBACK
    except ImproperlyConfigured:
        return False
