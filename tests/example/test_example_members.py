"""The members' page, the sign-up on a page and over the API, and the page about the API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.example.running import CHOSEN_BY_THE_TEST, DEMO, PACKAGE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("with_simulator")]

NUMBER = "+2348031234567"
ACCOUNT = "/sign-up/account/"
PASSWORD = "three words are better"
NEW_MEMBER = {"username": "adaeze", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def page(client: Client, url: str) -> BeautifulSoup:
    return BeautifulSoup(client.get(url).content, "html.parser")


def send(client: Client, url: str, selector: str, **typed: str) -> str:
    """Send a form of a page like a browser. Return the path of the response."""
    form = page(client, url).select_one(selector)
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input", attrs={"name": True})}
    reply = client.post(form.get("action") or url, fields | typed)
    assert reply.status_code == 302, reply.content
    return str(reply.headers["Location"])


def verify(client: Client, url: str) -> str:
    """Verify with the card of a page and the code from its handset. Return the path of the response."""
    code_page = send(client, url, ".telroi-card form", number=NUMBER)
    code = client.get("/handset/").json()["call"]["code"]
    return send(client, code_page, ".telroi-card form", code=code)


def join(client: Client, **typed: str) -> Any:
    proof = page(client, ACCOUNT).select_one("form.panel input[name=phone_proof]")["value"]
    return client.post(ACCOUNT, {"phone_proof": proof, **NEW_MEMBER, **typed})


def test_a_new_user_logs_in_verifies_a_phone_and_sees_the_members_page(client: Client, ada: User) -> None:
    log_in = client.get("/members/").headers["Location"]
    assert send(client, log_in, "form.panel", username="ada", password=PASSWORD) == "/members/"

    phone_page = client.get("/members/").headers["Location"]
    assert verify(client, phone_page) == "/members/"

    assert "+234 803 ••• 4567" in page(client, "/members/").text
    assert VerifiedPhone.objects.get().user == ada


def test_a_member_logs_in_by_phone(client: Client, ada: User, with_simulator: Simulator) -> None:
    client.force_login(ada)
    verify(client, client.get("/members/").headers["Location"])
    PhoneNumber.objects.update(calls=[])
    with_simulator.advance(3600)
    visitor = Client()
    way = page(visitor, visitor.get("/members/").headers["Location"]).find("a", string="Log in by phone")["href"]

    assert way == "/log-in/phone/?next=/members/"
    assert verify(visitor, way) == "/members/"
    assert "+234 803 ••• 4567" in page(visitor, "/members/").text


def test_a_wrong_password_shows_an_error(client: Client, ada: User) -> None:
    reply = client.post("/log-in/", {"username": "ada", "password": "another"})

    assert "Please enter a correct username and password" in reply.content.decode()


def test_a_member_logs_out(client: Client, ada: User) -> None:
    VerifiedPhone.objects.create(user=ada, number=NUMBER, verified_at="2030-01-01T00:00Z")
    client.force_login(ada)

    assert send(client, "/members/", "form[action='/log-out/']") == "/"

    assert client.get("/members/").headers["Location"] == "/log-in/?next=/members/"


def test_the_account_form_is_shown_once_the_phone_is_verified(client: Client) -> None:
    assert not page(client, ACCOUNT).select("form.panel")

    assert verify(client, "/sign-up/") == ACCOUNT

    assert page(client, ACCOUNT).select_one("form.panel input[name=phone_proof]")["value"]


def test_a_new_account_is_a_member(client: Client) -> None:
    verify(client, "/sign-up/")

    assert join(client).headers["Location"] == "/members/"

    assert VerifiedPhone.objects.get().user.username == "adaeze"
    assert "Welcome, adaeze" in page(client, "/members/").text
    assert [client.get(url).headers["Location"] for url in ("/sign-up/", ACCOUNT)] == ["/members/"] * 2


def test_an_invalid_form_spends_no_proof(client: Client) -> None:
    verify(client, "/sign-up/")

    reply = join(client, password2="another")

    assert "password fields didn’t match" in reply.content.decode()
    assert not User.objects.exists()
    assert join(client).status_code == 302


def test_one_proof_makes_one_account(client: Client) -> None:
    verify(client, "/sign-up/")
    proof = page(client, ACCOUNT).select_one("input[name=phone_proof]")["value"]
    join(client)
    client.logout()

    reply = client.post(ACCOUNT, {**NEW_MEMBER, "username": "another", "phone_proof": proof})

    assert reply.status_code == 200
    assert not User.objects.filter(username="another").exists()


def test_a_proof_that_is_spent_meanwhile_makes_no_account(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django_telroi.services import redeem_proof
    from members.forms import SignUpForm

    clean = SignUpForm.clean

    def clean_slowly(form: Any) -> Any:
        redeem_proof(form.cleaned_data["phone_proof"].token, purpose="signup")
        return clean(form)

    monkeypatch.setattr(SignUpForm, "clean", clean_slowly)
    verify(client, "/sign-up/")

    reply = join(client)

    assert "for no other account" in reply.content.decode()
    assert not User.objects.exists()


def test_a_proof_of_the_plain_page_is_invalid_for_a_sign_up(client: Client) -> None:
    verify(client, "/")

    assert not page(client, ACCOUNT).select("form.panel")


def sign_up_over_the_api(client: Client, telroi: Simulator) -> Any:
    asked = {"number": NUMBER, "purpose": "signup"}
    started = client.post("/api/phone/verifications/", asked, content_type="application/json").json()
    code = {"code": telroi.last_code_for(NUMBER)}
    checked = client.post(f"/api/phone/verifications/{started['id']}/check/", code, content_type="application/json")
    return {"username": "adaeze", "password": PASSWORD, "proof": checked.json()["proof"]}


def test_an_app_creates_an_account(client: Client, with_simulator: Simulator) -> None:
    asked = sign_up_over_the_api(client, with_simulator)

    reply = client.post("/api/sign-up/", asked, content_type="application/json")

    assert (reply.status_code, reply.json()) == (201, {"username": "adaeze"})
    assert VerifiedPhone.objects.get().user.check_password(PASSWORD)


def test_an_app_gets_an_error_for_a_spent_proof(client: Client, with_simulator: Simulator) -> None:
    asked = sign_up_over_the_api(client, with_simulator)
    client.post("/api/sign-up/", asked, content_type="application/json")

    reply = client.post("/api/sign-up/", {**asked, "username": "another"}, content_type="application/json")

    assert (reply.status_code, list(reply.json())) == (400, ["proof"])
    assert not User.objects.filter(username="another").exists()


@pytest.mark.parametrize("url", ["/sign-up/", ACCOUNT, "/log-in/", "/members/"])
def test_these_pages_have_no_inline_code(client: Client, ada: User, url: str) -> None:
    if url == "/members/":
        VerifiedPhone.objects.create(user=ada, number=NUMBER, verified_at="2030-01-01T00:00Z")
        client.force_login(ada)

    assert_nothing_inline(client.get(url).content.decode())


def assert_nothing_inline(html: str) -> None:
    shown = BeautifulSoup(html, "html.parser")
    assert shown.h1
    assert not shown.find_all("style")
    assert not [script for script in shown.find_all("script") if not script.get("src")]
    assert not [tag for tag in shown.find_all() if any(name == "style" or name.startswith("on") for name in tag.attrs)]


ASK_THE_SITE = """
import json, sys
sys.modules |= dict.fromkeys(sys.argv[1:])  # these cannot be imported
import django
django.setup()
from django.test import Client
replies = {url: Client().get(url, headers={"host": "localhost"}) for url in ("/api/docs/", "/api/schema/", "/log-in/")}
print(json.dumps({url: [reply.status_code, reply.content.decode()] for url, reply in replies.items()}))
"""


def ask_the_site(state: Path, *missing: str) -> Any:
    """Return the responses of the example site with its own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CHOSEN_BY_THE_TEST)}
    own = {
        "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(DEMO.parent)]),
        "EXAMPLE_STATE_DIR": str(state),
        "DJANGO_SETTINGS_MODULE": "example.settings",
    }
    run = subprocess.run(
        [sys.executable, "-c", ASK_THE_SITE, *missing], env=kept | own, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_a_page_lists_every_url_of_the_api(tmp_path: Path) -> None:
    answers = ask_the_site(tmp_path)

    status, html = answers["/api/docs/"]
    assert status == 200
    assert_nothing_inline(html)
    for said in ("/api/phone/verifications/{uuid}/check/", "/api/sign-up/", "number_taken", "hourly_limit", "429"):
        assert said in html
    assert answers["/api/schema/"][1].startswith("openapi: 3")


def test_without_the_extra_the_site_works_and_does_not_mention_the_api(tmp_path: Path) -> None:
    answers = ask_the_site(tmp_path, "drf_spectacular")

    assert [status for status, _ in answers.values()] == [404, 404, 200]
    assert "/api/docs/" not in answers["/log-in/"][1]
