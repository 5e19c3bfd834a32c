"""What a person does on django-allauth's pages, and what they see there."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from django.contrib.auth import get_user_model
from django.test import Client

from django_telroi import services
from django_telroi.simulator import Simulator

NUMBER = "+31612345678"
OTHER_NUMBER = "+31687654321"
PASSWORD = "correct horse battery"

PLACED = "Answer your phone and type the code you hear. It is read twice."
TOO_SOON = "We called this number a moment ago. You can ask for another call"
STOPPED = "Calls are switched off at the moment. Try again later."
WRONG_CODE = "Incorrect code."


def sign_up(client: Client, number: str = NUMBER) -> Any:
    return client.post("/accounts/signup/", {"phone": number, "password1": PASSWORD}, follow=True)


def verify(client: Client, code: str) -> Any:
    return client.post("/accounts/phone/verify/", {"code": code}, follow=True)


def ask_login_code(client: Client, number: str = NUMBER) -> Any:
    return client.post("/accounts/login/code/", {"phone": number}, follow=True)


def type_login_code(client: Client, code: str) -> Any:
    return client.post("/accounts/login/code/confirm/", {"code": code}, follow=True)


def log_in(client: Client, number: str = NUMBER) -> Any:
    return client.post("/accounts/login/", {"login": number, "password": PASSWORD}, follow=True)


def resend(client: Client, path: str) -> Any:
    return client.post(path, {"action": "resend"}, follow=True)


def member(telroi: Simulator, number: str = NUMBER) -> Any:
    """Sign a person up and verify their number, in a browser of their own. The limits of the number are reset."""
    browser = Client()
    sign_up(browser, number)
    verify(browser, telroi.last_code_for(number))
    wait(telroi, number)
    return get_user_model().objects.get(verified_phones__number=number)


def wait(telroi: Simulator, number: str = NUMBER) -> None:
    """End the cooldown of a number, on this site and at the provider."""
    telroi.advance(61)
    services.reset_limits(number, actor="tests")


def text_of(page: Any) -> str:
    return " ".join(BeautifulSoup(page.content, "html.parser").get_text(" ").split())


def path_of(page: Any) -> str:
    return str(page.request["PATH_INFO"])
