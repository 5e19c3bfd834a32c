"""A person with the session of another one cannot find the masked digits of a number by typing many numbers.

Each answer that depends on a comparison with a hidden number takes a place in the limits of the requester, so there are
no more guesses than calls.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.testing import outbox
from tests.web.test_stored_number import verify
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.change_site")]
NATIONAL = "0803 123 4567"
PLACES = 3


@pytest.fixture
def few_calls(site: Any) -> None:
    site.TELROI = {**site.TELROI, "RATES": {"start": {"ip": f"{PLACES}/h"}}}


@pytest.fixture
def guesser(few_calls: None) -> Visitor:
    """A person at the page on which a user changes their number, without a place left in the limits."""
    user = User.objects.create_user("ada")
    verify(user)
    client = Client()
    client.force_login(user)
    outbox.clear()
    return Visitor(client).opens("/phone/change/")


def guesses(visitor: Visitor, number: str, *, times: int = 1) -> Visitor:
    action, fields = visitor.form("Call me")
    for _ in range(times):
        visitor.sends(action, fields | {"number": number})
    return visitor


class TestTheNumberOfTheUser:
    def test_is_recognized_in_counted_requests_only(self, guesser: Visitor) -> None:
        guesses(guesser, NUMBER, times=PLACES)
        assert guesser.error() == "This is your number already. Type the new one."

        guesses(guesser, NUMBER)

        assert (guesser.error(), guesser.heading()) == ("", "Enough calls for now")
        assert not outbox

    def test_is_answered_like_another_number_without_a_place(self, guesser: Visitor) -> None:
        action, fields = guesser.form("Call me")
        guesses(guesser, NUMBER, times=PLACES)

        cards = [guesser.sends(action, fields | {"number": number}).card().text for number in (NUMBER, OTHER_NUMBER)]

        assert cards[0].replace(MASKED, "") == cards[1].replace("+234 802 ••• 6543", "")

    def test_of_a_country_that_is_not_called_any_more_is_answered_like_another_one(
        self, guesser: Visitor, site: Any
    ) -> None:
        site.TELROI = {**site.TELROI, "ALLOWED_REGIONS": ["GB"]}

        errors = [guesses(guesser, number).error() for number in (NUMBER, OTHER_NUMBER)]

        assert errors == ["We do not call numbers of this country. Try a number of another country."] * 2


@pytest.fixture(params=["/phone/", "/here/"])
def called(few_calls: None, request: pytest.FixtureRequest, settings: Any) -> Visitor:
    """A person with the session of another one who was called, but not with the other cookies of that browser."""
    settings.ROOT_URLCONF = "tests.web.site"
    person = Visitor(Client()).opens(request.param).presses("Call me", number=SPELLING)
    other = Visitor(Client())
    name = django_settings.SESSION_COOKIE_NAME
    other.client.cookies[name] = person.client.cookies[name].value
    return other.opens(request.param)


def form_for_a_number(visitor: Visitor) -> Visitor:
    return visitor.presses("Change number")


class TestTheNumberOfAnOpenCall:
    def test_is_recognized_in_counted_requests_only(self, called: Visitor) -> None:
        form_for_a_number(called)
        action, fields = called.form("Call me")
        for _ in range(PLACES - 1):  # the call took a place
            called.sends(action, fields | {"number": NUMBER})
            assert called.heading() == "We are calling you"

        called.sends(action, fields | {"number": NUMBER})

        assert called.heading() == "Enough calls for now"

    def test_is_not_recognized_beside_the_card_of_the_code(self, called: Visitor) -> None:
        action, fields = form_for_a_number(called).form("Call me")
        called.presses(f"Back to the code for {MASKED}")
        for _ in range(PLACES - 1):
            called.sends(action, fields | {"number": NUMBER})

        called.sends(action, fields | {"number": NUMBER})

        assert called.heading() == "Enough calls for now"

    @pytest.mark.parametrize("typed", [NATIONAL, "803 123 4567"])
    def test_is_not_shown_whole_after_a_number_that_was_not_counted(self, called: Visitor, typed: str) -> None:
        form_for_a_number(called).presses("Call me", number=typed)

        assert SPELLING not in called.opens("/phone/code/").card().text

    def test_is_not_shown_whole_after_a_guess_without_a_place(self, called: Visitor) -> None:
        action, fields = form_for_a_number(called).form("Call me")
        for _ in range(PLACES - 1):
            called.sends(action, fields | {"number": OTHER_NUMBER})

        called.sends(action, fields | {"number": NUMBER})

        assert SPELLING not in called.opens("/phone/code/").card().text
