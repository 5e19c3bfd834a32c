"""The contents of the session: small, without secrets, and limited in length."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from django_telroi.services.shared.secrets import unpack
from django_telroi.testing import last_code_for
from django_telroi.web.cards import MAX_URL_LENGTH
from django_telroi.web.notices import NOTICE_SALT
from tests.web.signup_site import TOO_SHORT
from tests.web.visitor import NUMBER, PREMIUM, SPELLING, Visitor, last

LONG = 1_500_000
COOKIE = 4_096
"""The maximum bytes of a cookie that every browser stores."""

SECRETS = {
    "whispered": "canary-whispered",
    "password": "canary-password",
    "shown_password": "canary-shown",
    "html_password": "canary-html",
    "managed": "canary-managed",
    "token": "canary-token",
    "card": "canary-card",
    "photo": "canary-photo",
    "parts_pin": "canary-pin",
}


def kept(visitor: Visitor) -> str:
    """Return the session as its store has it, with the notices of an encrypting site in clear."""
    session = dict(visitor.client.session)
    for flow in session.get("telroi", {}).values():
        if "sealed" in (flow["notice"] or {}):
            flow["notice"] = unpack(flow["notice"]["sealed"], salt=NOTICE_SALT)
    return json.dumps(session)


@pytest.fixture
def in_cookies(site: Any) -> None:
    site.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


@pytest.mark.urls("tests.web.signup_site")
class TestAFormWithMoreFields:
    def refuse(self, visitor: Visitor, number: str = PREMIUM, **typed: str) -> Visitor:
        """Send the form without following the redirect, because the next page removes the notice."""
        visitor.client.post("/phone/", {"number": number, **typed})
        return visitor

    @pytest.mark.parametrize("number", [PREMIUM, "no number"])
    def test_stores_no_secret(self, visitor: Visitor, number: str) -> None:
        self.refuse(visitor, number, **SECRETS, name="Ada")

        assert "Ada" in kept(visitor)
        assert "canary" not in kept(visitor)

    def test_shows_again_what_its_widgets_show(self, visitor: Visitor) -> None:
        visitor.client.post(
            "/phone/",
            {"number": PREMIUM, "name": "Ada & Ben", "topics": ["a", "c"], "step": "2", "parts_hint": "blue"},
        )

        visitor.opens("/phone/")

        assert visitor.error() == "We cannot call this number. Try another mobile or landline number."
        assert visitor.field("number")["value"] == PREMIUM
        assert visitor.field("name")["value"] == "Ada & Ben"
        assert visitor.field("step")["value"] == "2"
        assert visitor.field("parts_hint")["value"] == "blue"
        chosen = visitor.card().find("select").find_all("option", selected=True)
        assert [option["value"] for option in chosen] == ["a", "c"]

    def test_keeps_the_last_of_duplicate_values(self, visitor: Visitor) -> None:
        visitor.client.post("/phone/", {"number": ["1", f"\u2066{PREMIUM}\u2069"], "name": ["Ada", "Ben"]})

        visitor.opens("/phone/")

        assert (visitor.field("number")["value"], visitor.field("name")["value"]) == (PREMIUM, "Ben")

    def test_shows_the_error_of_a_value_that_it_did_not_store(self, visitor: Visitor) -> None:
        self.refuse(visitor, password="short")

        visitor.opens("/phone/")

        assert "short" not in visitor.card().decode().replace(TOO_SHORT, "")
        assert TOO_SHORT in visitor.card().text

    def test_shows_no_error_of_a_valid_value_that_it_did_not_store(self, visitor: Visitor) -> None:
        self.refuse(visitor, **SECRETS)

        visitor.opens("/phone/")

        assert len(visitor.card().find_all(class_="telroi-error")) == 1  # digits of the number

    def test_stores_no_error_message_with_a_secret(self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
        from tests.web.signup_site import SignUpForm

        def repeats(value: str) -> None:
            from django.core.exceptions import ValidationError

            raise ValidationError("%(value)s is a well known password.", params={"value": value})

        monkeypatch.setattr(SignUpForm.base_fields["password"], "validators", [repeats])

        self.refuse(visitor, password="canary-password")

        assert "canary" not in kept(visitor)

    def test_stores_little_of_many_and_huge_values(self, visitor: Visitor) -> None:
        huge = {name: f"<{name}>" + "€" * 90_000 for name in ("name", "step", "parts_hint", "topics", "password")}

        self.refuse(visitor, "9" * 90_000, **huge)

        assert len(kept(visitor)) < 1_000
        visitor.opens("/phone/")
        assert "This is not a phone number we know." in visitor.card().text

    def test_fits_into_a_cookie(self, visitor: Visitor, in_cookies: None) -> None:
        full = {"name": "ä" * 200, "step": "€" * 200, "parts_hint": "\U0001f600" * 100}

        self.refuse(visitor, **full, next="/" + quote("é" * 300))

        assert len(visitor.client.cookies["sessionid"].value) < COOKIE


NEXTS = [
    "/" + "a" * LONG,
    "/?" + "%C3%A9" * 1_000,
    "https://evil.example/" + "a" * 100,
    "/account/" + "a" * MAX_URL_LENGTH,
    "\x00" * 10_000,
]


@pytest.mark.urls("tests.web.site")
class TestAnUrlThatIsTooLong:
    @pytest.mark.parametrize("next_", NEXTS, ids=range(len(NEXTS)))
    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("path", ["", "code/", "call-again/", "change-number/", "add-number/"])
    def test_is_dropped_from_the_request(self, visitor: Visitor, path: str, method: str, next_: str) -> None:
        getattr(visitor.client, method)(f"/phone/{path}", {"number": NUMBER, "code": "123456", "next": next_})
        visitor.opens("/phone/code/")

        assert len(kept(visitor)) < 500
        assert len(last(visitor).content) < 10_000

    def test_is_in_no_form(self, visitor: Visitor) -> None:
        visitor.client.get("/phone/", {"next": NEXTS[0]})
        page = visitor.client.get("/phone/", {"next": NEXTS[0], "purpose": "p" * LONG})
        form = visitor.client.get("/phone/", {"next": NEXTS[0]})

        assert (page.status_code, len(page.content) < 10_000) == (400, True)
        assert len(form.content) < 10_000

    @pytest.mark.parametrize("address", ["/with-query/?next=/" + "a" * LONG, "/here/?junk=" + "a" * LONG])
    def test_does_not_enlarge_a_card_in_another_page(self, visitor: Visitor, address: str) -> None:
        visitor.opens(address)

        assert len(last(visitor).content) < 10_000
        visitor.presses("Call me", number=SPELLING)
        assert (visitor.path, visitor.heading()) == (address.partition("?")[0], "We are calling you")
        visitor.presses("Verify", code=last_code_for(NUMBER))
        assert visitor.heading() == "Your number is verified"
        assert len(kept(visitor)) < 500

    def test_is_followed_up_to_its_maximum_length(self, visitor: Visitor) -> None:
        longest = "/account/?" + "a" * (MAX_URL_LENGTH - len("/account/?"))
        visitor.client.post("/phone/", {"number": NUMBER, "next": longest})

        answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

        assert answer["Location"] == longest


@pytest.mark.urls("tests.web.site")
class TestSessionsInCookies:
    """The browser stores the session, and its owner can read it."""

    def test_store_a_whole_verification(self, visitor: Visitor, in_cookies: None) -> None:
        visitor.opens("/phone/?next=/account/").presses("Call me", number=PREMIUM).presses("Call me", number=SPELLING)
        size = len(visitor.client.cookies["sessionid"].value)

        visitor.presses("Verify", code="0000").presses("Verify", code=last_code_for(NUMBER))

        assert visitor.path == "/account/"
        assert size < 400

    def test_store_two_verifications_and_the_longest_next(self, visitor: Visitor, in_cookies: None) -> None:
        from secrets import token_urlsafe

        longest = "/account/?" + token_urlsafe(2_000)[: MAX_URL_LENGTH - 10]
        visitor.client.post("/phone/", {"number": NUMBER, "next": longest})
        visitor.client.post("/phone/", {"number": PREMIUM, "purpose": "signup"})

        assert len(visitor.client.cookies["sessionid"].value) < COOKIE

    def test_contain_no_code_and_no_proof(self, visitor: Visitor, in_cookies: None) -> None:
        visitor.opens("/phone/").presses("Call me", number=SPELLING)
        code = last_code_for(NUMBER)
        read = [kept(visitor)]
        visitor.presses("Verify", code="135790")
        read.append(kept(visitor))
        visitor.presses("Verify", code=code)
        read.append(kept(visitor))

        for secret in (code, "135790", NUMBER, SPELLING):
            assert not any(secret in text for text in read)
        (flow,) = dict(visitor.client.session)["telroi"].values()
        assert set(flow) == {
            *("attempt", "next", "notice", "older", "is_proven", "is_renewed", "stored", "replaces"),
            *("is_changing", "kept", "why"),
        }


def test_a_gate_redirects_from_a_long_url(client: Client, settings: Any, django_user_model: Any) -> None:
    settings.ROOT_URLCONF = "tests.web.gated_site"
    settings.TELROI = {}
    client.force_login(django_user_model.objects.create_user("ada"))

    answer = client.get("/any/", {"q": "é" * LONG})

    assert (answer.status_code, answer["Location"]) == (302, "/phone/?purpose=&next=%2Fany%2F&why=none")
