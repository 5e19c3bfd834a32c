"""A code of the wrong length or in an old tab uses no try, on our pages and in the drop-in."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.services.world import checks, let_time_pass
from tests.web.visitor import NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.site"), pytest.mark.codes("telroi")]

QUESTION = "The code may have six digits. Send it again if you heard five."
TOO_LONG = "The code has six digits at most. Type the digits that you hear."
NOT_SIX = "The code has six digits. Type the digits that you hear."
NEWER_CALL = (
    "Your code was not checked, because this page showed an older call. "
    "If it is the code of the newer call, type it again."
)
TOO_SHORT = "This code is too short. Type all the digits that you hear."


@pytest.fixture(params=["/phone/", "/here/"], ids=["page", "drop-in"])
def person(request: pytest.FixtureRequest, db: None) -> Visitor:
    """A visitor who opened the page with the form."""
    return Visitor(Client()).opens(request.param)


def tries(number: str = NUMBER) -> int:
    return VerificationAttempt.objects.filter(phone__number=number).latest("pk").tries


class TestWithCodesOfTelroi:
    def test_a_digit_too_many_uses_no_try_and_is_not_sent_to_telroi(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)

        person.presses("Verify", code=telroi.last_code_for(NUMBER) + "1")

        assert (person.note(), tries(), checks(telroi)) == (TOO_LONG, 0, 0)
        assert person.field("code")["aria-invalid"] == "true"
        assert person.presses("Verify", code=telroi.last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_a_digit_too_few_asks_for_confirmation_once(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)

        person.presses("Verify", code="12345")

        assert (person.note(), tries(), checks(telroi)) == (QUESTION, 0, 0)
        assert "aria-invalid" not in person.field("code").attrs
        assert person.presses("Verify", code=telroi.last_code_for(NUMBER)).heading() == "Your number is verified"

    @pytest.mark.parametrize("slip", ["1", "12", "1 2 3"])
    def test_too_few_digits_for_any_code_are_too_short(self, person: Visitor, telroi: Simulator, slip: str) -> None:
        person.presses("Call me", number=NUMBER)

        person.presses("Verify", code=slip)

        assert (person.note(), tries(), checks(telroi)) == (TOO_SHORT, 0, 0)
        assert person.field("code")["aria-invalid"] == "true"

    def test_two_lost_answers_are_explained(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)
        right = telroi.last_code_for(NUMBER)
        for code in (f"{(int(right) + 1) % 10**6:06}", right):
            telroi.fail_next("reset", on="verify")
            person.presses("Verify", code=code)
        let_time_pass(61)

        person.presses("Verify", code=right)

        assert person.heading() == "We could not check your code"
        assert person.note() == "We could not find out whether a code was right. Ask for another call."
        assert "Call again" in person.card().text

    def test_a_confirmed_code_is_judged(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)
        person.presses("Verify", code="12345")

        person.presses("Verify", code="1 2 3 4 5")

        assert (person.note(), tries(), checks(telroi)) == ("That is not the code. 2 tries left for this call.", 1, 1)

    def test_an_operators_code_of_five_digits_verifies(self, person: Visitor, telroi: Simulator) -> None:
        telroi.set_policy(code_length=5)
        person.presses("Call me", number=NUMBER)
        code = telroi.last_code_for(NUMBER)

        person.presses("Verify", code=code).presses("Verify", code=code)

        assert len(code) == 5
        assert person.heading() == "Your number is verified"

    def test_another_length_asks_for_confirmation_again(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)
        person.presses("Verify", code="12345")

        person.presses("Verify", code="1234")

        assert person.note() == "The code may have six digits. Send it again if you heard four."
        assert (tries(), checks(telroi)) == (0, 0)

    def test_both_requests_of_a_double_click_ask_for_confirmation(self, person: Visitor, telroi: Simulator) -> None:
        person.presses("Call me", number=NUMBER)
        action, fields = person.form("Verify")

        person.sends(action, {**fields, "code": "12345"}).sends(action, {**fields, "code": "12345"})

        assert (person.note(), tries(), checks(telroi)) == (QUESTION, 0, 0)

    def test_a_length_above_telrois_maximum_is_not_announced(
        self, person: Visitor, telroi: Simulator, site: Any
    ) -> None:
        site.TELROI = {**site.TELROI, "CODE_LENGTH": 8}
        person.opens(person.path)
        assert "six digits" in person.card().text

        person.presses("Call me", number=NUMBER)
        assert "Six-digit code" in person.card().text
        person.presses("Verify", code="12345")
        assert person.note() == QUESTION

        assert person.presses("Verify", code=telroi.last_code_for(NUMBER)).heading() == "Your number is verified"


class TestWithCodesOfAKnownLength:
    @pytest.mark.parametrize("slip", ["12345", "1234567", "1234", "1234567890", "12", "12345678901"])
    def test_another_length_uses_no_try(self, person: Visitor, slip: str) -> None:
        person.presses("Call me", number=NUMBER)

        for _ in range(5):
            person.presses("Verify", code=slip)
            assert (person.note(), tries()) == (NOT_SIX, 0)

        assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_another_length_does_not_count_for_the_rate_of_checks(self, person: Visitor, site: Any) -> None:
        site.TELROI = {**site.TELROI, "RATES": {"check": {"ip": "1/h"}}}
        person.presses("Call me", number=NUMBER)

        for _ in range(5):
            person.presses("Verify", code="12345")

        assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"


class TestCodeLengthChangedDuringACall:
    @pytest.mark.parametrize("now", [4, 5, 8])
    def test_applies_to_the_next_call(self, person: Visitor, site: Any, now: int) -> None:
        person.presses("Call me", number=NUMBER)
        site.TELROI = {**site.TELROI, "CODE_LENGTH": now}

        assert "Six-digit code" in person.opens(person.path).card().text
        person.presses("Verify", code="1234567")
        assert (person.note(), tries()) == (NOT_SIX, 0)
        assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_asks_for_confirmation_of_fewer_digits_than_requested(
        self, person: Visitor, telroi: Simulator, site: Any
    ) -> None:
        person.presses("Call me", number=NUMBER)
        site.TELROI = {**site.TELROI, "CODE_LENGTH": 5}

        person.presses("Verify", code="12345")

        assert (person.note(), tries(), checks(telroi)) == (QUESTION, 0, 0)


class TestAnOldTab:
    def test_with_another_number_uses_no_try(self, person: Visitor) -> None:
        person.presses("Call me", number=OTHER_NUMBER)
        action, fields = person.form("Verify")
        old_code = last_code_for(OTHER_NUMBER)
        person.presses("Change number").presses("Call me", number=NUMBER)

        person.sends(action, {**fields, "code": old_code})

        assert (person.note(), tries(), tries(OTHER_NUMBER)) == (NEWER_CALL, 0, 0)
        assert SPELLING in person.card().text
        assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_with_an_older_call_uses_no_try(self, person: Visitor) -> None:
        person.presses("Call me", number=NUMBER)
        action, fields = person.form("Verify")
        old_code = last_code_for(NUMBER)
        let_time_pass(61)
        person.opens(person.path).presses("Call again")
        assert len(outbox) == 2

        for _ in range(4):
            person.sends(action, {**fields, "code": old_code})

        assert (person.note(), tries()) == (NEWER_CALL, 0)
        assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_with_the_newer_code_says_that_sending_it_again_checks_it(self, person: Visitor) -> None:
        person.presses("Call me", number=NUMBER)
        action, fields = person.form("Verify")
        let_time_pass(61)
        person.opens(person.path).presses("Call again")
        newer_code = last_code_for(NUMBER)

        person.sends(action, {**fields, "code": newer_code})

        assert (person.note(), tries()) == (NEWER_CALL, 0)
        assert person.presses("Verify", code=newer_code).heading() == "Your number is verified"

    def test_with_the_current_call_is_not_old(self, person: Visitor) -> None:
        person.presses("Call me", number=NUMBER)
        action, fields = person.form("Verify")
        person.opens(person.path)

        person.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert person.heading() == "Your number is verified"

    def test_with_a_malformed_code_mentions_the_newer_call_first(self, person: Visitor) -> None:
        person.presses("Call me", number=OTHER_NUMBER)
        action, fields = person.form("Verify")
        person.presses("Change number").presses("Call me", number=NUMBER)

        assert person.sends(action, {**fields, "code": "x"}).note() == NEWER_CALL


def test_a_typed_value_is_shown_again_without_invisible_and_reordering_characters(person: Visitor) -> None:
    person.presses("Call me", number="\u202e\u200f+999\u200b\u00a0123\u202c")

    assert person.field("number")["value"] == "+999\u00a0123"
    assert person.field("number")["dir"] == "ltr"
    stored = person.client.session["telroi"]
    assert not {"\u202e", "\u200f", "\u200b", "\u202c"} & set(str(stored))


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    cache.clear()
