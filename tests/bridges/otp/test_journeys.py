"""A login with django-otp's own forms, from the password to the page behind it, with calls by Telroi."""

from __future__ import annotations

import pytest

from django_telroi import services
from django_telroi.contrib.otp.models import CallDevice
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.bridges.otp.conftest import NUMBER, Person
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)

CALL_PLACED = "OTP Challenge: The call is on its way. Type the code when you hear it."
NO_CALL = "There is no call whose code could be checked. Ask for a call first."
WRONG = "Invalid token. Please make sure you have entered it correctly."


def wrong(code: str, *, by: int = 1) -> str:
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}d}"


def test_a_login_calls_the_phone_and_takes_the_code(telroi: Simulator, device: CallDevice, person: Person) -> None:
    person.ask_for_call()
    assert (person.errors, person.is_verified) == ([CALL_PLACED], False)
    assert [call.to for call in telroi.calls] == [NUMBER]

    person.type(telroi.last_code_for(NUMBER))

    assert person.is_verified
    assert person.client.get("/verified/").content.decode() == "verified with phone (+234 803 ••• 4567)"
    attempt = VerificationAttempt.objects.get()
    assert (attempt.status, attempt.user, attempt.purpose, attempt.judge) == (
        "verified",
        device.user,
        "two-factor",
        "site",
    )
    device.refresh_from_db()
    assert (device.attempt_uuid, device.last_used_at is None) == (None, False)


def test_the_admin_site_of_django_otp_takes_the_code(telroi: Simulator, device: CallDevice) -> None:
    person = Person("/admin/login/")

    person.ask_for_call().type(telroi.last_code_for(NUMBER))

    assert person.client.get("/admin/").status_code == 200


def test_a_code_works_once(telroi: Simulator, device: CallDevice, person: Person) -> None:
    person.ask_for_call().type(telroi.last_code_for(NUMBER))
    other = Person().send().type(telroi.last_code_for(NUMBER))

    assert (other.is_verified, other.errors) == (False, [NO_CALL])


def test_a_wrong_code_is_rejected_and_the_right_one_still_taken(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    person.ask_for_call()
    code = telroi.last_code_for(NUMBER)

    assert person.type(wrong(code)).errors == [WRONG]
    assert VerificationAttempt.objects.get().tries == 1
    assert person.type(code).is_verified


def test_the_third_wrong_code_ends_the_call_and_the_page_says_so(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    person.ask_for_call()
    code = telroi.last_code_for(NUMBER)
    for by in (1, 2, 3):
        person.type(wrong(code, by=by))

    person.type(code)

    assert person.errors == ["Too many wrong codes. Ask for another call to get a new code."]
    assert not person.is_verified


def test_a_second_call_in_the_cooldown_is_refused_and_the_first_code_stays_valid(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    person.ask_for_call()

    person.send(otp_challenge="1")

    assert person.status == 200
    assert person.errors[0].startswith(
        "Error generating challenge: We called this number a moment ago. You can ask for"
    )
    assert person.type(telroi.last_code_for(NUMBER)).is_verified


def test_a_newer_call_replaces_the_code(telroi: Simulator, device: CallDevice, person: Person) -> None:
    person.ask_for_call()
    older = telroi.last_code_for(NUMBER)
    PhoneNumber.objects.update(calls=[], next_call_at=None)
    telroi.advance(60)
    person.send(otp_challenge="1")
    newer = telroi.last_code_for(NUMBER)

    assert [person.type(older).is_verified, person.type(newer).is_verified] == [older == newer, True]


def test_stopped_calls_are_named_on_the_page(telroi: Simulator, device: CallDevice, person: Person) -> None:
    services.stop_calls(actor="staff", reason="test")

    person.ask_for_call()

    assert person.errors == [
        "Error generating challenge: Calls are switched off at the moment. Try again later.",
    ]
    assert telroi.calls == []


def test_a_call_that_failed_after_the_commit_is_named_when_a_code_is_typed(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    with telroi.refusing():
        person.ask_for_call()

    assert person.type("123456").errors[0].startswith("The call could not be placed.")


def test_the_code_of_a_call_whose_outcome_is_unknown_is_taken(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    telroi.fail_next("reset", on="send")
    person.ask_for_call()
    assert VerificationAttempt.objects.get().status == "unknown"

    assert person.type(telroi.last_code_for(NUMBER)).is_verified


def test_a_provider_that_is_down_between_the_call_and_the_code_changes_nothing(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    person.ask_for_call()
    with telroi.refusing():
        assert person.type(telroi.last_code_for(NUMBER)).is_verified


def test_a_code_that_the_provider_made_is_not_checked_in_the_transaction_of_the_form(
    telroi: Simulator, device: CallDevice, person: Person
) -> None:
    telroi.own_codes("ignore")
    person.ask_for_call()

    person.type(telroi.last_code_for(NUMBER))

    assert (person.status, person.is_verified) == (200, False)
    assert person.errors == ["We could not confirm this call, so its code cannot be checked. Ask for another call."]


def test_with_celery_the_page_asks_to_wait_until_the_call_is_placed(
    telroi: Simulator, configure: Configure, device: CallDevice, person: Person, celery_app: object
) -> None:
    configure(DISPATCH="celery")
    person.ask_for_call()

    assert person.errors == [CALL_PLACED]
    assert person.type("123456").errors == ["The call is on its way. Type the code when you hear it."]

    services.place_call(VerificationAttempt.objects.get().pk)
    assert person.type(telroi.last_code_for(NUMBER)).is_verified


def test_a_device_of_another_user_is_not_called_or_checked(
    telroi: Simulator, device: CallDevice, person: Person, django_user_model: type
) -> None:
    django_user_model.objects.create_user("eve", password="eve's")  # type: ignore[attr-defined]
    person.ask_for_call()
    chosen = {"username": "eve", "password": "eve's", "otp_device": device.persistent_id}
    eve = Person()

    eve.send(**chosen, otp_token=telroi.last_code_for(NUMBER))

    assert not eve.is_verified
    assert len(telroi.calls) == 1
