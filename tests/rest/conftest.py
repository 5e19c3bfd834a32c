"""A client of the API, users, and the simulator on a real socket."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.calling_site import configure, simulator, telroi
from tests.rest.world import PhoneApi

__all__ = ["configure", "simulator", "telroi"]


@pytest.fixture
def api() -> PhoneApi:
    """A client without a login."""
    return PhoneApi()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password="ada's")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben", password="ben's")
