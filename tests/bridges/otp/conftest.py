"""A person in front of a login page with django-otp's form, and the simulator on a real socket."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.contrib.otp.models import CallDevice
from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]

NUMBER = "+2348031234567"
PASSWORD = "correct horse"


class Person:
    """Types a password, asks for a code with the button of the form, and types the code."""

    def __init__(self, url: str = "/login/") -> None:
        self.client = Client()
        self.url = url
        self.page = BeautifulSoup("", "html.parser")
        self.status = 0

    def send(self, **typed: str) -> Person:
        """Post the form. The only device of the list is selected once the list is shown."""
        option = self.page.select_one("select[name=otp_device] option[value]:not([value=''])")
        chosen = {"otp_device": str(option["value"])} if option else {}
        fields = {"username": "ada", "password": PASSWORD, **chosen, **typed}
        answer = self.client.post(self.url, fields, follow=True)
        self.status = answer.status_code
        self.page = BeautifulSoup(answer.content, "html.parser")
        return self

    def ask_for_call(self) -> Person:
        return self.send().send(otp_challenge="1")

    def type(self, code: str) -> Person:
        return self.send(otp_token=code)

    @property
    def is_verified(self) -> bool:
        return self.client.get("/verified/").status_code == 200

    @property
    def errors(self) -> list[str]:
        return [" ".join(error.get_text().split()) for error in self.page.select(".errorlist li, .errornote")]


@pytest.fixture(autouse=True)
def _no_throttle(settings: Any) -> None:
    """The tests of the throttle set it. The others would wait for seconds after each wrong code."""
    settings.OTP_TELROI_THROTTLE_FACTOR = 0


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


@pytest.fixture
def device(ada: User) -> CallDevice:
    return CallDevice.objects.create(user=ada, name="phone", number=NUMBER)


@pytest.fixture
def person() -> Person:
    return Person()
