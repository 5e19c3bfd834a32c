"""A number without its country code: the reason, an example, and a button with the number that is meant."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import Tag
from django.test import Client

from django_telroi.models import VerificationAttempt
from django_telroi.testing import outbox
from tests.web.visitor import NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.django_db

NATIONAL = "0803 123 4567"
QUESTION = f"Did you mean {SPELLING}?"
PAGES = ["/phone/", "/here/"]


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(Client(headers={"Accept-Language": "en-NG,en;q=0.9"}))


@pytest.fixture(params=PAGES)
def person(request: pytest.FixtureRequest, settings: Any, visitor: Visitor) -> Visitor:
    """A person at the page and at a drop-in card."""
    settings.ROOT_URLCONF = "tests.web.site"
    return visitor.opens(request.param)


def suggestions(visitor: Visitor) -> list[Tag]:
    return visitor.card().select("button[name=number]")


def presses_the_suggestion(visitor: Visitor, **typed: str) -> Visitor:
    """Send the form as a browser does: its fields in their order, then the pressed button."""
    (button,) = suggestions(visitor)
    action, fields = visitor.form("Call me")
    response = visitor.client.post(
        action, {**fields, **typed, "number": [typed.get("number", fields["number"]), button["value"]]}
    )
    return visitor._arrives(response, action)


def test_the_hint_has_an_example_of_the_visitors_region(person: Visitor) -> None:
    hint = person.card().find(class_="telroi-hint").text

    assert hint.startswith("Start with + and the country code, like +234 802 123 4567.")


def test_a_browser_with_a_bare_language_gets_no_example(settings: Any) -> None:
    visitor = Visitor(Client(headers={"Accept-Language": "en"})).opens("/phone/")

    assert visitor.card().find(class_="telroi-hint").text == "Start with + and the country code. Landlines work too."


def test_the_error_names_the_country_code_and_replaces_the_hint(person: Visitor) -> None:
    person.presses("Call me", number=NATIONAL)

    field = person.field("number")
    assert person.error() == ("The country code is missing. Start with + and the country code, like +234 802 123 4567.")
    hints = person.card().find_all(class_="telroi-hint")
    assert [hint.text for hint in hints if not hint.find_parent("noscript")] == []
    assert field["aria-describedby"] == f"{field['id']}_error"
    assert field["value"] == NATIONAL


def test_the_number_that_is_meant_is_a_button_and_nobody_is_called_before_it_is_pressed(person: Visitor) -> None:
    person.presses("Call me", number=NATIONAL)

    assert [button.text for button in suggestions(person)] == [QUESTION]
    assert len(outbox) == 0

    presses_the_suggestion(person)

    assert person.heading() == "We are calling you"
    assert (len(outbox), VerificationAttempt.objects.get().number) == (1, NUMBER)


def test_the_button_calls_the_number_that_it_shows_whatever_is_in_the_field(person: Visitor) -> None:
    person.presses("Call me", number=NATIONAL)

    presses_the_suggestion(person, number=OTHER_NUMBER)

    assert VerificationAttempt.objects.get().number == NUMBER


def test_the_enter_key_does_not_press_the_suggestion(person: Visitor) -> None:
    person.presses("Call me", number=NATIONAL)

    first = person.card().find("form").find("button")
    assert (first.text, first.get("name"), first["tabindex"], first["aria-hidden"]) == ("Call me", None, "-1", "true")


def test_a_correct_number_has_no_suggestion(person: Visitor) -> None:
    person.presses("Call me", number="+234 803 12")

    assert suggestions(person) == []
    assert person.error() == "This number is too short. Type all its digits, with the area code."


def test_a_number_that_is_not_called_is_not_suggested(person: Visitor, site: Any) -> None:
    site.TELROI = {"ALLOWED_REGIONS": ["US"]}

    person.presses("Call me", number=NATIONAL)

    assert suggestions(person) == []


def test_only_a_missing_plus_needs_no_region() -> None:
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number="2348031234567")

    assert [button.text for button in suggestions(visitor)] == [QUESTION]


def test_two_readings_are_two_buttons() -> None:
    visitor = Visitor(Client(headers={"Accept-Language": "en-US"})).opens("/phone/")

    visitor.presses("Call me", number="(479) 253-1234")

    assert [button.text for button in suggestions(visitor)] == [
        "Did you mean +1 479 253 1234?",
        "Did you mean +47 92 53 12 34?",
    ]


def test_a_form_without_its_cookie_has_the_example_too() -> None:
    visitor = Visitor(Client(enforce_csrf_checks=True, headers={"Accept-Language": "en-NG"}))

    visitor.sends("/phone/", {"number": NATIONAL})

    assert visitor.statuses == [403]
    assert [button.text for button in suggestions(visitor)] == [QUESTION]


def test_neither_the_session_nor_a_url_has_the_suggested_number(person: Visitor) -> None:
    presses_the_suggestion(person.presses("Call me", number=NATIONAL))

    assert "8031234567" not in str(dict(person.client.session))
    assert not any("803" in str(answer.headers.get("Location", "")) for answer in person.trail)


class TestTheChoiceOfACountry:
    """``COUNTRY_CHOICE`` adds a select to the form."""

    @pytest.fixture(autouse=True)
    def _choice(self, site: Any) -> None:
        site.TELROI = {"COUNTRY_CHOICE": True}

    @staticmethod
    def chosen(visitor: Visitor) -> str:
        (option,) = visitor.card().select("select[name=phone_country] option[selected]")
        return str(option["value"])

    def test_is_not_there_by_default(self, visitor: Visitor, site: Any) -> None:
        site.TELROI = {}

        assert visitor.opens("/phone/").card().find("select") is None

    def test_has_the_names_in_the_language_of_the_page(self, person: Visitor, site: Any) -> None:
        site.LANGUAGE_CODE = "de"

        person.opens(person.path)

        names = [option.text for option in person.card().find_all("option")]
        assert {"Deutschland (+49)", "Nigeria (+234)"} <= set(names)
        assert names.index("\xc4gypten (+20)") < names.index("Nigeria (+234)")

    def test_starts_with_the_country_of_the_browser(self, person: Visitor) -> None:
        assert self.chosen(person) == "NG"

    def test_reads_the_number_in_the_chosen_country(self, person: Visitor) -> None:
        person.presses("Call me", number="(415) 555-0132", phone_country="US")

        assert person.heading() == "We are calling you"
        assert VerificationAttempt.objects.get().number == "+14155550132"

    def test_does_not_change_a_number_with_its_country_code(self, person: Visitor) -> None:
        person.presses("Call me", number=NUMBER, phone_country="US")

        assert VerificationAttempt.objects.get().number == NUMBER

    def test_is_remembered(self, person: Visitor) -> None:
        path = person.path

        person.presses("Call me", number="(415) 555-0132", phone_country="US").presses("Change number")

        assert self.chosen(person.opens(path)) == "US"

    @pytest.mark.parametrize("number", [NUMBER, "08031234567"])
    def test_is_remembered_as_the_country_of_the_number(self, person: Visitor, number: str) -> None:
        path = person.path
        person.presses("Call me", number=number, phone_country="US")
        if number != NUMBER:
            presses_the_suggestion(person, phone_country="US")
        assert person.heading() == "We are calling you"

        person.presses("Change number")

        assert self.chosen(person.opens(path)) == "NG"

    def test_is_in_the_hint_without_an_example(self) -> None:
        hint = (
            Visitor(Client(headers={"Accept-Language": "en"})).opens("/phone/").card().find(class_="telroi-hint").text
        )

        assert hint.startswith("Start with + and the country code, or choose the country.")

    def test_stays_with_an_error(self, person: Visitor) -> None:
        person.presses("Call me", number=NATIONAL, phone_country="US")

        assert self.chosen(person) == "US"
        assert person.field("number")["value"] == NATIONAL
        assert [button.text for button in suggestions(person)] == [QUESTION]

    def test_may_be_left_out(self, person: Visitor) -> None:
        person.presses("Call me", number=NATIONAL, phone_country="")

        assert person.error().startswith("The country code is missing.")

    def test_lists_only_countries_that_are_called(self, person: Visitor, site: Any) -> None:
        site.TELROI = {"COUNTRY_CHOICE": True, "ALLOWED_REGIONS": ["NG", "GH", "US"], "BLOCKED_REGIONS": ["US"]}

        person.opens(person.path)

        assert [option.text for option in person.card().find_all("option")] == [
            "Choose a country",
            "Ghana (+233)",
            "Nigeria (+234)",
        ]

    @pytest.mark.parametrize("country", ["XX", "ng", "<b>", "NG" * 200])
    def test_rejects_a_country_that_is_not_in_the_list(self, person: Visitor, country: str) -> None:
        person.presses("Call me", number=NATIONAL, phone_country=country)

        assert (person.heading(), len(outbox)) == ("Verify your phone", 0)

    def test_leaves_the_focus_on_the_number(self, visitor: Visitor) -> None:
        visitor.opens("/phone/")

        assert visitor.field("number").has_attr("autofocus")
        assert not visitor.card().find("select").has_attr("autofocus")
