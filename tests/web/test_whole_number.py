"""The browser that typed a number sees it whole while its call is open. Every other browser sees it masked."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import signing
from django.template import engines
from django.test import Client

from django_telroi.testing import last_code_for
from django_telroi.web.card_texts import code_lead
from django_telroi.web.cookies import TYPED_COOKIE, TYPED_SALT
from tests.services.world import let_time_pass
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

PAGES = ["/phone/", "/here/"]


@pytest.fixture(params=PAGES)
def person(request: pytest.FixtureRequest, settings: Any, visitor: Visitor) -> Visitor:
    """A person at the page and at a drop-in card."""
    settings.ROOT_URLCONF = "tests.web.site"
    return visitor.opens(request.param)


@pytest.mark.parametrize("typed", [NUMBER, " (+234) 803-1234567"])
def test_the_number_is_shown_in_its_groups(person: Visitor, typed: str) -> None:
    person.presses("Call me", number=typed)

    assert person.card().find(class_="telroi-phone").text == SPELLING


@pytest.mark.parametrize("chosen", [{"DEFAULT_REGION": "NG"}, {"COUNTRY_CHOICE": True}])
def test_a_national_spelling_is_shown_with_its_country_code(person: Visitor, site: Any, chosen: dict[str, Any]) -> None:
    site.TELROI = chosen

    person.opens(person.path).presses("Call me", number="08031234567", phone_country="NG")

    assert person.card().find(class_="telroi-phone").text == SPELLING


def test_it_stays_after_another_call(person: Visitor) -> None:
    person.presses("Call me", number=NUMBER)
    let_time_pass(61)

    person.opens(person.path).presses("Call again")

    assert SPELLING in person.card().text


def test_it_stays_after_change_number_and_back_and_another_call(person: Visitor) -> None:
    person.presses("Call me", number=NUMBER).presses("Change number").presses(f"Back to the code for {MASKED}")
    assert SPELLING in person.card().text

    let_time_pass(61)
    person.opens(person.path).presses("Call again")

    assert SPELLING in person.card().text


def test_it_stays_after_a_rejected_call_to_another_number(person: Visitor) -> None:
    person.presses("Call me", number=NUMBER).presses("Change number").presses("Call me", number="call me")

    person.presses(f"Back to the code for {MASKED}")

    assert SPELLING in person.card().text


def test_it_stays_when_it_is_typed_again(person: Visitor) -> None:
    person.presses("Call me", number=NUMBER).presses("Change number").presses("Call me", number=SPELLING)

    assert (person.heading(), SPELLING in person.card().text) == ("We are calling you", True)


def test_it_is_masked_after_the_code(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=NUMBER).presses("Verify", code=last_code_for(NUMBER))

    assert MASKED in visitor.card().text
    assert SPELLING not in visitor.card().text


def test_a_browser_that_only_has_the_session_sees_it_masked(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=NUMBER)
    other = Visitor(Client())
    name = django_settings.SESSION_COOKIE_NAME
    other.client.cookies[name] = visitor.client.cookies[name].value

    other.opens("/phone/code/")

    assert MASKED in other.card().text
    assert SPELLING not in other.card().text


def test_a_cookie_of_another_number_or_another_user_shows_nothing(visitor: Visitor, django_user_model: Any) -> None:
    visitor.opens("/phone/").presses("Call me", number=OTHER_NUMBER)
    of_another_number = visitor.client.cookies[TYPED_COOKIE].value
    visitor.presses("Change number").presses("Call me", number=NUMBER)
    assert SPELLING in visitor.card().text

    user = Client()
    user.force_login(django_user_model.objects.create_user("ada"))
    Visitor(user).opens("/phone/").presses("Call me", number=OTHER_NUMBER)
    for value in (of_another_number, user.cookies[TYPED_COOKIE].value, "forged", ""):
        visitor.client.cookies[TYPED_COOKIE] = value
        assert MASKED in visitor.opens("/phone/code/").card().text


def test_the_cookie_has_digests_only_and_expires_with_the_code(visitor: Visitor, site: Any) -> None:
    site.TELROI = {"QUEUE_DEADLINE_SECONDS": 100, "CODE_TTL_SECONDS": 200}
    visitor.opens("/phone/").presses("Call me", number=NUMBER)

    cookie = visitor.client.cookies[TYPED_COOKIE]

    owner, digests = signing.loads(cookie.value, salt=TYPED_SALT)
    assert (owner, [len(each) for each in digests]) == ("", [32])
    assert (cookie["httponly"], cookie["max-age"], cookie["samesite"]) == (True, 300, "Lax")


@pytest.mark.urls("tests.web.stored_site")
def test_a_number_on_file_stays_masked(visitor: Visitor, django_user_model: Any) -> None:
    visitor.client.force_login(django_user_model.objects.create_user("ada", first_name=NUMBER))

    visitor.opens("/card/").presses("Call me")

    assert visitor.heading() == "We are calling you"
    assert SPELLING not in visitor.card().text


def test_neither_the_session_nor_a_cookie_nor_a_url_has_it(person: Visitor) -> None:
    person.presses("Call me", number=NUMBER)

    stored = [str(dict(person.client.session)), *(each.value for each in person.client.cookies.values())]
    stored += [str(answer.headers) for answer in person.trail]
    assert not any("8031234567" in text or SPELLING in text for text in stored)


def test_an_error_report_shows_the_text_of_the_card_without_the_number() -> None:
    text = code_lead(SPELLING)

    rendered = engines["django"].from_string("{{ text }}").render({"text": text})
    assert (SPELLING in rendered, "<bdi" in rendered, repr(text)) == (True, True, "'•••'")
