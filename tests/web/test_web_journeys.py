"""Typical flows through the pages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse_lazy

from django_telroi import services
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.shared import number_state
from django_telroi.services.shared.number_state import STOP_HINT
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from django_telroi.web.notices import read_notice, saved_notice
from tests.services.world import let_time_pass, statements, wrong
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, PREMIUM, SPELLING, Visitor


def calls() -> int:
    return len(outbox)


def with_a_call(visitor: Visitor, number: str = SPELLING) -> Visitor:
    return visitor.opens("/phone/").presses("Call me", number=number)


def lets_the_call_become(status: str, **fields: Any) -> None:
    """Set the fields of the attempt, as after a queue, a lost answer or a staff action."""
    VerificationAttempt.objects.update(status=status, **fields)


def test_a_number_is_called_and_verified_by_its_code(visitor: Visitor) -> None:
    visitor.opens("/phone/")
    assert visitor.heading() == "Verify your phone"

    visitor.presses("Call me", number=SPELLING)
    assert visitor.heading() == "We are calling you"
    assert SPELLING in visitor.card().text

    visitor.presses("Verify", code=last_code_for(NUMBER))
    assert visitor.heading() == "Your number is verified"
    assert MASKED in visitor.card().text
    assert (visitor.path, calls()) == ("/phone/done/", 1)


def test_a_code_can_be_typed_in_groups(visitor: Visitor) -> None:
    with_a_call(visitor)
    code = last_code_for(NUMBER)

    visitor.presses("Verify", code=f" {code[:3]}-{code[3:]} ")

    assert visitor.heading() == "Your number is verified"


def test_a_logged_in_user_has_a_verified_phone_afterwards(visitor: Visitor) -> None:
    ada = User.objects.create_user("ada")
    visitor.client.force_login(ada)

    with_a_call(visitor).presses("Verify", code=last_code_for(NUMBER))

    assert VerifiedPhone.objects.filter(user=ada, number=NUMBER).exists()


def test_an_invalid_value_is_shown_again_with_its_error(visitor: Visitor) -> None:
    with_a_call(visitor, "0803 123")

    assert visitor.error() == "The country code is missing. Start with + and the country code."
    assert visitor.field("number")["value"] == "0803 123"
    assert (visitor.soup.title.text, calls()) == ("Error: Verify your phone", 0)


def test_a_premium_number_is_an_error_of_its_field(visitor: Visitor) -> None:
    with_a_call(visitor, PREMIUM)

    assert visitor.error() == "We cannot call this number. Try another mobile or landline number."
    assert visitor.field("number")["value"] == PREMIUM
    assert calls() == 0


def test_an_error_is_shown_once_and_the_typed_number_forgotten(visitor: Visitor) -> None:
    with_a_call(visitor, PREMIUM)

    visitor.opens("/phone/")

    assert visitor.error() == ""
    assert PREMIUM not in str(dict(visitor.client.session))


def test_a_wrong_code_says_how_many_tries_are_left(visitor: Visitor) -> None:
    with_a_call(visitor)

    visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))

    assert visitor.note() == "That is not the code. 2 tries left for this call."
    assert visitor.field("code").get("value") is None
    assert visitor.soup.title.text == "Error: We are calling you"


def test_a_malformed_code_uses_no_try(visitor: Visitor) -> None:
    with_a_call(visitor)

    visitor.presses("Verify", code="four two")

    assert visitor.note() == "A code has only digits. Type the digits that you hear."
    assert "left for this call" not in visitor.card().text


def test_after_the_last_try_call_again_is_offered_after_its_wait(visitor: Visitor) -> None:
    with_a_call(visitor)
    for _ in range(3):
        visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))

    assert visitor.heading() == "That was the last try"
    assert visitor.buttons() == ["Call again", "Change number"]
    visitor.presses("Call again")
    assert visitor.heading() == "That was the last try"

    let_time_pass(61)
    visitor.opens("/phone/code/").presses("Call again")
    assert visitor.heading() == "We are calling you"
    visitor.presses("Verify", code=last_code_for(NUMBER))
    assert visitor.heading() == "Your number is verified"


def test_the_countdown_uses_the_time_of_the_server(visitor: Visitor, site_clock: Any) -> None:
    with_a_call(visitor)
    let_time_pass(20)

    visitor.opens("/phone/code/")

    left = int(visitor.card().find(attrs={"data-telroi-ready-in": True})["data-telroi-ready-in"])
    assert left == 40
    assert visitor.card().find(attrs={"data-telroi-wait": str(left)})


def test_without_a_script_the_wait_is_text_and_the_button_visible(visitor: Visitor) -> None:
    with_a_call(visitor)

    words = visitor.card().find(attrs={"data-telroi-without-script": True}).text

    assert re.search(
        r"^You can ask for another call (1 minute|\d+ seconds) after this page was opened\.$", words.strip()
    )
    assert "Call again" in visitor.buttons()


def test_call_again_during_the_cooldown_says_how_long_to_wait(visitor: Visitor) -> None:
    with_a_call(visitor)
    action, fields = visitor.form("Call again")

    visitor.sends(action, fields)

    assert visitor.heading() == "We are calling you"
    assert visitor.note().startswith("We called this number a moment ago. You can ask for another call ")
    assert calls() == 1


def test_after_call_again_the_newer_code_verifies(visitor: Visitor) -> None:
    with_a_call(visitor)
    first = last_code_for(NUMBER)
    let_time_pass(61)

    visitor.opens("/phone/code/").presses("Call again")
    second = last_code_for(NUMBER)

    assert calls() == 2
    if first != second:
        assert visitor.presses("Verify", code=first).note().startswith("That is not the code.")
    assert visitor.presses("Verify", code=second).heading() == "Your number is verified"


def test_another_number_can_be_called_at_once(visitor: Visitor) -> None:
    with_a_call(visitor).presses("Change number")
    assert visitor.heading() == "Verify your phone"

    visitor.presses("Call me", number=OTHER_NUMBER)

    assert visitor.heading() == "We are calling you"
    assert VerificationAttempt.objects.get(phone__number=NUMBER).status == "canceled"


def test_a_person_who_returns_finds_their_call_without_an_error(visitor: Visitor) -> None:
    with_a_call(visitor)

    visitor.opens("/phone/")

    assert (visitor.path, visitor.heading()) == ("/phone/code/", "We are calling you")
    assert calls() == 1


def test_an_old_form_for_the_called_number_redirects_to_the_code(visitor: Visitor) -> None:
    action, old = visitor.opens("/phone/").form("Call me")
    with_a_call(visitor)

    visitor.sends(action, {**old, "number": SPELLING})

    assert (visitor.heading(), visitor.note()) == ("We are calling you", "")
    assert calls() == 1


def test_a_number_without_calls_left_says_when_it_can_be_called(visitor: Visitor, site: Any) -> None:
    site.TELROI = {**site.TELROI, "CALLS_PER_HOUR": 1}
    services.start_verification(NUMBER)

    with_a_call(visitor)

    assert visitor.heading() == "Enough calls for now"
    assert visitor.note().startswith("We have called this number as often as we can within an hour.")
    assert visitor.card().find("time")["datetime"]
    assert visitor.presses("Use another number").heading() == "Verify your phone"


def test_a_number_that_was_just_called_has_a_short_wait(visitor: Visitor) -> None:
    services.start_verification(NUMBER)

    with_a_call(visitor)

    assert visitor.heading() == "A short wait first"


def test_a_number_that_cannot_be_corrected_is_not_kept(visitor: Visitor) -> None:
    services.start_verification(NUMBER)

    visitor.client.post("/phone/", {"number": SPELLING})

    assert "1234567" not in str(dict(visitor.client.session))


def test_a_wait_that_is_over_is_not_shown(visitor: Visitor) -> None:
    services.start_verification(NUMBER)
    visitor.client.post("/phone/", {"number": NUMBER})
    session = visitor.client.session
    flow = session["telroi"][""]
    notice = read_notice(flow["notice"])
    assert notice is not None
    assert notice.over_at is not None
    flow["notice"] = saved_notice(replace(notice, over_at=notice.over_at - 61))
    session.save()

    assert visitor.opens("/phone/").heading() == "Verify your phone"


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.urls("tests.web.site")
def test_stopped_calls_have_a_card_of_their_own_before_a_number_is_typed(visitor: Visitor, path: str) -> None:
    services.stop_calls(actor="ada", reason="maintenance")

    visitor.opens(path)

    assert visitor.note() == "Calls are switched off at the moment. Try again later."
    assert (visitor.heading(), visitor.field("number")) == ("We cannot call right now", None)
    services.resume_calls(actor="ada")
    assert visitor.opens(path).heading() == "Verify your phone"


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.urls("tests.web.site")
def test_calls_that_another_process_stopped_have_the_card_at_the_first_page_after_the_hint_is_old(
    visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.stop_calls(actor="ada", reason="maintenance")
    STOP_HINT.see(is_stopped=False)  # another process has stopped them
    assert visitor.opens(path).heading() == "Verify your phone"

    monkeypatch.setattr(number_state, "STOP_HINT_LIFETIME", 0)

    assert visitor.opens(path).heading() == "We cannot call right now"


def test_a_process_that_has_not_looked_yet_shows_the_card_at_its_first_page(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.stop_calls(actor="ada", reason="maintenance")
    monkeypatch.setattr(STOP_HINT, "is_stopped", False)
    monkeypatch.setattr(STOP_HINT, "read_at", None)

    assert visitor.opens("/phone/").heading() == "We cannot call right now"


def test_a_page_looks_once_until_the_hint_is_old(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STOP_HINT, "read_at", None)

    counts = []
    for _ in range(2):
        with statements() as seen:
            visitor.opens("/phone/")
        counts.append(len(seen))

    assert counts == [1, 0]


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.urls("tests.web.site")
def test_a_call_that_was_rejected_because_calls_are_stopped_is_offered_again(visitor: Visitor, path: str) -> None:
    action, fields = visitor.opens(path).form("Call me")
    services.stop_calls(actor="ada", reason="maintenance")
    STOP_HINT.is_stopped = False  # another process has stopped them

    visitor.sends(action, {**fields, "number": SPELLING})

    assert (visitor.heading(), visitor.buttons()) == ("We cannot call right now", [])
    assert f"You asked for a call to {MASKED}." in visitor.card().text
    services.resume_calls(actor="ada")
    assert visitor.opens(path).presses("Call me").heading() == "We are calling you"


def test_stopped_calls_leave_the_code_step(visitor: Visitor) -> None:
    with_a_call(visitor)
    services.stop_calls(actor="ada", reason="maintenance")

    assert visitor.opens("/phone/").heading() == "We are calling you"


def test_the_tries_that_are_left_are_told_after_a_wrong_code(visitor: Visitor) -> None:
    with_a_call(visitor)
    assert "left for this call" not in visitor.card().text
    visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))

    assert "2 tries left for this call." in visitor.opens("/phone/code/").card().text


def test_the_page_follows_a_queued_call(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("queued")

    visitor.opens("/phone/code/")

    assert visitor.heading() == "Calling…"
    assert visitor.soup.find("meta", attrs={"http-equiv": "refresh"}).find_parent("noscript")
    assert visitor.client.get("/phone/status/").json() == {"step": "waiting", "status": "queued"}
    lets_the_call_become("placed")
    assert visitor.client.get("/phone/status/").json() == {"step": "code", "status": "placed"}


def test_a_queued_call_can_be_canceled(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("queued")

    visitor.opens("/phone/code/").presses("Cancel")

    assert visitor.heading() == "Verify your phone"
    assert VerificationAttempt.objects.get().status == "canceled"


def test_a_call_of_unknown_outcome_is_explained_and_its_code_accepted(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("unknown")

    visitor.opens("/phone/code/")
    assert visitor.heading() == "Your phone may ring"
    assert "If your phone rings, type the code" in visitor.note()

    assert visitor.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"


def test_an_expired_code_offers_another_call(visitor: Visitor) -> None:
    with_a_call(visitor)
    let_time_pass(301)

    visitor.opens("/phone/code/")

    assert visitor.heading() == "This code has expired"
    assert visitor.buttons() == ["Call again", "Change number"]


def test_a_call_that_expired_in_the_queue_is_not_shown_as_an_expired_code(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("expired", dialed_at=None)

    assert visitor.opens("/phone/code/").heading() == "We could not call in time"


def test_a_newer_call_is_shown(visitor: Visitor) -> None:
    with_a_call(visitor)
    let_time_pass(61)
    services.call_again(VerificationAttempt.objects.get().uuid)

    assert visitor.opens("/phone/code/").heading() == "There is a newer call"
    assert visitor.presses("Go to the newer call").heading() == "We are calling you"
    assert calls() == 2


def test_a_call_that_was_canceled_elsewhere_is_shown_as_canceled(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("canceled")

    assert visitor.opens("/phone/code/").heading() == "Call canceled"


def test_a_call_that_failed_later_is_shown_and_can_be_repeated(visitor: Visitor) -> None:
    with_a_call(visitor)
    lets_the_call_become("failed", error_code="unreachable")
    let_time_pass(61)

    assert visitor.opens("/phone/code/").heading() == "We cannot call right now"
    assert visitor.presses("Try again").heading() == "We are calling you"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("unauthorized", "Calls do not work at the moment. We have been told."),
        ("key_limited", "The call could not be placed."),
    ],
)
def test_a_call_that_fails_at_once_is_a_refusal(visitor: Visitor, telroi: Simulator, fault: str, said: str) -> None:
    telroi.fail_next(fault)

    with_a_call(visitor)

    assert visitor.note().startswith(said)
    assert visitor.heading() == "We cannot call right now"
    assert visitor.opens("/phone/").heading() == "We cannot call right now"


def test_a_number_that_telroi_rejects_is_an_error_of_its_field(visitor: Visitor, telroi: Simulator) -> None:
    telroi.fail_next("invalid", times=2)  # with our code, and without it

    with_a_call(visitor)

    assert visitor.error() == "We cannot call this number. Try another mobile or landline number."
    assert visitor.field("number")["value"] == SPELLING


def test_a_number_that_telroi_holds_says_for_how_long(visitor: Visitor, telroi: Simulator) -> None:
    telroi.fail_next("rate_limited", wait=7200)

    with_a_call(visitor)

    assert visitor.heading() == "Enough calls for now"
    assert visitor.note().endswith("in 2 hours.")


@pytest.mark.parametrize(("is_test", "notes"), [(True, 1), (False, 0)])
def test_the_code_step_shows_a_developer_the_test_code(
    visitor: Visitor, telroi: Simulator, site: Any, is_test: bool, notes: int
) -> None:
    site.TELROI = {**site.TELROI, "ALLOW_TEST_KEY": True, "API_KEY": telroi.test_key if is_test else telroi.api_key}

    with_a_call(visitor)

    assert visitor.heading() == "We are calling you"
    assert len(visitor.soup.find_all(string=re.compile("Test key: no phone rings. The code 000000"))) == notes


def test_the_test_code_is_not_shown_if_test_keys_are_not_allowed(
    visitor: Visitor, telroi: Simulator, site: Any
) -> None:
    site.TELROI = {**site.TELROI, "ALLOW_TEST_KEY": True, "API_KEY": telroi.test_key}
    with_a_call(visitor)
    site.TELROI = {**site.TELROI, "ALLOW_TEST_KEY": False, "API_KEY": telroi.api_key}

    visitor.opens("/phone/code/")

    assert visitor.heading() == "We are calling you"
    assert "000000" not in visitor.soup.get_text()


def test_a_lost_answer_keeps_the_code_form(visitor: Visitor, telroi: Simulator) -> None:
    telroi.fail_next("reset_unread", acts=True)

    with_a_call(visitor)

    assert visitor.heading() == "Your phone may ring"
    assert visitor.field("code")


def test_a_refusal_is_shown_before_the_open_call(visitor: Visitor) -> None:
    action, old = visitor.opens("/phone/").form("Call me")
    with_a_call(visitor)
    visitor.client.post(action, {**old, "number": PREMIUM})

    assert visitor.opens("/phone/code/").error() == "We cannot call this number. Try another mobile or landline number."
    assert visitor.opens("/phone/").heading() == "We are calling you"


def test_call_again_for_a_deleted_attempt_redirects_to_the_start(visitor: Visitor) -> None:
    with_a_call(visitor)
    action, fields = visitor.form("Call again")
    VerificationAttempt.objects.all().delete()

    visitor.sends(action, fields)

    assert visitor.heading() == "Verify your phone"
    assert visitor.client.get("/phone/status/").json() == {"step": "number", "status": None}


def test_a_session_of_another_release_is_ignored(visitor: Visitor) -> None:
    with_a_call(visitor)
    session = visitor.client.session
    session["telroi"] = {"": {"attempt": "what", "notice": {"unknown": 1}}}
    session.save()

    assert visitor.opens("/phone/").heading() == "Verify your phone"


def test_the_card_says_how_many_digits_the_code_has(visitor: Visitor, site: Any) -> None:
    site.TELROI = {"CODE_LENGTH": 8}

    assert "a code of 8 digits" in visitor.opens("/phone/").card().text
    assert visitor.presses("Call me", number=SPELLING).card().find("label").text == "8-digit code"


def test_an_unfinished_verification_is_forgotten_after_an_hour(visitor: Visitor) -> None:
    with_a_call(visitor)
    let_time_pass(timedelta(hours=2).total_seconds())

    visitor.opens("/phone/code/")

    assert (visitor.path, visitor.heading()) == ("/phone/?lost=1", "Verify your phone")
    assert "lost track of your last call" in visitor.note()


@pytest.mark.parametrize(("path", "start"), [("/phone/code/", "/phone/?lost=1"), ("/phone/done/", "/phone/")])
def test_without_a_call_every_page_redirects_to_the_start(visitor: Visitor, path: str, start: str) -> None:
    visitor.opens(path)

    assert (visitor.path, visitor.heading()) == (start, "Verify your phone")


@pytest.mark.parametrize("path", ["/phone/code/", "/phone/call-again/", "/phone/change-number/", "/phone/add-number/"])
def test_a_lost_session_redirects_to_the_start(visitor: Visitor, path: str) -> None:
    visitor.sends(path, {"code": "123456"})

    assert (visitor.path, visitor.heading()) == ("/phone/", "Verify your phone")


def test_a_deleted_attempt_redirects_to_the_start(visitor: Visitor) -> None:
    with_a_call(visitor)
    action, fields = visitor.form("Verify")
    VerificationAttempt.objects.all().delete()
    PhoneNumber.objects.all().delete()

    visitor.sends(action, {**fields, "code": "123456"})

    assert visitor.heading() == "Verify your phone"


def test_two_purposes_are_two_flows(visitor: Visitor) -> None:
    visitor.opens("/phone/?purpose=signup").presses("Call me", number=SPELLING)
    assert visitor.path == "/phone/code/?purpose=signup"

    visitor.presses("Verify", code=last_code_for(NUMBER))

    assert visitor.path == "/phone/done/?purpose=signup"
    assert VerificationAttempt.objects.get().purpose == "signup"
    assert visitor.opens("/phone/done/").heading() == "Verify your phone"


def test_an_unknown_purpose_is_refused_with_a_sentence(visitor: Visitor) -> None:
    visitor.opens("/phone/?purpose=nonsense")

    assert visitor.note() == "This page was opened with a wrong link. Go back and start again."
    assert visitor.statuses == [400]


def test_a_test_of_a_site_can_post_without_loading_the_form(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER}).sends("/phone/code/", {"code": last_code_for(NUMBER)})

    assert visitor.heading() == "Your number is verified"


def test_a_second_number_can_be_verified_after_the_first(visitor: Visitor) -> None:
    with_a_call(visitor).presses("Verify", code=last_code_for(NUMBER)).presses("Verify another number")

    visitor.presses("Call me", number=OTHER_NUMBER).presses("Verify", code=last_code_for(OTHER_NUMBER))

    assert visitor.heading() == "Your number is verified"


def test_success_redirects_to_next(visitor: Visitor) -> None:
    visitor.opens("/phone/?next=/account/").presses("Call me", number=PREMIUM).presses("Call me", number=SPELLING)

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert answer["Location"] == "/account/"


def test_next_is_kept_after_a_change_of_number(visitor: Visitor) -> None:
    visitor.opens("/phone/?next=/account/").presses("Call me", number=SPELLING).presses("Change number")
    visitor.presses("Call me", number=OTHER_NUMBER)

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(OTHER_NUMBER)})

    assert answer["Location"] == "/account/"


def test_the_next_of_one_verification_is_not_used_for_another(visitor: Visitor) -> None:
    visitor.sends("/phone/?next=/account/", {"number": NUMBER})
    visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    visitor.opens("/phone/").presses("Call me", number=OTHER_NUMBER)
    answer = visitor.client.post("/phone/code/", {"code": last_code_for(OTHER_NUMBER)})

    assert answer["Location"] == "/phone/done/"


@pytest.mark.parametrize(
    ("success_url", "goal"),
    [("/thanks/", "/thanks/"), ("telroi:status", "/phone/status/"), (reverse_lazy("telroi:done"), "/phone/done/")],
)
def test_without_next_success_redirects_to_the_url_of_the_settings(
    visitor: Visitor, site: Any, success_url: object, goal: str
) -> None:
    site.TELROI = {"SUCCESS_URL": success_url}
    with_a_call(visitor)

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert answer["Location"] == goal


def test_a_site_without_sessions_gets_an_error_that_names_them(site: Any) -> None:
    site.MIDDLEWARE = []

    with pytest.raises(Exception, match=r"Add 'django\.contrib\.sessions' to INSTALLED_APPS"):
        Client().get("/phone/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Sec-Purpose": "prefetch"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
        None,
    ],
    ids=lambda headers: str(headers or "HEAD"),
)
@pytest.mark.parametrize("path", ["/phone/code/", "/here/", "/phone/"])
@pytest.mark.urls("tests.web.site")
def test_a_prefetch_does_not_use_up_a_message(visitor: Visitor, headers: dict[str, str] | None, path: str) -> None:
    if path == "/phone/":
        action, fields = visitor.opens("/phone/").form("Call me")
        visitor.client.post(action, {**fields, "number": PREMIUM})
        words = "We cannot call this number."
    else:
        with_a_call(visitor)
        action, fields = visitor.opens(path).form("Verify")
        visitor.client.post(action, {**fields, "code": wrong(last_code_for(NUMBER))})
        words = "That is not the code."

    for _ in range(2):
        visitor.client.get(path, headers=headers) if headers else visitor.client.head(path)

    assert words in visitor.opens(path).card().text
    assert words not in visitor.opens(path).card().text


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.urls("tests.web.site")
def test_a_prefetched_page_is_marked_for_the_script(visitor: Visitor, path: str) -> None:
    def is_told(**headers: str) -> bool:
        return "data-telroi-ahead" in str(visitor.opens(path, **headers).card())

    assert is_told(**{"Sec-Purpose": "prefetch;prerender"})
    assert not is_told()
