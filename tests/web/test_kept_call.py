""" "Change number" loses nothing: the call takes its code until a call to another number is placed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.backends.locmem import LocmemBackend
from django_telroi.client import OtpCall
from django_telroi.models import VerificationAttempt
from django_telroi.services.calls.queue import place_call
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.services.world import let_time_pass, statements, wrong
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, PREMIUM, SPELLING, Visitor

BACK = f"Back to the code for {MASKED}"
PAGES = ["/phone/", "/here/"]

pytestmark = pytest.mark.urls("tests.web.site")


@pytest.fixture(params=PAGES)
def visitor(db: None, request: pytest.FixtureRequest) -> Visitor:
    """A visitor who was called and then pressed "Change number", on a page of this app and in a page of the site."""
    called = Visitor(Client()).opens(request.param)
    return called.presses("Call me", number=SPELLING).presses("Change number")


@pytest.fixture
def workers(site: Any, celery_app: Any) -> None:
    """Calls that are requested from now on wait in the queue."""
    site.TELROI = {**site.TELROI, "DISPATCH": "celery"}


def status(number: str = NUMBER) -> str:
    return VerificationAttempt.objects.filter(phone__number=number).latest("pk").status


def other_tab(visitor: Visitor) -> Visitor:
    """Return the page for the code in another tab of the same browser."""
    return Visitor(visitor.client).opens("/phone/code/")


def place(number: str) -> None:
    """Place the queued call to the number, as a worker does."""
    place_call(VerificationAttempt.objects.get(phone__number=number, status="queued").pk)


class TestTheFormForAnotherNumber:
    def test_leaves_the_call_open_and_leads_back_to_its_code(self, visitor: Visitor) -> None:
        assert (visitor.heading(), visitor.buttons(), status()) == ("Verify your phone", ["Call me", BACK], "placed")

        visitor.presses(BACK)

        assert visitor.heading() == "We are calling you"
        assert visitor.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"
        assert len(outbox) == 1

    def test_is_still_there_after_a_reload(self, visitor: Visitor) -> None:
        visitor.opens("/phone/" if visitor.path.startswith("/phone/") else visitor.path)

        assert (visitor.heading(), visitor.buttons()) == ("Verify your phone", ["Call me", BACK])

    def test_is_left_for_good_with_the_way_back(self, visitor: Visitor) -> None:
        path = visitor.path
        visitor.presses(BACK)

        assert visitor.opens(path).heading() == "We are calling you"

    @pytest.mark.parametrize("seconds", [0, 61])
    def test_leads_to_the_code_for_the_same_number_without_another_call(self, visitor: Visitor, seconds: int) -> None:
        let_time_pass(seconds)

        visitor.presses("Call me", number=SPELLING)

        assert (visitor.heading(), visitor.note(), len(outbox)) == ("We are calling you", "", 1)
        assert visitor.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    def test_offers_no_way_back_to_a_code_that_has_expired(self, visitor: Visitor) -> None:
        let_time_pass(301)

        visitor.opens("/phone/" if visitor.path.startswith("/phone/") else visitor.path)

        assert (visitor.heading(), visitor.buttons()) == ("Verify your phone", ["Call me"])

    def test_of_an_old_page_leads_back_to_what_became_of_the_call(self, visitor: Visitor) -> None:
        let_time_pass(301)

        assert visitor.presses(BACK).heading() == "This code has expired"

    def test_leads_back_without_the_session(self, visitor: Visitor) -> None:
        action, fields = visitor.form(BACK)
        del visitor.client.cookies["sessionid"]

        visitor.sends(action, fields)

        assert (visitor.heading(), SPELLING in visitor.card().text) == ("We are calling you", True)

    def test_sent_back_twice_ends_at_the_code(self, visitor: Visitor) -> None:
        action, fields = visitor.form(BACK)

        visitor.sends(action, fields).sends(action, fields)

        assert visitor.heading() == "We are calling you"


class TestARejectedNumber:
    @pytest.mark.parametrize("number", [PREMIUM, "call me", OTHER_NUMBER])
    def test_leaves_the_call_open_with_its_way_back(self, visitor: Visitor, number: str) -> None:
        services.start_verification(OTHER_NUMBER)

        visitor.presses("Call me", number=number)

        assert (BACK in visitor.buttons(), status()) == (True, "placed")
        assert visitor.presses(BACK).presses("Verify", code=last_code_for(NUMBER)).heading() == (
            "Your number is verified"
        )

    def test_by_the_provider_leaves_the_call_open(self, visitor: Visitor, site: Any, telroi: Simulator) -> None:
        telroi.fail_next("unauthorized")

        visitor.presses("Call me", number=OTHER_NUMBER)

        assert (BACK in visitor.buttons(), status()) == (True, "placed")


class TestACallToAnotherNumber:
    def test_closes_the_first_one(self, visitor: Visitor) -> None:
        visitor.presses("Call me", number=OTHER_NUMBER)

        assert (visitor.heading(), status(), status(OTHER_NUMBER)) == ("We are calling you", "canceled", "placed")
        assert visitor.presses("Verify", code=last_code_for(OTHER_NUMBER)).heading() == "Your number is verified"

    def test_adds_the_statements_of_a_status_and_a_cancellation(self, db: None, telroi: Simulator) -> None:
        visitor = Visitor(Client())
        visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Change number")
        action, fields = visitor.form("Call me")

        with statements() as seen:
            visitor.client.post(action, fields | {"number": OTHER_NUMBER})

        assert len([sql for sql in seen if "django_session" not in sql]) == 4 + 1 + 2

    def test_sent_twice_is_one_call(self, visitor: Visitor) -> None:
        action, fields = visitor.form("Call me")

        visitor.sends(action, fields | {"number": OTHER_NUMBER}).sends(action, fields | {"number": OTHER_NUMBER})

        assert (visitor.heading(), len(outbox), status()) == ("We are calling you", 2, "canceled")

    def test_gives_no_more_tries_than_its_own(self, visitor: Visitor) -> None:
        tab = other_tab(visitor)
        for _ in range(2):
            tab.presses("Verify", code=wrong(last_code_for(NUMBER)))
        visitor.opens("/phone/code/").presses("Change number").presses(BACK)

        visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))

        assert visitor.heading() == "That was the last try"

    def test_takes_no_code_of_the_first_call_any_more(self, visitor: Visitor) -> None:
        tab, code = other_tab(visitor), last_code_for(NUMBER)
        visitor.presses("Call me", number=OTHER_NUMBER)

        tab.presses("Verify", code=code)

        assert tab.note().startswith("Your code was not checked, because this page showed an older call.")
        assert VerificationAttempt.objects.get(phone__number=OTHER_NUMBER).tries == 0


class TestAnotherTab:
    def test_verifies_the_code_of_the_call_that_rings(self, visitor: Visitor) -> None:
        tab = other_tab(visitor)

        assert tab.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"
        assert visitor.opens("/phone/done/").heading() == "Your number is verified"

    @pytest.mark.parametrize("is_user", [True, False])
    def test_keeps_its_success_if_the_other_number_is_called_meanwhile(
        self, site: Any, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, is_user: bool
    ) -> None:
        if is_user:
            visitor.client.force_login(User.objects.create_user("ada"))
            visitor.opens("/phone/").presses("Call me", number="+14155550132").presses("Change number")
        number = "+14155550132" if is_user else NUMBER
        tab = other_tab(visitor)

        def place_call(backend: LocmemBackend, to: str, **options: Any) -> OtpCall:
            monkeypatch.undo()
            tab.presses("Verify", code=last_code_for(number))
            return backend.place_call(to, **options)

        monkeypatch.setattr(LocmemBackend, "place_call", place_call)
        visitor.presses("Call me", number=OTHER_NUMBER)

        assert tab.heading() == "Your number is verified"
        assert visitor.opens("/phone/done/").heading() == "Your number is verified"


class TestAQueuedCallToAnotherNumber:
    @pytest.fixture(params=PAGES)
    def visitor(self, telroi: Simulator, db: None, request: pytest.FixtureRequest) -> Visitor:
        called = Visitor(Client()).opens(request.param)
        return called.presses("Call me", number=SPELLING).presses("Change number")

    @pytest.fixture
    def queued(self, visitor: Visitor, workers: None) -> Visitor:
        return visitor.presses("Call me", number=OTHER_NUMBER)

    def test_leaves_the_first_one_open_until_it_is_placed(self, queued: Visitor) -> None:
        assert (queued.heading(), status()) == ("Calling…", "placed")

        place(OTHER_NUMBER)
        queued.opens(queued.path)

        assert (queued.heading(), status(), status(OTHER_NUMBER)) == ("We are calling you", "canceled", "placed")

    def test_leads_back_if_it_is_canceled(self, queued: Visitor) -> None:
        queued.presses("Cancel")

        assert (queued.heading(), queued.buttons()) == ("Verify your phone", ["Call me", BACK])
        assert (status(), status(OTHER_NUMBER)) == ("placed", "canceled")

    def test_leads_back_with_the_reason_if_it_is_not_placed(self, queued: Visitor, telroi: Simulator) -> None:
        VerificationAttempt.objects.filter(status="queued").update(status="failed", error_code="unreachable")

        queued.opens(queued.path)

        assert queued.note().startswith("The call could not be placed.")
        assert BACK in queued.buttons()
        assert queued.presses(BACK).presses("Verify", code=telroi.last_code_for(NUMBER)).heading() == (
            "Your number is verified"
        )

    def test_shows_a_number_that_cannot_be_called_in_its_field(self, queued: Visitor) -> None:
        VerificationAttempt.objects.filter(status="queued").update(status="failed", error_code="invalid")

        queued.opens(queued.path)

        assert queued.error().startswith("We cannot call this number.")
        assert queued.field("number")["value"] == OTHER_NUMBER

    def test_that_does_not_exist_leads_back(self, queued: Visitor) -> None:
        VerificationAttempt.objects.filter(status="queued").delete()

        queued.opens(queued.path)

        assert queued.note() == "The call could not be placed. Try again in a few minutes."
        assert queued.buttons() == ["Call me", BACK]

    def test_is_canceled_if_the_code_of_the_first_one_is_right(
        self, visitor: Visitor, workers: None, telroi: Simulator
    ) -> None:
        tab = other_tab(visitor)
        visitor.presses("Call me", number=OTHER_NUMBER)

        tab.presses("Verify", code=telroi.last_code_for(NUMBER))

        assert (tab.heading(), status(OTHER_NUMBER)) == ("Your number is verified", "canceled")


def test_a_call_that_is_not_placed_yet_is_canceled(telroi: Simulator, db: None, workers: None) -> None:
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=SPELLING)

    visitor.presses("Cancel")

    assert (visitor.buttons(), status()) == (["Call me"], "canceled")


def test_next_is_kept_on_the_way_back(db: None) -> None:
    visitor = Visitor(Client()).opens("/phone/?next=/account/").presses("Call me", number=SPELLING)
    visitor.presses("Change number").presses(BACK)

    assert visitor.presses("Verify", code=last_code_for(NUMBER)).path == "/account/"
