"""Set-up, log-in and a backup phone, from the first page to the last, with calls by Telroi."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from two_factor.plugins.phonenumber.models import PhoneDevice

from django_telroi import services
from django_telroi.errors import HourlyLimitReached
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.two_factor.conftest import NUMBER, Person
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_NUMBER = "+2348029876543"
THIRD_NUMBER = "+2348029876544"
SWITCHED_OFF = "Calls are switched off at the moment. Try again later."
NOT_PLACED = "The call could not be placed."
CALLED_A_MOMENT_AGO = "We called this number a moment ago. You can ask for another call"


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def set_up(person: Person, number: str = NUMBER) -> Person:
    person.client.login(username="ada", password="correct horse")
    return person.open("/account/two_factor/setup/").send().send(method="call").send(number=number)


def add_backup(person: Person, number: str) -> Person:
    return person.open("/account/two_factor/phone/register/").send(number=number, method="call")


def let_cooldown_pass(telroi: Simulator) -> None:
    """For the site and for Telroi."""
    PhoneNumber.objects.update(calls=[], next_call_at=None)
    telroi.advance(60)


def test_a_phone_is_set_up_and_then_asked_at_each_login(telroi: Simulator, ada: User, person: Person) -> None:
    set_up(person)
    assert (person.step, person.errors) == ("validation", [])
    assert "We are calling your phone right now" in person.text

    person.send(token=telroi.last_code_for(NUMBER))
    assert "two-factor authentication" in person.text
    assert PhoneDevice.objects.get().user == ada

    let_cooldown_pass(telroi)
    visitor = Person().log_in()
    assert (visitor.step, visitor.errors) == ("token", [])
    visitor.send(otp_token=telroi.last_code_for(NUMBER))
    assert visitor.url == "/account/two_factor/"
    assert [call.to for call in telroi.calls] == [NUMBER, NUMBER]


def test_strangers_leave_the_reserved_call_to_a_person_with_the_password(
    telroi: Simulator, phone: PhoneDevice, person: Person, configure: Configure
) -> None:
    configure(COOLDOWN_SECONDS=0, STRANGER_CALLS_PER_HOUR=1)
    services.start_verification(NUMBER)
    telroi.advance(61)
    with pytest.raises(HourlyLimitReached):
        services.start_verification(NUMBER)

    person.log_in()

    assert (person.step, person.errors) == ("token", [])
    assert [call.to for call in telroi.calls] == [NUMBER, NUMBER]


def test_a_wrong_code_is_rejected_by_two_factor_and_the_call_stays_read_out(
    telroi: Simulator, phone: PhoneDevice, person: Person
) -> None:
    person.log_in().send(otp_token=wrong(telroi.last_code_for(NUMBER)))

    assert person.step == "token"
    assert "Invalid token" in person.text
    attempt = VerificationAttempt.objects.get()
    assert (attempt.status, attempt.purpose, attempt.user, attempt.requester_ip) == (
        "placed",
        "two-factor",
        phone.user,
        "127.0.0.1",
    )
    assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=phone.user).outcome == (
        "judged_elsewhere"
    )
    assert not VerifiedPhone.objects.exists()


def test_a_second_login_in_the_cooldown_shows_the_wait_and_takes_the_code_of_the_first_call(
    telroi: Simulator, phone: PhoneDevice, person: Person
) -> None:
    person.log_in()

    person.log_in()

    assert (person.status, person.step) == (200, "token")
    assert person.errors[0].startswith(CALLED_A_MOMENT_AGO)
    assert "We did not call your phone just now." in person.text
    assert "We are calling" not in person.text
    person.send(otp_token=telroi.last_code_for(NUMBER))
    assert person.url == "/account/two_factor/"
    assert len(telroi.calls) == 1


def test_a_refused_set_up_stays_at_the_number_with_the_reason(
    telroi: Simulator, configure: Configure, ada: User, person: Person
) -> None:
    configure(BLOCKED_REGIONS=["NG"])

    set_up(person)

    assert (person.step, person.errors) == (
        "call",
        ["We do not call numbers of this country. Try a number of another country."],
    )
    person.send(number="+442071838750")
    assert (person.step, person.errors) == ("validation", [])


def test_a_double_click_in_the_set_up_gets_to_the_code(telroi: Simulator, ada: User, person: Person) -> None:
    set_up(person)
    person.send(wizard_goto_step="call").send(number=NUMBER)

    assert person.step == "validation"
    assert person.errors[0].startswith(CALLED_A_MOMENT_AGO)
    person.send(token=telroi.last_code_for(NUMBER))
    assert PhoneDevice.objects.count() == 1


def test_a_number_that_the_wizard_did_not_call_is_not_set_up_in_its_cooldown(
    telroi: Simulator, ada: User, person: Person
) -> None:
    services.start_verification(OTHER_NUMBER)
    set_up(person)

    person.send(wizard_goto_step="call").send(number=OTHER_NUMBER)

    assert person.step == "call"
    assert person.errors[0].startswith(CALLED_A_MOMENT_AGO)
    person.send(number=NUMBER)
    assert person.step == "validation"
    person.send(token=telroi.last_code_for(NUMBER))
    assert [str(device.number) for device in PhoneDevice.objects.all()] == [NUMBER]


def test_the_code_of_one_number_does_not_set_up_another(telroi: Simulator, ada: User, person: Person) -> None:
    set_up(person)

    person.send(wizard_goto_step="call").send(number=OTHER_NUMBER)

    person.send(token=telroi.last_code_for(NUMBER))
    assert (person.step, PhoneDevice.objects.count()) == ("validation", 0)
    person.send(token=telroi.last_code_for(OTHER_NUMBER))
    assert [str(device.number) for device in PhoneDevice.objects.all()] == [OTHER_NUMBER]


def test_the_code_of_one_backup_phone_does_not_add_another(telroi: Simulator, ada: User, person: Person) -> None:
    set_up(person).send(token=telroi.last_code_for(NUMBER))
    add_backup(person, OTHER_NUMBER)

    person.send(wizard_goto_step="setup").send(number=THIRD_NUMBER, method="call")

    person.send(token=telroi.last_code_for(OTHER_NUMBER))
    assert not PhoneDevice.objects.filter(name="backup").exists()
    person.send(token=telroi.last_code_for(THIRD_NUMBER))
    assert PhoneDevice.objects.get(name="backup").number == THIRD_NUMBER


def test_a_set_up_that_is_opened_again_stays_at_the_number_in_its_cooldown(
    telroi: Simulator, ada: User, person: Person
) -> None:
    set_up(person)

    set_up(person)

    assert person.step == "call"
    assert person.errors[0].startswith(CALLED_A_MOMENT_AGO)


def test_a_page_after_a_wrong_code_does_not_say_that_we_call(
    telroi: Simulator, phone: PhoneDevice, person: Person
) -> None:
    person.log_in()
    assert "We are calling your phone right now" in person.text

    person.send(otp_token=wrong(telroi.last_code_for(NUMBER)))

    assert "We are calling" not in person.text
    assert "Enter the digits of our last call." in person.text


def test_a_backup_phone_is_called_and_a_refusal_stays_at_the_number(
    telroi: Simulator, ada: User, person: Person
) -> None:
    set_up(person).send(token=telroi.last_code_for(NUMBER))
    services.stop_calls(actor="staff", reason="test")

    add_backup(person, OTHER_NUMBER)
    assert (person.status, person.step, person.errors) == (200, "setup", [SWITCHED_OFF])

    services.resume_calls(actor="staff")
    person.send(number=OTHER_NUMBER, method="call")
    assert (person.step, person.errors) == ("validation", [])
    person.send(token=telroi.last_code_for(OTHER_NUMBER))
    assert PhoneDevice.objects.filter(name="backup", number=OTHER_NUMBER, user=ada).exists()
    assert VerificationAttempt.objects.get(phone__number=OTHER_NUMBER).user == ada


def test_stopped_calls_are_named_on_the_login_page(telroi: Simulator, phone: PhoneDevice, person: Person) -> None:
    services.stop_calls(actor="staff", reason="test")

    person.log_in()

    assert (person.status, person.step, person.errors) == (200, "token", [SWITCHED_OFF])
    assert telroi.calls == []


def test_the_number_of_requests_of_one_address_is_limited(
    telroi: Simulator, configure: Configure, phone: PhoneDevice, person: Person
) -> None:
    configure(RATES={"start": {"ip": "1/h"}})
    person.log_in()
    let_cooldown_pass(telroi)

    person.log_in()

    assert person.errors[0].startswith("There were many requests from your network or account in a short time.")
    assert len(telroi.calls) == 1


def test_a_call_that_failed_is_named(telroi: Simulator, phone: PhoneDevice, person: Person) -> None:
    with telroi.refusing():
        person.log_in()

    assert (person.status, person.step) == (200, "token")
    assert person.errors[0].startswith(NOT_PLACED)
    assert VerificationAttempt.objects.get().status == "failed"


def test_a_call_whose_outcome_is_unknown_is_named_and_its_code_is_taken(
    telroi: Simulator, phone: PhoneDevice, person: Person
) -> None:
    telroi.fail_next("reset")

    person.log_in()

    assert person.errors[0].startswith("We could not confirm the call. If your phone rings, type the code.")
    assert "We did not call" not in person.text
    person.send(otp_token=telroi.last_code_for(NUMBER))
    assert person.url == "/account/two_factor/"


@pytest.mark.parametrize("dispatch", ["inline", "celery"])
def test_the_call_is_placed_by_the_request_also_with_celery(
    telroi: Simulator, configure: Configure, phone: PhoneDevice, person: Person, dispatch: str
) -> None:
    configure(DISPATCH=dispatch)

    person.log_in().send(otp_token=telroi.last_code_for(NUMBER))

    assert person.url == "/account/two_factor/"


def test_a_view_of_the_site_gets_the_exception(telroi: Simulator, phone: PhoneDevice, person: Person) -> None:
    assert [person.open("/own/").text, person.open("/own/").text] == ["called", "cooldown"]


def test_a_page_after_a_refusal_shows_nothing_of_it(telroi: Simulator, phone: PhoneDevice, person: Person) -> None:
    services.stop_calls(actor="staff", reason="test")
    person.log_in()
    services.resume_calls(actor="staff")

    assert (Person().log_in().errors, Person().open("/account/login/").errors) == ([], [])


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    connections.settings["default"]["ATOMIC_REQUESTS"] = True
    yield
    connections.settings["default"]["ATOMIC_REQUESTS"] = False


@pytest.mark.usefixtures("atomic_requests")
def test_in_the_transaction_of_a_request_the_phone_is_called_after_the_commit(
    telroi: Simulator, phone: PhoneDevice, person: Person
) -> None:
    with telroi.refusing():
        person.log_in()
    assert (person.step, person.errors) == ("token", [])
    assert VerificationAttempt.objects.get().status == "failed"

    person.log_in().send(otp_token=telroi.last_code_for(NUMBER))
    assert person.url == "/account/two_factor/"
