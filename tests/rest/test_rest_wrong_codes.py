"""Guessing over many calls and addresses. It stops at the figure of ``WRONG_CODES``, and never bars a user."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from django.contrib.auth.models import User

from django_telroi import services
from django_telroi.models import PhoneNumber, UserWrongCodes
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.rest.world import NUMBER, OTHER_NUMBER, PhoneApi, Reply
from tests.services.world import Heard, let_time_pass, statements, wrong

pytestmark = pytest.mark.django_db

ADDRESSES = (f"203.0.113.{each % 250}" for each in count(1))
BY_LOCK = {"warn": 2, "wait": 6, "lock": 6}


@pytest.fixture(autouse=True)
def no_other_limit(settings: object, configure: Configure, telroi: Simulator) -> None:
    configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=1000, CALLS_PER_DAY=1000, RATES=None, WRONG_CODES=BY_LOCK)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with Heard() as listening:
        yield listening


def ask(api: PhoneApi, telroi: Simulator, number: str = NUMBER) -> Reply:
    """Ask for a call, out of reach of Telroi's own limits of the number."""
    telroi.advance(3601)
    return api.start(number)


def begin(api: PhoneApi, telroi: Simulator, number: str = NUMBER) -> str:
    """Start a verification and return its id."""
    return str(ask(api, telroi, number).json()["id"])


def guess(api: PhoneApi, telroi: Simulator, number: str = NUMBER, *, codes: int = 3) -> Reply:
    """Ask for a call from a new address, and type wrong codes. Return the refusal, or the answer to the last code."""
    api.client.defaults["REMOTE_ADDR"] = next(ADDRESSES)
    started = ask(api, telroi, number)
    if started.status_code != 201:
        return started
    answer = started
    for by in range(1, codes + 1):
        answer = api.check(started.json()["id"], wrong(telroi.last_code_for(number), by=by))
    return answer


def guess_until_refused(api: PhoneApi, telroi: Simulator, number: str = NUMBER) -> Reply:
    for _ in range(100):
        answer = guess(api, telroi, number)
        if answer.status_code == 429:
            return answer
    raise AssertionError("nothing stopped the guesses")


@pytest.mark.parametrize("maker", ["site", "telroi"])
def test_guesses_over_many_calls_and_addresses_stop_at_the_figure(
    telroi: Simulator, configure: Configure, maker: str
) -> None:
    configure(CODES=maker)

    refused = guess_until_refused(PhoneApi(), telroi)

    assert refused.json()["code"] == "too_many_wrong_codes"
    assert refused.headers["Retry-After"] == str(refused.json()["retry_after"])
    assert 86_390 <= refused.json()["retry_after"] <= 86_400
    assert PhoneNumber.objects.get().wrong_codes == 6
    assert len([each for each in telroi.requests if each.path == "/v1/otp"]) == 2


def test_guesses_of_a_user_stop_at_the_figure_over_many_numbers(telroi: Simulator, ada: User) -> None:
    api = PhoneApi(ada)
    guess(api, telroi, NUMBER)
    guess(api, telroi, OTHER_NUMBER)

    assert guess(api, telroi, "+2348020000001").json()["code"] == "too_many_wrong_codes"
    assert UserWrongCodes.objects.get(user=ada).wrong_codes == 6
    assert not any(PhoneNumber.objects.values_list("wrong_codes", flat=True))


def test_a_user_gets_in_although_strangers_locked_the_number(telroi: Simulator, ada: User) -> None:
    guess_until_refused(PhoneApi(), telroi)

    owner = PhoneApi(ada)
    attempt = begin(owner, telroi)

    assert owner.check(attempt, telroi.last_code_for(NUMBER)).json()["verified"]
    assert ask(PhoneApi(), telroi).status_code == 201, "a right code for the number ends the lock"


def test_a_locked_user_does_not_bar_the_number(telroi: Simulator, ada: User, ben: User) -> None:
    guess_until_refused(PhoneApi(ada), telroi)

    assert ask(PhoneApi(), telroi).status_code == 201
    assert ask(PhoneApi(ben), telroi).status_code == 201


@pytest.mark.codes("site")  # Telroi judges only the code of the newest call to a number
def test_a_code_on_the_phone_is_still_judged_and_ends_the_lock(telroi: Simulator) -> None:
    owner = PhoneApi()
    attempt = begin(owner, telroi)
    code = telroi.last_code_for(NUMBER)
    guess_until_refused(PhoneApi(), telroi)

    assert owner.check(attempt, code).json()["verified"]
    assert ask(owner, telroi).status_code == 201
    assert PhoneNumber.objects.get().wrong_codes == 0


def test_a_right_code_of_another_number_does_not_end_the_guesses_of_a_user(telroi: Simulator, ada: User) -> None:
    api = PhoneApi(ada)
    guess(api, telroi, NUMBER)
    own = begin(api, telroi, OTHER_NUMBER)
    assert api.check(own, telroi.last_code_for(OTHER_NUMBER)).json()["verified"]

    assert UserWrongCodes.objects.get().wrong_codes == 3


