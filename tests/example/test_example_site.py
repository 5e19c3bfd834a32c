"""The home page, and which visitor gets which call."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.conf import LazySettings, settings
from django.test import Client

from django_telroi.client import TelroiClient
from django_telroi.simulator import Simulator

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


def page(client: Client, url: str = "/") -> BeautifulSoup:
    return BeautifulSoup(client.get(url).content, "html.parser")


def send(client: Client, **typed: str) -> None:
    """Send the form of the home page with typed values."""
    form = page(client).select_one(".telroi-card form")
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input", attrs={"name": True})}
    assert client.post(form["action"], fields | typed).status_code == 302


def heard(client: Client) -> Any:
    return client.get("/handset/").json()["call"]


@pytest.mark.usefixtures("with_simulator")
def test_the_home_page_shows_the_form_beside_the_handset(client: Client) -> None:
    home = page(client)

    assert home.select_one(".pitch input[type=tel]")
    assert home.select_one("#handset")["data-call-url"] == "/handset/"


@pytest.mark.usefixtures("with_simulator")
@pytest.mark.parametrize("url", ["/", "/phone/", "/handset/transcript/"])
def test_a_page_with_a_strict_csp_has_no_inline_code(client: Client, url: str) -> None:
    reply = client.get(url)
    shown = BeautifulSoup(reply.content, "html.parser")

    assert reply.headers["Content-Security-Policy"] == "default-src 'self'"
    assert not shown.find_all("style")
    assert not [script for script in shown.find_all("script") if not script.get("src")]
    assert not [tag for tag in shown.find_all() if any(name == "style" or name.startswith("on") for name in tag.attrs)]


def test_the_handset_gets_the_call_of_its_visitor(client: Client, with_simulator: Simulator) -> None:
    send(client, number=NUMBER)

    call = heard(client)

    assert call["code"] == with_simulator.last_code_for(NUMBER)
    assert 0 <= call["age"] < 30


@pytest.mark.usefixtures("with_simulator")
def test_other_visitors_do_not_get_it(client: Client) -> None:
    send(client, number=NUMBER)

    assert heard(Client()) is None
    assert "There is no call." in page(Client(), "/handset/transcript/").text


def test_calls_to_other_numbers_are_not_shown(client: Client, with_simulator: Simulator) -> None:
    send(client, number=NUMBER)
    code = with_simulator.last_code_for(NUMBER)
    TelroiClient(with_simulator.api_key, base_url=with_simulator.base_url).place_otp("+12015550123")

    assert heard(client)["code"] == code


@pytest.mark.usefixtures("with_simulator")
def test_without_javascript_a_page_shows_the_code(client: Client) -> None:
    send(client, number=NUMBER)
    link = page(client).select_one("#handset noscript a")

    digits = page(client, link["href"]).select_one(".transcript").text.split()

    assert "".join(digits) == heard(client)["code"]


@pytest.mark.usefixtures("with_simulator")
def test_after_the_right_code_the_handset_is_silent(client: Client) -> None:
    send(client, number=NUMBER)
    send(client, code=heard(client)["code"])

    assert "verified" in page(client).select_one(".pitch").text
    assert heard(client) is None


@pytest.mark.usefixtures("with_simulator")
def test_a_handset_request_during_a_session_renewal_keeps_the_session(client: Client) -> None:
    send(client, number=NUMBER)
    late = Client()
    late.cookies.load({settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value})
    send(client, code=heard(client)["code"])

    reply = late.get("/handset/")

    assert reply.json() == {"call": None}
    assert settings.SESSION_COOKIE_NAME not in reply.cookies


def test_the_handset_is_silent_if_the_simulator_is_not_running(client: Client, with_simulator: Simulator) -> None:
    send(client, number=NUMBER)
    with_simulator.close()

    assert heard(client) is None


@pytest.mark.parametrize(
    ("telroi", "said"),
    [
        ({"API_KEY": "tlr_live_mine"}, "Your real phone rings"),
        ({"API_KEY": "tlr_test_mine"}, "With a test key no phone rings"),
        ({}, "Look at the terminal"),
    ],
)
def test_without_a_simulator_there_is_no_handset(
    client: Client, example_site: LazySettings, telroi: dict[str, str], said: str
) -> None:
    example_site.TELROI = telroi

    assert said in page(client).select_one("#handset").text
    assert client.get("/handset/").status_code == 404
    assert client.get("/handset/transcript/").status_code == 404
