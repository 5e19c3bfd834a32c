"""A person in front of the pages, and the simulator on a real socket."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client
from two_factor.plugins.phonenumber.models import PhoneDevice

from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]

NUMBER = "+2348031234567"
PASSWORD = "correct horse"


class Person:
    """Follows the pages of django-two-factor-auth as a browser does: it posts the form of the page that it sees."""

    def __init__(self, **client: Any) -> None:
        self.client = Client(**client)
        self.page = BeautifulSoup("", "html.parser")
        self.url = ""
        self.status = 0

    def open(self, url: str) -> Person:
        self.url = url
        return self._see(self.client.get(url, follow=True))

    def send(self, **typed: str) -> Person:
        """Post the form that contains the fields, with its hidden fields."""
        shown = {field["name"]: field.get("value", "") for field in self.page.select("input[type=hidden][name]")}
        fields = {field["name"].rpartition("-")[2]: field["name"] for field in self.page.select("form input[name]")}
        return self._see(
            self.client.post(self.url, shown | {fields.get(k, k): v for k, v in typed.items()}, follow=True)
        )

    def _see(self, answer: Any) -> Person:
        self.status = answer.status_code
        self.url = answer.redirect_chain[-1][0] if answer.redirect_chain else self.url
        self.page = BeautifulSoup(answer.content, "html.parser")
        return self

    @property
    def text(self) -> str:
        return " ".join(self.page.get_text(" ").split())

    @property
    def errors(self) -> list[str]:
        return [error.get_text() for error in self.page.select(".errorlist li")]

    @property
    def step(self) -> str:
        return str(self.page.select_one("input[name$=current_step]")["value"])  # type: ignore[index]

    def log_in(self) -> Person:
        return self.open("/account/login/").send(username="ada", password=PASSWORD)


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def phone(ada: User) -> PhoneDevice:
    """The phone that Ada's log-in calls."""
    return PhoneDevice.objects.create(user=ada, name="default", method="call", number=NUMBER, key="a1" * 20)


@pytest.fixture
def person() -> Person:
    return Person()