def test_a_right_code_of_the_same_number_ends_those_of_a_user(telroi: Simulator, ada: User) -> None:
    api = PhoneApi(ada)
    guess(api, telroi, OTHER_NUMBER, codes=1)
    guess(api, telroi, NUMBER, codes=2)
    attempt = begin(api, telroi)
    api.check(attempt, telroi.last_code_for(NUMBER))

    assert UserWrongCodes.objects.get().wrong_codes == 1


def test_a_lock_ends_after_24_hours_and_begins_again_with_the_next_wrong_code(telroi: Simulator, heard: Heard) -> None:
    guess_until_refused(PhoneApi(), telroi)
    let_time_pass(86_390, telroi)
    assert ask(PhoneApi(), telroi).status_code == 429
    let_time_pass(11, telroi)

    guess(PhoneApi(), telroi, codes=1)

    assert ask(PhoneApi(), telroi).json()["code"] == "too_many_wrong_codes"
    assert heard.names.count("too_many_wrong_codes") == 2


def test_staff_end_a_lock_with_a_reason(telroi: Simulator, ada: User) -> None:
    guess_until_refused(PhoneApi(), telroi)
    guess_until_refused(PhoneApi(ada), telroi)

    services.reset_wrong_codes(NUMBER, reason="called us", actor="eve")
    services.reset_user_wrong_codes(ada, reason="called us", actor="eve")

    assert ask(PhoneApi(), telroi).status_code == 201
    assert ask(PhoneApi(ada), telroi).status_code == 201


def test_the_wait_doubles_from_a_minute_to_an_hour(telroi: Simulator, configure: Configure) -> None:
    configure(WRONG_CODES={"warn": 1, "wait": 1, "lock": 100})
    api, waits = PhoneApi(), []
    for _ in range(8):
        guess(api, telroi, codes=1)
        waits.append(ask(api, telroi).json()["retry_after"])
        let_time_pass(3600, telroi)

    minutes = [-(-wait // 60) for wait in waits]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_person_is_told_how_many_wrong_codes_are_left_before_a_wait(telroi: Simulator) -> None:
    api = PhoneApi()
    attempt = begin(api, telroi)
    code = telroi.last_code_for(NUMBER)

    first, second, third = (api.check(attempt, wrong(code, by=by)).json() for by in (1, 2, 3))

    assert first["wrong_codes_left"] is None
    assert "before the next call" not in first["detail"]
    assert second["wrong_codes_left"] == 4
    assert second["detail"] == (
        "That is not the code. 1 try left for this call. After 4 more wrong codes you must wait before the next call."
    )
    assert third["detail"].endswith("After 3 more wrong codes you must wait before the next call.")
    assert api.follow(attempt).json()["wrong_codes_left"] == 3


def test_the_warning_is_the_same_for_a_number_with_an_account(telroi: Simulator, ada: User) -> None:
    owner = PhoneApi(ada)
    owner.check(begin(owner, telroi), telroi.last_code_for(NUMBER))

    answers = []
    for number in (NUMBER, OTHER_NUMBER):
        answer = guess(PhoneApi(), telroi, number, codes=2).json()
        answers.append({name: answer[name] for name in ("outcome", "wrong_codes_left", "detail")})

    assert answers[0] == answers[1]


def test_the_signal_is_sent_once_and_has_no_code(telroi: Simulator, heard: Heard) -> None:
    late = PhoneApi()
    attempt = begin(late, telroi)
    code = telroi.last_code_for(NUMBER)
    guess_until_refused(PhoneApi(), telroi)
    late.check(attempt, wrong(code, by=7))

    assert heard.names.count("too_many_wrong_codes") == 1
    [told] = [told for name, told in heard.told if name == "too_many_wrong_codes"]

    assert told["count"] == 6
    assert told["number"] == "+234••••••4567" or (told["number"].endswith("4567") and told["number"] != NUMBER)
    assert code not in repr(told)


def test_a_wrong_code_costs_one_statement_more_and_a_start_none(telroi: Simulator, ada: User) -> None:
    api = PhoneApi(ada)
    guess(api, telroi, codes=1)
    with statements() as of_start:
        attempt = begin(api, telroi)
    with statements() as of_code:
        api.check(attempt, wrong(telroi.last_code_for(NUMBER)))

    assert len(of_start) <= 4
    assert len(of_code) == 4


def test_a_call_whose_code_is_judged_elsewhere_is_not_refused(telroi: Simulator) -> None:
    guess_until_refused(PhoneApi(), telroi)

    assert services.read_out(NUMBER, "493027").status == "placed"


def test_strict_locks_after_five(telroi: Simulator, configure: Configure) -> None:
    configure(WRONG_CODES="strict")
    api = PhoneApi()
    guess(api, telroi)
    assert ask(api, telroi).status_code == 201

    guess(api, telroi, codes=2)

    assert ask(api, telroi).json()["retry_after"] > 86_000
