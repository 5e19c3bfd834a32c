"""A call that must wait: its card names the number, survives a reload, and its button calls that number."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from django_telroi import services
from django_telroi.testing import last_code_for, outbox
from django_telroi.web.notices import KEEP_NUMBER_FOR, Notice, read_notice, saved_notice
from django_telroi.web.tickets import open_number, open_waiting_number, seal_number, seal_waiting_number
from tests.services.world import let_time_pass, statements
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.urls("tests.web.site")
ASKED = f"You asked for a call to {MASKED}."
FORGOTTEN = "We no longer know which number you asked us to call. Type it again."


@pytest.fixture(params=["/phone/", "/here/"])
def waiting(db: None, request: pytest.FixtureRequest) -> Visitor:
    """A visitor whose number another person had called a moment ago."""
    services.start_verification(NUMBER)
    return Visitor(Client()).opens(request.param).presses("Call me", number=SPELLING)


def passes(visitor: Visitor, seconds: float) -> Visitor:
    """Let time pass for the calls and for the wait of the session, and load the page again."""
    let_time_pass(seconds)
    session = visitor.client.session
    flow = session["telroi"][""]
    notice = asdict(cast(Notice, read_notice(flow["notice"])))
    notice["over_at"] -= seconds
    request = RequestFactory().get("/")
    ends_at = notice["over_at"] + KEEP_NUMBER_FOR
    notice["number"] = seal_waiting_number(
        str(open_waiting_number(notice["number"], request)), request, ends_at=ends_at
    )
    flow["notice"] = saved_notice(Notice(**notice))
    session.save()
    return visitor.opens(visitor.path)


def test_the_card_names_the_number_and_is_no_alarm(waiting: Visitor) -> None:
    assert (waiting.heading(), ASKED in waiting.card().text) == ("A short wait first", True)
    assert "telroi-calm" in waiting.card().find(class_="telroi-note")["class"]
    assert "telroi-bad" not in str(waiting.card())
    assert waiting.card().find(attrs={"data-telroi-wait": True})


def test_the_card_survives_a_reload_without_taking_the_focus_again(waiting: Visitor) -> None:
    for _ in range(2):
        waiting.opens(waiting.path)

        assert (waiting.heading(), ASKED in waiting.card().text) == ("A short wait first", True)
    if waiting.path == "/here/":
        assert "autofocus" not in str(waiting.card())


def test_a_reload_writes_no_session(waiting: Visitor) -> None:
    waiting.opens(waiting.path)

    with statements() as seen:
        waiting.opens(waiting.path)

    assert [sql.split()[0] for sql in seen] == ["SELECT"]


def test_its_button_calls_that_number_after_the_wait(waiting: Visitor) -> None:
    let_time_pass(61)

    waiting.presses("Call me")

    assert (waiting.heading(), len(outbox)) == ("We are calling you", 2)
    assert waiting.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"


def test_its_button_pressed_too_early_shows_the_same_card(waiting: Visitor) -> None:
    waiting.presses("Call me")

    assert (waiting.heading(), ASKED in waiting.card().text, len(outbox)) == ("A short wait first", True, 1)


def test_after_the_wait_the_card_offers_the_call(waiting: Visitor) -> None:
    passes(waiting, 61)

    assert (waiting.heading(), waiting.note()) == ("Verify your phone", "")
    assert f"We call {MASKED} and read out" in waiting.card().text
    assert waiting.buttons() == ["Call me", "Use another number"]
    assert waiting.presses("Call me").heading() == "We are calling you"


def test_an_hour_after_the_wait_the_number_is_forgotten(waiting: Visitor) -> None:
    passes(waiting, 61 + 3600)

    assert waiting.field("number").get("value") is None
    assert (waiting.note(), "telroi-calm" in str(waiting.card())) == (FORGOTTEN, True)
    assert MASKED not in str(dict(waiting.client.session))
    assert waiting.opens(waiting.path).note() == ""


def test_the_button_of_an_old_page_asks_for_the_number_without_an_error(waiting: Visitor) -> None:
    action, fields = waiting.form("Call me")
    passes(waiting, 61 + 3600)

    waiting.sends(action, fields)

    assert (waiting.note(), waiting.error(), len(outbox)) == (FORGOTTEN, "", 1)
    assert "aria-invalid" not in waiting.field("number").attrs


def test_the_seal_ends_by_itself_an_hour_after_the_wait(rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    request, now = rf.get("/"), time.time()
    sealed = seal_waiting_number(NUMBER, request, ends_at=now + 61)
    assert open_waiting_number(sealed, request) == NUMBER
    assert open_number(sealed, request) is None
    assert open_waiting_number(seal_number(NUMBER, request), request) is None

    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert open_waiting_number(sealed, request) is None


def test_another_number_can_be_typed(waiting: Visitor) -> None:
    waiting.presses("Use another number").presses("Call me", number=OTHER_NUMBER)

    assert waiting.heading() == "We are calling you"


def test_the_session_and_the_page_have_the_number_sealed(waiting: Visitor) -> None:
    assert "1234567" not in str(dict(waiting.client.session)) + str(waiting.soup)


def test_a_changed_value_is_no_number(waiting: Visitor) -> None:
    action, fields = waiting.form("Call me")

    waiting.sends(action, fields | {"sealed": fields["sealed"][:-1] + "x"})

    assert (waiting.heading(), ASKED in waiting.card().text, len(outbox)) == ("A short wait first", True, 1)


def test_a_sealed_number_of_another_session_is_no_number(waiting: Visitor) -> None:
    sealed = waiting.card().find("input", attrs={"name": "sealed"})["value"]
    let_time_pass(61)
    other = Visitor(Client()).opens("/phone/")
    ticket = other.card().find("input", attrs={"name": "ticket"})["value"]

    other.client.post("/phone/", {"ticket": ticket, "sealed": sealed})

    assert outbox == outbox[:1]
    assert NUMBER[-7:] not in other.opens("/phone/").card().text.replace(" ", "")


def test_a_number_on_file_is_not_shown_whole_by_its_sealed_value(db: None, rf: RequestFactory) -> None:
    visitor = Visitor(Client()).opens("/phone/")
    request = rf.get("/phone/")
    ticket = visitor.card().find("input", attrs={"name": "ticket"})["value"]

    visitor.client.post("/phone/", {"ticket": ticket, "sealed": seal_number(NUMBER, request)})

    assert outbox == []


def test_the_number_of_the_button_is_shown_whole_to_the_browser_that_typed_it(waiting: Visitor) -> None:
    passes(waiting, 61).presses("Call me")

    assert (waiting.heading(), SPELLING in waiting.card().text) == ("We are calling you", True)


def test_the_number_of_the_button_is_masked_for_another_browser(waiting: Visitor) -> None:
    for name in ("telroi_asked", "telroi_typed"):
        waiting.client.cookies.pop(name)

    passes(waiting, 61).presses("Call me")

    assert waiting.heading() == "We are calling you"
    assert "telroi_asked" in waiting.client.cookies
    assert MASKED in waiting.card().text
    assert SPELLING not in waiting.card().text


def test_a_button_whose_number_was_blocked_meanwhile_keeps_the_number_sealed(waiting: Visitor) -> None:
    services.block_number(NUMBER, reason="a test", actor="staff")

    passes(waiting, 61).presses("Call me")

    assert NUMBER[-7:] not in str(dict(waiting.client.session))
    assert NUMBER[-7:] not in str(waiting.card()).replace(" ", "")


def test_after_a_login_the_number_is_of_another_person(waiting: Visitor) -> None:
    waiting.client.force_login(User.objects.create_user("ada"))

    waiting.opens(waiting.path)

    assert (waiting.heading(), "telroi-calm" in str(waiting.card())) == ("A short wait first", True)
    assert MASKED not in waiting.card().text
    waiting.presses("Use another number")
    assert (waiting.field("number").get("value"), waiting.error()) == (None, "")


def test_the_button_of_a_page_before_the_login_shows_the_wait_and_no_error(waiting: Visitor) -> None:
    action, fields = waiting.form("Call me")
    waiting.client.force_login(User.objects.create_user("ada"))

    waiting.sends(action, fields)

    assert (waiting.heading(), waiting.error(), len(outbox)) == ("A short wait first", "", 1)
    assert MASKED not in waiting.card().text


def test_the_button_of_a_page_of_a_lost_session_asks_for_the_number_without_an_error(waiting: Visitor) -> None:
    action, fields = waiting.form("Call me")
    waiting.client.cookies.pop("sessionid")

    waiting.sends(action, fields)

    assert (waiting.note(), waiting.error(), len(outbox)) == (FORGOTTEN, "", 1)


def test_a_wait_on_the_code_step_is_calm(db: None) -> None:
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=SPELLING).presses("Call again")

    assert visitor.note().startswith("We called this number a moment ago.")
    assert "telroi-calm" in visitor.card().find(class_="telroi-note")["class"]
