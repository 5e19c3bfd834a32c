"""A site whose users log in by phone. Calls go to the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.conf import TELROI_BACKEND
from django_telroi.simulator import Simulator
from django_telroi.testing import outbox, running_simulator
from tests.web.visitor import NUMBER, Visitor

Configure = Any


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[Any]:
    settings.INSTALLED_APPS = [*project.INSTALLED_APPS, "django_telroi.contrib.login"]
    settings.ROOT_URLCONF = "tests.login.site"
    settings.LOGIN_REDIRECT_URL = "home"
    settings.TELROI = {"LOGIN_ALTERNATIVE_URL": "login", "ONE_ACCOUNT_PER_NUMBER": True}
    outbox.clear()
    yield settings
    outbox.clear()


@pytest.fixture
def configure(site: Any) -> Configure:
    """Return a function that sets keys of ``TELROI`` and keeps the others."""

    def change(**keys: Any) -> None:
        site.TELROI = {**site.TELROI, **keys}

    return change


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def telroi(configure: Configure, simulator: Simulator) -> Iterator[Simulator]:
    """The simulator over HTTP instead of the outbox."""
    simulator.reset()
    configure(
        BACKEND=TELROI_BACKEND,
        BASE_URL=simulator.base_url,
        KEY_REQUESTS_PER_MINUTE=10**6,  # no test may reach it
        API_KEY=simulator.api_key,
    )
    yield simulator
    simulator.reset()


@pytest.fixture
def ada(db: None) -> User:
    """A user with a verified number."""
    return account("ada", NUMBER)


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor(Client())


def account(name: str, number: str, **fields: Any) -> User:
    user = User.objects.create_user(name, **fields)
    services.record_verification(user, number)
    return user
