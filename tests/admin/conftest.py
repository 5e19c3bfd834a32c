"""The site of the service tests, a client of a superuser, and an attempt with events."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.services.conftest import configure, simulator, telroi
from tests.services.world import NUMBER, OTHER_NUMBER, wrong

__all__ = ["configure", "simulator", "telroi"]


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_superuser("grace")


@pytest.fixture
def staff(grace: User, client: Client) -> Client:
    client.force_login(grace)
    return client


@pytest.fixture
def attempt(telroi: Simulator, grace: User) -> VerificationAttempt:
    """An attempt with a wrong code, a lost answer and the right code. Its number is blocked afterwards."""
    attempt = services.start_verification(NUMBER, user=grace, purpose="payout", requester_ip="203.0.113.7")
    code = telroi.last_code_for(NUMBER)
    services.check_code(attempt.uuid, wrong(code), user=grace)
    telroi.fail_next("close", on="verify")
    for _ in range(2):
        services.check_code(attempt.uuid, code, user=grace)
    telroi.fail_next("otp_failed", message=f"<b>no route</b> to {OTHER_NUMBER}", on="send")
    services.start_verification(OTHER_NUMBER)
    services.block_number(OTHER_NUMBER, reason="asked us to", actor="grace")
    return attempt
