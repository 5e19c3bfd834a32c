"""Every outcome of a code has its status, and the same sentence on every face."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckOutcome
from django_telroi.services.sentences import check_sentence
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.rest.world import NUMBER, PhoneApi, wrong_code_for
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db


def seen(reply: Any) -> tuple[int, str, int]:
    """Check the fields and the sentence of an answer. Return its status, outcome and tries left."""
    body = reply.json()
    assert set(body) == {"verified", "outcome", "tries_left", "wrong_codes_left", "proof", "detail"}
    assert body["verified"] is (body["outcome"] == "verified")
    assert body["detail"] == check_sentence(CheckOutcome(body["outcome"]), tries_left=body["tries_left"])
    return reply.status_code, body["outcome"], body["tries_left"]


def test_the_wrong_code_that_locks_is_a_200_and_later_codes_are_a_conflict(api: PhoneApi) -> None:
    started = api.started()
    wrong = wrong_code_for(NUMBER)

    replies = [api.check(started, code) for code in (wrong, wrong, wrong, wrong, last_code_for(NUMBER))]

    assert [seen(reply) for reply in replies] == [
        (200, "wrong_code", 2),
        (200, "wrong_code", 1),
        (200, "locked", 0),
        (409, "locked", 0),
        (409, "locked", 0),
    ]


@pytest.mark.codes("telroi")
def test_a_wrong_code_that_telroi_locks_is_a_200(api: PhoneApi, telroi: Simulator, configure: Configure) -> None:
    configure(CODE_TRIES=5)  # more than Telroi allows
    started = api.started()
    wrong = f"{(int(telroi.last_code_for(NUMBER)) + 1) % 10**6:06}"

    replies = [seen(api.check(started, wrong)) for _ in range(4)]

    assert replies == [(200, "wrong_code", 2), (200, "wrong_code", 1), (200, "locked", 0), (409, "locked", 0)]


def test_an_empty_code_uses_no_try(api: PhoneApi) -> None:
    started = api.started()

    body = api.check(started, "").json()

    assert (body["outcome"], body["tries_left"], body["detail"]) == ("invalid_code", 3, "Type the code first.")


@pytest.mark.parametrize("code", ["12345a", "123\u0664\u0665\u0666", "123456\n", "\x00", "\ud800", "a" * 65])
def test_a_malformed_code_uses_no_try(api: PhoneApi, code: str) -> None:
    started = api.started()

    assert seen(api.check(started, code)) == (400, "invalid_code", 3)
    assert VerificationAttempt.objects.get().tries == 0


@pytest.mark.codes("telroi")
@pytest.mark.parametrize("code", ["1", "12", "1 2-3"])
def test_a_code_with_too_few_digits_is_too_short_and_uses_no_try(api: PhoneApi, telroi: Simulator, code: str) -> None:
    started = api.started()

    reply = api.check(started, code)

    body = reply.json()
    assert (reply.status_code, body["outcome"], body["tries_left"]) == (400, "invalid_code", 3)
    assert body["detail"] == "This code is too short. Type all the digits that you hear."


@pytest.mark.codes("telroi")
@pytest.mark.parametrize("digits", [11, 64, 65, 999])
def test_a_code_with_too_many_digits_is_not_reported_as_letters(api: PhoneApi, telroi: Simulator, digits: int) -> None:
    body = api.check(api.started(), "1" * digits).json()

    assert body["outcome"] == "invalid_code"
    assert body["detail"] == "The code has six digits at most. Type the digits that you hear."


@pytest.mark.codes("telroi")
def test_two_lost_answers_close_the_call_with_a_reason(api: PhoneApi, telroi: Simulator) -> None:
    started = api.started()
    right = telroi.last_code_for(NUMBER)
    wrong = f"{(int(right) + 1) % 10**6:06}"

    lost = []
    for code in (wrong, right):
        telroi.fail_next("reset", on="verify")
        lost.append(seen(api.check(started, code)))
    let_time_pass(60)
    reply = api.check(started, right)

    undecided = "We could not find out whether a code was right. Ask for another call."
    assert lost == [(503, "unavailable", 2), (503, "unavailable", 1)]
    assert (reply.status_code, reply.json()["outcome"], reply.json()["detail"]) == (409, "closed", undecided)
    assert (api.follow(started).json()["status"], api.follow(started).json()["detail"]) == ("locked", undecided)


def test_spaces_and_dashes_in_a_code_are_ignored(api: PhoneApi) -> None:
    started = api.started()
    code = last_code_for(NUMBER)

    assert seen(api.check(started, f" {code[:3]} - {code[3:]} "))[:2] == (200, "verified")


@pytest.mark.parametrize("status", ["queued", "dialing"])
def test_a_code_before_the_call_is_not_ready(api: PhoneApi, status: str) -> None:
    started = api.started()
    VerificationAttempt.objects.update(status=status)

    assert seen(api.check(started, "123456")) == (409, "not_ready", 0)


def test_a_code_for_a_call_that_was_replaced_is_closed_and_names_the_newer_call(api: PhoneApi) -> None:
    started = api.started()
    VerificationAttempt.objects.update(status="superseded", due_at=None)

    reply = api.check(started, last_code_for(NUMBER))

    assert (reply.status_code, reply.json()["outcome"], reply.json()["tries_left"]) == (409, "closed", 0)
    assert reply.json()["detail"] == "You asked for a newer call. Type the code of that one."


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_code_for_a_closed_call_is_closed(api: PhoneApi, status: str) -> None:
    started = api.started()
    VerificationAttempt.objects.update(status=status, due_at=None)

    assert seen(api.check(started, last_code_for(NUMBER))) == (409, "closed", 0)


def test_a_code_after_its_expiry_is_expired(api: PhoneApi) -> None:
    started = api.started()
    let_time_pass(301)

    assert seen(api.check(started, last_code_for(NUMBER))) == (410, "expired", 0)


@pytest.mark.codes("telroi")
def test_a_code_that_telroi_calls_expired_is_expired(api: PhoneApi, telroi: Simulator) -> None:
    started = api.started()
    telroi.advance(700)

    assert seen(api.check(started, telroi.last_code_for(NUMBER))) == (410, "expired", 0)


@pytest.mark.codes("telroi")
def test_a_code_that_could_not_be_judged_is_unavailable_and_can_be_sent_again(api: PhoneApi, telroi: Simulator) -> None:
    started = api.started()
    right = telroi.last_code_for(NUMBER)
    telroi.fail_next("service_unavailable", on="verify")

    assert seen(api.check(started, right)) == (503, "unavailable", 3)
    assert seen(api.check(started, right))[:2] == (200, "verified")


@pytest.mark.codes("telroi")
def test_a_pending_judgement_is_in_progress_with_a_wait(api: PhoneApi) -> None:
    started = api.started()
    judging = {"a digest": {"1": timezone.now().isoformat()}}
    VerificationAttempt.objects.filter(uuid=UUID(started)).update(tries=3, asked=3, judging=judging)

    assert seen(api.check(started, last_code_for(NUMBER))) == (409, "in_progress", 0)


@pytest.mark.codes("telroi")
def test_after_a_lost_judgement_the_same_code_is_requested(api: PhoneApi) -> None:
    started = api.started()
    judging = {"a digest": {"1": (timezone.now() - timedelta(minutes=1)).isoformat()}}
    VerificationAttempt.objects.filter(uuid=UUID(started)).update(tries=3, asked=3, judging=judging)

    assert seen(api.check(started, last_code_for(NUMBER))) == (409, "answer_lost", 0)


def test_the_right_code_for_a_number_of_another_account_gives_nothing(ada: User, configure: Configure) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    VerifiedPhone.objects.create(
        user=User.objects.create_user("ben"), number=NUMBER, verified_at="2030-01-01T00:00:00Z"
    )
    api = PhoneApi(ada)

    reply = api.check(api.started(), last_code_for(NUMBER))

    assert seen(reply) == (409, "number_taken", 0)
    assert reply.json()["proof"] is None
    assert api.phones().json() == []


@pytest.mark.parametrize("code", [123456, 0, 1.5, True, None, ["123456"], {"code": "123456"}])
def test_a_code_must_be_a_string_because_a_number_loses_its_zeros(api: PhoneApi, code: object) -> None:
    reply = api.check(api.started(), code)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")
    assert list(reply.json()["errors"]) == ["code"]
