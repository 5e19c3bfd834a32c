"""A number of the site is called without being typed, in a card, behind a gate and through the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.services.world import let_time_pass, wrong
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, PREMIUM, SPELLING, Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.stored_site")]

OTHER_OFFERS = {"Use another number", "Change number", "Verify another number"}
TOO_OLD = "This page is too old, or was opened with another login. Open it again, then ask for the call."
NO_NUMBER = "No phone number is saved yet. Save one first, then come back."
INVALID = "The saved phone number is not valid. Correct it first, then come back."
IN_PLACE = {"X-Telroi-In-Place": "1"}


@pytest.fixture
def ada(site: Any) -> User:
    return User.objects.create_user("ada", first_name=SPELLING)


@pytest.fixture
def visitor(ada: User) -> Visitor:
    client = Client()
    client.force_login(ada)
    return Visitor(client)


def spoiled(ticket: str) -> str:
    """Return the ticket with an invalid signature in both of its parts."""
    return " ".join(f"{part[:-2]}xx" for part in ticket.split(" "))


def text(visitor: Visitor) -> str:
    return " ".join(visitor.card().text.split())


def verify(user: User, number: str = NUMBER, purpose: str = "") -> None:
    attempt = services.start_verification(number, user=user, purpose=purpose)
    result = services.check_code(attempt.uuid, last_code_for(number), user=user)
    assert result.outcome == services.CheckOutcome.VERIFIED


class TestACard:
    def test_calls_the_number_of_the_site(self, visitor: Visitor) -> None:
        visitor.opens("/card/")
        assert visitor.heading() == "Verify your phone"
        assert f"We call {MASKED} and read out a code of six digits." in text(visitor)
        assert (visitor.buttons(), visitor.field("number")) == (["Call me"], None)

        visitor.presses("Call me")
        assert (visitor.path, visitor.heading()) == ("/card/", "We are calling you")
        assert not OTHER_OFFERS & set(visitor.buttons())

        visitor.presses("Verify", code=last_code_for(NUMBER))
        assert visitor.path == "/account/"
        visitor.opens("/card/")
        assert visitor.heading() == "Your number is verified"
        assert not OTHER_OFFERS & set(visitor.buttons())

    def test_says_who_has_the_number_once_it_is_verified_on_another_page(self, visitor: Visitor, ada: User) -> None:
        verify(ada)

        visitor.opens("/here/")

        assert visitor.heading() == "Your number is verified"
        assert "It belongs to your account ada." in text(visitor)
        assert visitor.buttons() == []

    def test_is_not_content_with_another_number_or_purpose(self, visitor: Visitor, ada: User) -> None:
        verify(ada, OTHER_NUMBER)
        verify(ada, NUMBER, "signup")

        assert visitor.opens("/card/").buttons() == ["Call me"]

    def test_never_contains_the_number(self, visitor: Visitor) -> None:
        visitor.opens("/card/").presses("Call me")
        visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))

        for answer in visitor.trail:
            for spelling in (NUMBER, NUMBER[1:], SPELLING, NUMBER[4:]):
                assert spelling not in answer.content.decode()
                assert spelling not in str(dict(visitor.client.session))

    def test_survives_a_reload_and_calls_again(self, visitor: Visitor) -> None:
        visitor.opens("/card/").presses("Call me")
        visitor.opens("/card/")
        assert visitor.heading() == "We are calling you"
        let_time_pass(60)

        action, fields = visitor.form("Call again")
        visitor.sends(action, fields)

        assert visitor.heading() == "We are calling you"
        assert [call.to for call in outbox] == [NUMBER, NUMBER]
        assert not OTHER_OFFERS & set(visitor.buttons())

    def test_continues_on_the_pages_of_the_app_without_another_number(self, visitor: Visitor) -> None:
        visitor.opens("/card/").presses("Call me")

        visitor.opens("/phone/code/")
        assert not OTHER_OFFERS & set(visitor.buttons())
        visitor.presses("Verify", code=last_code_for(NUMBER))
        visitor.opens("/phone/done/")
        assert visitor.heading() == "Your number is verified"
        assert not OTHER_OFFERS & set(visitor.buttons())

    def test_explains_a_lost_session(self, site: Any) -> None:
        visitor = Visitor(Client())
        path = "/order/?number=%2B2348031234567"
        visitor.opens(path).presses("Call me")
        del visitor.client.cookies["sessionid"]

        visitor.opens(path)

        assert visitor.note().startswith("We lost track of your last call.")
        assert (visitor.buttons(), visitor.field("number")) == (["Call me"], None)

    def test_has_a_wait_and_no_other_number_after_a_refusal(self, visitor: Visitor) -> None:
        services.start_verification(NUMBER)

        visitor.opens("/card/").presses("Call me")

        assert visitor.heading() == "A short wait first"
        assert visitor.note().startswith("We called this number a moment ago.")
        assert visitor.buttons() == ["Call me"]
        assert visitor.opens("/card/").heading() == "A short wait first"

        let_time_pass(61)
        assert visitor.presses("Call me").heading() == "We are calling you"

    def test_shows_calls_that_are_stopped(self, visitor: Visitor) -> None:
        services.stop_calls(reason="a bill", actor="grace")

        visitor.opens("/card/")

        assert visitor.note() == "Calls are switched off at the moment. Try again later."
        assert visitor.buttons() == []
        services.resume_calls(actor="grace")
        assert visitor.opens("/card/").presses("Call me").heading() == "We are calling you"

    def test_shows_a_number_that_staff_have_blocked(self, visitor: Visitor) -> None:
        services.block_number(NUMBER, reason="fraud", actor="grace")

        visitor.opens("/card/").presses("Call me")

        assert visitor.heading() == "We cannot call this number"
        assert visitor.note() == (
            "We cannot call the saved phone number. Save another mobile or landline number first, then come back."
        )
        assert visitor.buttons() == []

    @pytest.mark.codes("telroi")
    def test_shows_a_number_that_telroi_rejects(self, visitor: Visitor, telroi: Simulator) -> None:
        telroi.fail_next("invalid")

        visitor.opens("/card/").presses("Call me")

        assert visitor.heading() == "We cannot call this number"
        assert visitor.note().startswith("We cannot call the saved phone number.")
        assert visitor.buttons() == []

    def test_shows_that_the_number_is_taken(self, visitor: Visitor, site: Any) -> None:
        site.TELROI |= {"ONE_ACCOUNT_PER_NUMBER": True}
        verify(User.objects.create_user("grace"))
        let_time_pass(60)

        visitor.opens("/here/").presses("Call me")
        visitor.presses("Verify", code=last_code_for(NUMBER))

        assert visitor.heading() == "This number is taken"
        assert "This number belongs to another account. You are logged in as ada." in text(visitor)
        assert "Use another number" not in text(visitor)
        assert visitor.buttons() == []

    @pytest.mark.parametrize(
        ("number", "title", "note"),
        [
            ("", "There is no number to call", NO_NUMBER),
            ("  ", "There is no number to call", NO_NUMBER),
            ("call me", "We cannot call this number", INVALID),
            ("+234 803", "We cannot call this number", INVALID),
            ("112", "We cannot call this number", INVALID),
            ("\ud83d", "We cannot call this number", INVALID),
            (
                PREMIUM,
                "We cannot call this number",
                "We cannot call the saved phone number. Save another mobile or landline number first, then come back.",
            ),
        ],
    )
    def test_explains_a_number_that_is_not_called(self, visitor: Visitor, number: str, title: str, note: str) -> None:
        response = visitor.client.get("/order/", {"number": number.encode(errors="surrogatepass")})
        visitor._arrives(response, "/order/")

        assert (visitor.heading(), visitor.note()) == (title, note)
        assert (visitor.buttons(), visitor.field("number")) == ([], None)

    def test_explains_a_country_that_is_not_called(self, visitor: Visitor, site: Any) -> None:
        site.TELROI |= {"BLOCKED_REGIONS": ["NG"]}

        assert visitor.opens("/card/").note() == (
            "We do not call numbers of this country. Save a number of another country first, then come back."
        )

    def test_of_an_undefined_variable_asks_for_no_number(self, visitor: Visitor) -> None:
        visitor.opens("/order/")

        assert (visitor.note(), visitor.field("number")) == (NO_NUMBER, None)

    def test_ignores_what_another_card_of_the_session_has_left(self, visitor: Visitor) -> None:
        visitor.opens("/typed/").presses("Call me", number="nonsense")
        assert visitor.opens("/card/").buttons() == ["Call me"]
        assert visitor.note() == ""

        visitor.opens("/typed/").presses("Call me", number=OTHER_NUMBER)
        assert visitor.opens("/card/").buttons() == ["Call me"]
        assert visitor.opens("/typed/").heading() == "We are calling you"


class TestAForgedForm:
    def test_with_a_changed_ticket_calls_nobody(self, visitor: Visitor) -> None:
        action, fields = visitor.opens("/card/").form("Call me")

        visitor.sends(action, fields | {"ticket": spoiled(fields["ticket"])})

        assert (visitor.statuses[-1], visitor.note()) == (403, TOO_OLD)
        assert visitor.field("number") is None
        assert not outbox

    def test_in_place_says_so_too(self, visitor: Visitor) -> None:
        action, fields = visitor.opens("/card/").form("Call me")

        answer = visitor.client.post(action, fields | {"ticket": ""}, headers=IN_PLACE)

        assert (answer.status_code, answer.json()) == (403, {"problem": TOO_OLD})

    def test_of_the_last_user_of_the_browser_calls_nobody(self, visitor: Visitor) -> None:
        action, fields = visitor.opens("/card/").form("Call me")
        visitor.client.post(action, {})  # the cookies of a browser
        del visitor.client.cookies["sessionid"]

        visitor.sends(action, fields)

        assert (visitor.statuses[-1], visitor.note()) == (403, TOO_OLD)
        assert not outbox

    def test_of_another_browser_calls_nobody(self, visitor: Visitor, ada: User) -> None:
        _, stolen = visitor.opens("/card/").form("Call me")
        other = Visitor(Client())
        other.client.force_login(User.objects.create_user("eve", first_name=OTHER_NUMBER))
        action, fields = other.opens("/card/").form("Call me")

        other.sends(action, fields | {"ticket": stolen["ticket"]})

        assert other.statuses[-1] == 403
        assert not outbox

    def test_cannot_bring_another_number(self, visitor: Visitor) -> None:
        action, fields = visitor.opens("/card/").form("Call me")

        visitor.sends(action, fields | {"number": OTHER_NUMBER})

        assert [call.to for call in outbox] == [NUMBER]

    def test_without_the_cookie_explains_it(self, ada: User) -> None:
        visitor = Visitor(Client(enforce_csrf_checks=True))
        visitor.client.force_login(ada)
        action, fields = visitor.opens("/card/").form("Call me")
        del visitor.client.cookies["csrftoken"]

        visitor.sends(action, fields)

        assert visitor.statuses[-1] == 403
        assert visitor.note().startswith("Your browser did not send the cookie of this site.")
        assert visitor.field("number") is None

    def test_under_a_key_that_is_retired_still_works(self, visitor: Visitor, site: Any) -> None:
        action, fields = visitor.opens("/card/").form("Call me")
        site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "new", [site.SECRET_KEY]
        visitor.client.force_login(User.objects.get())

        visitor.sends(action, fields)

        assert {call.to for call in outbox} <= {NUMBER}


@pytest.mark.parametrize("path", ["/payout/", "/async-payout/", "/statement/"])
class TestAGate:
    def test_asks_to_verify_this_number_and_then_opens(self, visitor: Visitor, path: str) -> None:
        visitor.opens(path)
        assert visitor.path.startswith("/phone/?")
        assert NUMBER[1:] not in visitor.path
        assert f"We call {MASKED}" in text(visitor)
        assert (visitor.buttons(), visitor.field("number")) == (["Call me"], None)

        visitor.presses("Call me")
        assert (visitor.path, visitor.heading()) == ("/phone/code/", "We are calling you")
        assert not OTHER_OFFERS & set(visitor.buttons())
        visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))
        visitor.presses("Verify", code=last_code_for(NUMBER))

        assert (visitor.path, visitor.trail[-1].content) == (path, b"in")

    def test_stays_closed_for_another_number_of_the_user(self, visitor: Visitor, ada: User, path: str) -> None:
        verify(ada, OTHER_NUMBER)
        assert visitor.opens(path).buttons() == ["Call me"]

        verify(ada)
        assert visitor.opens(path).trail[-1].content == b"in"

    def test_explains_a_missing_and_an_invalid_number(self, visitor: Visitor, ada: User, path: str) -> None:
        verify(ada)
        for number, note in (("", NO_NUMBER), ("nonsense", INVALID)):
            User.objects.update(first_name=number)

            visitor.opens(path)

            assert (visitor.path.partition("?")[0], visitor.note()) == ("/phone/", note)
            assert visitor.buttons() == []
            assert visitor.card().find("a") is None  # a link to the gate would lead here again, and "/" is no page here

    @pytest.mark.parametrize(("referrer", "is_back"), [("/card/", True), ("gate", False), ("/phone/", False)])
    def test_leads_back_to_the_page_before_the_gate(
        self, visitor: Visitor, ada: User, path: str, referrer: str, is_back: bool
    ) -> None:
        User.objects.update(first_name="")
        gate = visitor.opens(path).path
        came_from = "http://testserver" + (path if referrer == "gate" else referrer)

        visitor.opens(gate, referer=came_from)

        link = visitor.card().find("a")
        assert (link["href"] if link else "") == (came_from if is_back else "")

    def test_follows_a_number_that_the_site_changes(self, visitor: Visitor, ada: User, path: str) -> None:
        visitor.opens(path)
        User.objects.update(first_name=OTHER_NUMBER)

        visitor.opens(path).presses("Call me")

        assert [call.to for call in outbox] == [OTHER_NUMBER]

    def test_keeps_the_number_after_a_refusal(self, visitor: Visitor, path: str) -> None:
        services.stop_calls(reason="a bill", actor="grace")

        visitor.opens(path)
        assert visitor.note() == "Calls are switched off at the moment. Try again later."
        assert (visitor.buttons(), visitor.field("number")) == ([], None)

        services.resume_calls(actor="grace")
        assert visitor.opens(visitor.path).presses("Call me").heading() == "We are calling you"

    def test_has_a_way_back_when_the_session_is_lost(self, visitor: Visitor, ada: User, path: str) -> None:
        page = visitor.opens(path).path
        visitor.client.force_login(ada)
        visitor.client.session.flush()
        visitor.client.force_login(ada)

        visitor.opens(page)

        assert visitor.heading() == "Start again"
        assert visitor.card().find("a")["href"] == path

    def test_does_not_bind_the_page_for_any_number(self, visitor: Visitor, path: str) -> None:
        visitor.opens(path)

        visitor.opens("/phone/").presses("Call me", number=OTHER_NUMBER)

        assert "Change number" in visitor.buttons()

    def test_asks_a_visitor_to_log_in_first(self, site: Any, path: str) -> None:
        answer = Client().get(path)

        assert answer["Location"].startswith("/accounts/login/")


class TestTheApi:
    def test_calls_the_number_of_the_user(self, visitor: Visitor) -> None:
        answer = visitor.client.post("/api/phone/start/", {}, content_type="application/json")

        assert (answer.status_code, answer.json()["number"]) == (201, MASKED)
        assert VerificationAttempt.objects.get().user.username == "ada"

        code = last_code_for(NUMBER)
        checked = visitor.client.post(f"/api/phone/verifications/{answer.json()['id']}/check/", {"code": code})
        assert checked.json()["verified"] is True
        assert visitor.client.get("/api/payout/").status_code == 200

    def test_ignores_a_number_in_the_body(self, visitor: Visitor) -> None:
        visitor.client.post("/api/phone/start/", {"number": OTHER_NUMBER}, content_type="application/json")

        assert [call.to for call in outbox] == [NUMBER]

    @pytest.mark.parametrize(
        ("number", "status", "code", "detail"),
        [
            ("", 409, "no_number", NO_NUMBER),
            ("nonsense", 400, "invalid_number", INVALID),
            (
                PREMIUM,
                400,
                "not_callable",
                "We cannot call the saved phone number. Save another mobile or landline number first, then come back.",
            ),
        ],
    )
    def test_has_the_sentences_of_the_card(
        self, visitor: Visitor, number: str, status: int, code: str, detail: str
    ) -> None:
        User.objects.update(first_name=number)

        answer = visitor.client.post("/api/phone/start/")

        assert (answer.status_code, answer.json()) == (status, {"code": code, "detail": detail, "retry_after": None})
        assert visitor.client.get("/api/payout/").status_code == 403

    def test_needs_a_login(self, site: Any) -> None:
        assert Client().post("/api/phone/start/").status_code in (401, 403)
        assert not outbox

    def test_is_closed_for_another_number(self, visitor: Visitor, ada: User) -> None:
        verify(ada, OTHER_NUMBER)

        assert visitor.client.get("/api/payout/").json()["code"] == "phone_not_verified"

    def test_says_that_a_site_forgot_the_hook(self, visitor: Visitor) -> None:
        from django.core.exceptions import ImproperlyConfigured

        with pytest.raises(ImproperlyConfigured, match=r"must override get_number"):
            visitor.client.post("/api/phone/forgotten/")
