"""The veto of the site: it is called last. If it cannot be called, no call is placed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from django_telroi import services
from django_telroi.domain.phone import LineType
from django_telroi.errors import Misconfigured, NotCallable, TooManyRequests, Unavailable, VerificationRefused
from django_telroi.models import PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.testing import outbox
from tests.limits import vetoes
from tests.limits.conftest import Configure
from tests.limits.faces import FACES, Api
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    vetoes.asked.clear()


def test_it_gets_the_arguments_of_the_start(configure: Configure, ada: User) -> None:
    configure(MAY_START="tests.limits.vetoes.lets_everybody")

    first = services.start_verification("+234 803 123 4567", user=ada, purpose="payout", requester_ip="198.51.100.7")
    let_time_pass(61)
    services.call_again(first.uuid, user=ada)

    facts, again = vetoes.asked
    assert (facts.number, facts.region, facts.line_type) == (NUMBER, "NG", LineType.MOBILE)
    assert (facts.user, facts.purpose, facts.language) == (ada, "payout", "en-US")
    assert (facts.requester_ip, facts.is_again, again.is_again) == ("198.51.100.7", False, True)
    assert NUMBER[1:] not in repr(facts)
    assert len(outbox) == 2


def test_an_anonymous_user_is_passed_as_none(configure: Configure) -> None:
    configure(MAY_START="tests.limits.vetoes.lets_everybody")

    services.start_verification(NUMBER, user=AnonymousUser())  # type: ignore[arg-type]

    assert vetoes.asked[0].user is None


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_veto_looks_like_a_blocked_number(configure: Configure, face: Any, caplog: pytest.LogCaptureFixture) -> None:
    configure(MAY_START="tests.limits.vetoes.says_no")

    with caplog.at_level("INFO", "django_telroi"):
        answer = face().starts(NUMBER)

    assert "We cannot call this number. Try another mobile or landline number." in answer.text
    assert "account" not in answer.text
    assert "vetoed region=NG reason=too new an account for NG" in caplog.messages
    assert [(tally.code, tally.region, tally.count) for tally in RefusalTally.objects.all()] == [("vetoed", "NG", 1)]
    assert (list(outbox), VerificationAttempt.objects.count(), PhoneNumber.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("says_no_without_a_reason", NotCallable),
        ("asks_to_wait", TooManyRequests),
        ("fails", Unavailable),
        ("says_false", NotCallable),
        ("says_something_else", Misconfigured),
        ("not_callable", Misconfigured),
        ("no_such_name", Misconfigured),
    ],
)
def test_every_result_except_true_refuses(
    configure: Configure, caplog: pytest.LogCaptureFixture, name: str, refusal: type[VerificationRefused]
) -> None:
    configure(MAY_START=f"tests.limits.vetoes.{name}")

    with caplog.at_level("DEBUG"), pytest.raises(refusal) as raised:
        services.start_verification(NUMBER)

    assert raised.value.retry_after == (77 if name == "asks_to_wait" else None)
    assert (list(outbox), VerificationAttempt.objects.count()) == ([], 0)
    assert NUMBER[1:] not in caplog.text


def test_true_allows_the_call(configure: Configure) -> None:
    configure(MAY_START="tests.limits.vetoes.says_true")

    services.start_verification(NUMBER)

    assert len(outbox) == 1


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_module_that_fails_at_its_import_refuses_every_call(
    configure: Configure, face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure(MAY_START="tests.backends.broken_module.may_start")

    answer = face().starts(NUMBER)

    assert "Calls do not work at the moment. We have been told." in answer.text
    assert ("veto_failed error=KeyError" in caplog.messages, list(outbox)) == (True, [])


def test_a_missing_module_refuses_every_call(configure: Configure) -> None:
    configure(MAY_START="no_such_site.may_start")

    assert Api().starts(NUMBER).status == 503


def test_it_is_called_only_for_calls_without_another_refusal(configure: Configure) -> None:
    configure(MAY_START="tests.limits.vetoes.lets_everybody", ALLOWED_REGIONS=["NG"])
    services.start_verification(NUMBER)
    services.block_number("+2348029876543", reason="fraud", actor="grace")
    vetoes.asked.clear()

    for number in (NUMBER, "+2348029876543", "+2347001234567", "+447400123456", "+234 803"):
        with pytest.raises(VerificationRefused):
            services.start_verification(number)

    assert vetoes.asked == []


def test_a_repeat_returns_its_call_although_the_site_would_refuse_now(configure: Configure) -> None:
    first = services.start_verification(NUMBER)
    let_time_pass(61)
    configure(MAY_START="tests.limits.vetoes.says_no")

    again = services.start_verification(NUMBER, attempt_uuid=first.uuid)

    assert (again.pk, len(outbox)) == (first.pk, 1)
