"""Other formats than JSON: forms, multipart, and the pages of the browsable API."""

from __future__ import annotations

import html
import json
import re

import pytest
from bs4 import BeautifulSoup, Tag
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.testing import last_code_for, outbox
from tests.rest.world import HOME, NUMBER, PhoneApi, wrong_code_for

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


def test_a_form_is_accepted(api: PhoneApi) -> None:
    reply = api.send("verifications/", "number=%2B234+803+123+4567&purpose=", content_type=FORM)

    assert reply.status_code == 201
    checked = api.send(f"verifications/{reply.json()['id']}/check/", f"code={last_code_for(NUMBER)}", content_type=FORM)
    assert checked.json()["verified"]


def test_a_multipart_form_is_accepted(api: PhoneApi) -> None:
    reply = api.client.post(f"{HOME}verifications/", {"number": NUMBER, "language": "fr"}, format="multipart")

    assert reply.status_code == 201
    assert outbox[-1].language == "fr"


class Page:
    """A page of the browsable API in a browser without JavaScript."""

    def __init__(self, user: User | None = None) -> None:
        self.client = Client(headers={"Accept": "text/html"})
        if user:
            self.client.force_login(user)
        self.soup = BeautifulSoup()
        self.status = 0

    def open(self, path: str) -> None:
        self._show(self.client.get(HOME + path))

    def fill(self, **answers: str) -> None:
        """Fill in the HTML form, which needs no JSON, and send it."""
        form = self.form
        fields = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[name]")}
        assert set(answers) <= set(fields)
        self._show(self.client.post(str(form["action"]), fields | answers))

    def _show(self, response: object) -> None:
        self.status = response.status_code  # type: ignore[attr-defined]
        self.soup = BeautifulSoup(response.content, "html.parser")  # type: ignore[attr-defined]

    @property
    def form(self) -> Tag:
        form = self.soup.select_one("#post-object-form form, form[action]:has(input[name])")
        assert form, self.soup
        return form

    @property
    def text(self) -> str:
        return self.soup.get_text()


@pytest.mark.parametrize("user", ["anonymous", "ada"])
def test_a_person_is_verified_with_the_browsable_forms(user: str, request: pytest.FixtureRequest) -> None:
    page = Page(request.getfixturevalue("ada") if user == "ada" else None)

    page.open("verifications/")
    page.fill(number=NUMBER)
    assert page.status == 201
    [id_] = set(re.findall(r'"id": "([0-9a-f-]{36})"', page.text))
    page.open(f"verifications/{id_}/check/")
    page.fill(code=last_code_for(NUMBER))

    assert page.status == 200
    assert '"verified": true' in page.text


def test_a_browsable_form_keeps_the_typed_values_and_shows_the_error() -> None:
    page = Page()

    page.open("verifications/")
    page.fill(number="+234 803")

    assert page.status == 400
    field = page.form.select_one("input[name=number]")
    assert field is not None
    assert field["value"] == "+234 803"
    assert "This number is too short." in page.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("", {"number": "\ud800"}, (400, "invalid_number")),
        ("", {"number": NUMBER, "purpose": "\ud800"}, (400, "invalid_purpose")),
        ("", {"language": "\ud800"}, (400, "invalid")),
        ("3f0c5f5e-7c1b-4a53-9a64-0d5f6f2b9c11/check/", {"code": "\ud800"}, (404, "not_found")),
    ],
)
def test_half_a_surrogate_pair_is_an_error_of_the_client(
    accept: str, path: str, body: dict[str, str], error: tuple[int, str]
) -> None:
    client = Client(headers={"Accept": accept})

    reply = client.post(f"{HOME}verifications/{path}", json.dumps(body), content_type="application/json")

    code = re.search('"code": ?"([a-z_]+)"', html.unescape(reply.content.decode()))
    assert (reply.status_code, code and code[1]) == error


def test_a_browsable_form_does_not_show_a_judged_code_again(api: PhoneApi) -> None:
    page = Page()
    page.open(f"verifications/{api.started()}/check/")
    wrong = wrong_code_for(NUMBER)

    page.fill(code=wrong)

    assert '"outcome": "wrong_code"' in page.text
    assert wrong not in str(page.soup)


@pytest.mark.parametrize("path", ["call-again", "cancel"])
def test_an_endpoint_without_fields_has_a_button(api: PhoneApi, path: str) -> None:
    page = Page()

    page.open(f"verifications/{api.started()}/{path}/")

    assert page.soup.select_one("button:-soup-contains('POST')")


def test_the_pages_describe_each_endpoint(api: PhoneApi, ada: User) -> None:
    page = Page(ada)

    page.open("phones/")

    assert "newest first" in page.text
