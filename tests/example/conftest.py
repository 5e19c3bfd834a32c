"""The example's site inside the test project, and its simulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from django_telroi.simulator import Simulator

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "example_project"
sys.path.insert(0, str(EXAMPLE))

SITE = {
    "PURPOSES": ["", "signup"],
    "LOGIN_ALTERNATIVE_URL": "log-in",
    "LOGIN_SIGN_UP_URL": "sign-up",
    "LOGIN_PURPOSES": ["", "signup", "login"],
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as telroi:
        yield telroi


@pytest.fixture
def example_site(settings: LazySettings) -> LazySettings:
    """The example without a simulator. Its calls are printed in the terminal."""
    settings.INSTALLED_APPS = ["members", "example", *settings.INSTALLED_APPS, "django_telroi.contrib.login"]
    (engine,) = settings.TEMPLATES
    processors = [*engine["OPTIONS"]["context_processors"], "example.handset.where_calls_go"]
    settings.TEMPLATES = [engine | {"OPTIONS": {"context_processors": processors}}]
    settings.MIDDLEWARE = ["example.middleware.content_security_policy", *settings.MIDDLEWARE]
    settings.ROOT_URLCONF = "example.urls"
    settings.LOGIN_URL, settings.LOGIN_REDIRECT_URL, settings.LOGOUT_REDIRECT_URL = "log-in", "members", "home"
    settings.SIMULATOR_URL = None
    settings.TELROI = {**SITE, "BACKEND": "django_telroi.backends.console.ConsoleBackend"}
    return settings


@pytest.fixture
def with_simulator(example_site: LazySettings, simulator: Simulator) -> Simulator:
    """The example with a simulator, as ``make demo`` starts it."""
    example_site.SIMULATOR_URL = simulator.base_url
    example_site.TELROI = {
        **SITE,
        "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
        "API_KEY": simulator.api_key,
        "BASE_URL": simulator.base_url,
        "KEY_REQUESTS_PER_MINUTE": 10**6,  # a test sends more requests than a site does in a minute
    }
    return simulator
