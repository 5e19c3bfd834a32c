"""From a number to a proof, or to a verified phone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.dateparse import parse_datetime

from django_telroi import services
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.calling_site import Configure
from tests.rest.world import NUMBER, OTHER_NUMBER, PhoneApi, wrong_code_for
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db


def test_a_person_without_an_account_gets_a_proof(api: PhoneApi) -> None:
    started = api.start("+234 803 123 4567")

    right = api.check(started.json()["id"], last_code_for(NUMBER))

    assert right.status_code == 200
    assert right.json() == {
        "verified": True,
        "outcome": "verified",
        "tries_left": 0,
        "wrong_codes_left": None,
        "proof": right.json()["proof"],
        "detail": "Your number is verified.",
    }
    assert services.read_proof(right.json()["proof"], purpose="") == NUMBER
    assert not VerifiedPhone.objects.exists()


def test_a_user_gets_a_verified_phone_and_no_proof(ada: User) -> None:
    api = PhoneApi(ada)

    right = api.check(api.started(), last_code_for(NUMBER))

    assert (right.json()["verified"], right.json()["proof"]) == (True, None)
    [phone] = api.phones().json()
    assert (phone["number"], phone["purpose"]) == (NUMBER, "")
    assert services.has_verified_phone(ada)


def test_a_started_verification_contains_all_fields(api: PhoneApi, site_clock: Any) -> None:
    reply = api.start()

    attempt = VerificationAttempt.objects.get()
    assert reply.status_code == 201
    assert reply.json() == {
        "id": str(attempt.uuid),
        "status": "placed",
        "number": "+234 803 ••• 4567",
        "purpose": "",
        "tries_left": 3,
        "wrong_codes_left": None,
        "code_length": 6,
        "expires_at": reply.json()["expires_at"],
        "call_again_in": 60,
        "detail": "Answer your phone and type the code you hear. It is read twice.",
    }
    assert parse_datetime(reply.json()["expires_at"]) == attempt.expires_at.replace(microsecond=0)


@pytest.mark.parametrize(("maker", "digits"), [("site", 8), ("telroi", 6)])
def test_an_app_is_told_how_many_digits_it_will_be_given(
    api: PhoneApi, telroi: Simulator, configure: Configure, maker: str, digits: int
) -> None:
    """Telroi reads out six digits of its own, and all digits of a code of the site."""
    configure(CODES=maker, CODE_LENGTH=8)

    started = api.start().json()
    configure(CODE_LENGTH=4)

    assert started["code_length"] == api.follow(started["id"]).json()["code_length"] == digits


def test_times_are_in_iso_8601_whatever_the_projects_format(api: PhoneApi, ada: User, settings: Any) -> None:
    settings.REST_FRAMEWORK = {**getattr(settings, "REST_FRAMEWORK", {}), "DATETIME_FORMAT": "%d.%m.%Y %H:%M"}
    hers = PhoneApi(ada)
    started = hers.start().json()
    hers.check(started["id"], last_code_for(NUMBER))

    assert parse_datetime(started["expires_at"]) == VerificationAttempt.objects.get().expires_at.replace(microsecond=0)
    assert parse_datetime(hers.phones().json()[0]["verified_at"])


def test_reading_returns_the_same_as_starting(api: PhoneApi) -> None:
    started = api.start().json()

    followed = api.follow(started["id"])

    assert followed.status_code == 200
    assert {**followed.json(), "call_again_in": None} == {**started, "call_again_in": None}


def test_a_call_of_unknown_outcome_is_a_202(api: PhoneApi, telroi: Simulator) -> None:
    telroi.fail_next("reset")

    reply = api.start()

    assert (reply.status_code, reply.json()["status"]) == (202, "unknown")
    assert reply.json()["detail"].startswith("We could not confirm the call.")


@pytest.mark.parametrize("status", ["queued", "dialing"])
def test_a_call_that_is_being_placed_is_a_202(api: PhoneApi, status: str) -> None:
    key = "0b7d2f3e-8a4e-4a8b-9d0c-6f1b2a3c4d5e"
    api.start(key=key)
    VerificationAttempt.objects.update(status=status)

    reply = api.start(key=key)

    assert (reply.status_code, reply.json()["status"]) == (202, status)
    assert reply.json()["detail"] == "The call is on its way. Type the code when you hear it."


def test_the_language_and_the_purpose_are_used_for_the_call(api: PhoneApi, configure: Configure) -> None:
    configure(PURPOSES=["", "payout"])

    reply = api.start(purpose="payout", language="pt-BR")

    assert reply.json()["purpose"] == "payout"
    assert outbox[-1].language == "pt-BR"


def test_staff_can_see_the_address_of_a_request(api: PhoneApi) -> None:
    api.start()

    assert VerificationAttempt.objects.get().requester_ip == "127.0.0.1"


@pytest.mark.parametrize("purpose", ["payout", " ", "\x00", "\ud800", "x" * 65])
def test_an_unknown_purpose_is_refused(api: PhoneApi, purpose: str) -> None:
    reply = api.start(purpose=purpose)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_purpose")
    assert not VerificationAttempt.objects.exists()


def test_call_again_creates_a_new_verification_and_supersedes_the_old_one(api: PhoneApi) -> None:
    first = api.started()
    let_time_pass(61)

    again = api.call_again(first)

    assert again.status_code == 201
    assert again.json()["id"] != first
    assert api.follow(first).json()["status"] == "superseded"
    old = api.check(first, "000000").json()
    assert (old["outcome"], old["detail"]) == ("closed", "You asked for a newer call. Type the code of that one.")
    assert api.check(again.json()["id"], last_code_for(NUMBER)).json()["verified"]


def test_call_again_twice_places_one_call(api: PhoneApi) -> None:
    first = api.started()
    let_time_pass(61)

    replies = [api.call_again(first) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [201, 201]
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(outbox) == 2


def test_call_again_during_the_cooldown_is_refused_with_the_wait(api: PhoneApi) -> None:
    first = api.started()

    again = api.call_again(first)

    assert (again.status_code, again.json()["code"]) == (429, "cooldown")
    assert api.follow(first).json()["status"] == "placed"


def test_call_again_for_a_verified_attempt_places_no_call(api: PhoneApi) -> None:
    first = api.started()
    api.check(first, last_code_for(NUMBER))

    again = api.call_again(first)

    assert (again.status_code, again.json()["status"]) == (200, "verified")
    assert len(outbox) == 1


def test_a_verification_is_canceled_for_good(api: PhoneApi) -> None:
    started = api.started()

    replies = [api.cancel(started) for _ in range(2)]

    assert [(reply.status_code, reply.json()["status"]) for reply in replies] == [(200, "canceled")] * 2
    assert replies[0].json()["detail"] == "This call was canceled. Ask for another call when you are ready."
    assert api.check(started, last_code_for(NUMBER)).json()["outcome"] == "closed"


@pytest.mark.parametrize("status", ["queued", "dialing", "placed"])
def test_a_cancel_with_the_id_of_an_older_call_ends_the_newer_one_too(
    api: PhoneApi, configure: Configure, status: str
) -> None:
    configure(COOLDOWN_SECONDS=0)
    started = api.started()
    newer = str(api.call_again(started).json()["id"])
    VerificationAttempt.objects.filter(uuid=newer).update(status=status)

    reply = api.cancel(started)

    assert (reply.status_code, api.follow(newer).json()["status"]) == (200, "canceled")
    assert api.check(newer, last_code_for(NUMBER)).json()["outcome"] == "closed"


def test_a_verified_attempt_stays_verified(api: PhoneApi) -> None:
    started = api.started()
    api.check(started, last_code_for(NUMBER))

    assert api.cancel(started).json()["status"] == "verified"


def test_the_right_code_sent_twice_returns_the_same_proof_twice(api: PhoneApi) -> None:
    started = api.started()

    replies = [api.check(started, last_code_for(NUMBER)) for _ in range(2)]

    assert replies[0].json() == replies[1].json()
    assert replies[1].json()["verified"]


def test_a_get_settles_an_overdue_attempt(api: PhoneApi) -> None:
    started = api.started()
    let_time_pass(301)

    followed = api.follow(started).json()

    assert (followed["status"], followed["tries_left"], followed["call_again_in"]) == ("expired", 0, 0)


def test_only_the_users_own_numbers_are_listed_newest_first(ada: User, ben: User) -> None:
    for user, number in ((ada, NUMBER), (ben, "+2348021112222"), (ada, OTHER_NUMBER)):
        api = PhoneApi(user)
        assert api.check(api.started(number), last_code_for(number)).json()["verified"]

    phones = PhoneApi(ada).phones().json()

    assert [phone["number"] for phone in phones] == [OTHER_NUMBER, NUMBER]
    assert set(phones[0]) == {"number", "purpose", "verified_at"}


def test_a_wrong_code_says_how_many_tries_are_left(api: PhoneApi) -> None:
    wrong = api.check(api.started(), wrong_code_for(NUMBER))

    assert wrong.status_code == 200
    assert wrong.json() == {
        "verified": False,
        "outcome": "wrong_code",
        "tries_left": 2,
        "wrong_codes_left": None,
        "proof": None,
        "detail": "That is not the code. 2 tries left for this call.",
    }
