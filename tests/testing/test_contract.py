"""The contract for a backend of a site: it finds violations, and needs neither pytest nor a database."""

from __future__ import annotations

import logging
import subprocess
import sys
import unittest
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest
from django.test import SimpleTestCase, override_settings

from django_telroi.backends.locmem import LocmemBackend, LocmemCall, outbox
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.conf import LOCMEM_BACKEND
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.testing import BackendContract, RemoteBackendContract, last_code_for

SECRET = "5f2c0a9de1b84c7796ad3301c4be8872"


class Good(LocmemBackend):
    """A backend that fulfills the contract. The backends that violate it are its subclasses."""


class BelievesEverybody(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=True)


class RejectsTheRightCode(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=False)


class BelievesAnyCall(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=any(call.code == code for call in outbox))


class Shouts(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        logging.getLogger("carrier").debug("code %s", code)
        return super().check_code(code, call_id=call_id, to=to)


class SaysYes(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return replace(super().check_code(code, call_id=call_id, to=to), verified="yes")  # type: ignore[arg-type]


class SaysApproved(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return replace(super().check_code(code, call_id=call_id, to=to), status="approved")


class KeepsCodesOnTheInstance(Good):
    def __init__(self) -> None:
        self.calls: list[LocmemCall] = []

    def place_call(self, *args: Any, **named: Any) -> OtpCall:
        call = super().place_call(*args, **named)
        self.calls.append(outbox[-1])
        return call

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=any((call.id, call.code) == (call_id, code) for call in self.calls))


class RepeatsItsIds(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        super().place_call(to, **named)
        return OtpCall(id="1", to=to)


class HasLongIds(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        call = super().place_call(to, **named)
        return replace(call, id=call.id * 9)


class HasNaiveMoments(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        return replace(super().place_call(to, **named), expires_at=datetime(2030, 1, 1))  # noqa: DTZ001


class ReturnsADict(Good):
    def place_call(self, to: str, **named: Any) -> Any:
        return vars(super().place_call(to, **named))


class TakesNoCodeOfTheSites(Good):
    def place_call(self, to: str, *, code_length: int, language: str | None) -> OtpCall:  # type: ignore[override]
        return super().place_call(to, code_length=code_length, language=language)


class IgnoresTheCodeOfTheSite(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        return super().place_call(to, **{**named, "code": None})


class SpeaksEnglishOnly(Good):
    def place_call(self, to: str, *, language: str | None, **named: Any) -> OtpCall:
        return super().place_call(to, language={None: "en", "en": "en"}[language], **named)


class ReadsOutFewerDigits(Good):
    def place_call(self, to: str, *, code_length: int, **named: Any) -> OtpCall:
        return super().place_call(to, code_length=code_length - 1, **named)


class ClaimsMoreDigits(Good):
    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=8, expected=8, is_certain=True)


class HasALongDigest(Good):
    key_digest = "x" * 65


class HasTheKeyAsDigest(Good):
    key_digest = SECRET


class HasThePlainKeyInItsDigest(Good):
    key_digest = f"key-{SECRET}"


class HasADigestOfWords(Good):
    key_digest = "production"


class SaysThatAnyLostCallWasVerified(Good):
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check = super().check_code(code, call_id=call_id, to=to)
        return replace(check, status="already_verified") if check.status == "not_found" else check


class HasNumbersAsIds(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        return replace(super().place_call(to, **named), id=len(outbox))  # type: ignore[arg-type]


class CallsEveryCodeTheSites(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        return replace(super().place_call(to, **named), verification="client")


class KeepsQuietAboutTheCodeOfTheSite(Good):
    def place_call(self, to: str, **named: Any) -> OtpCall:
        return replace(super().place_call(to, **named), verification=None)


class JudgesByNothing(Good):
    judges_by_number = False

    def judges_by_id(self, call_id: str) -> bool:
        return False


class NeedsAnId(LocmemBackend):
    """A backend that fulfills the contract and is never asked without an id."""

    judges_by_number = False

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        assert call_id is not None
        return super().check_code(code, call_id=call_id, to=to)


class ForgetsItsSlot(Good):
    def return_call(self) -> None:
        raise ApiUnreachable


class IsNoBackend:
    """A class with the methods that is not a subclass of Backend."""


BROKEN = [each for each in Good.__subclasses__() if each.__module__ == __name__] + [IsNoBackend]


NOT_SENT = "test_without_a_connection_nothing_was_sent"
LOST = "test_a_lost_answer_may_have_been_a_yes"
UNREADABLE = "test_an_answer_that_cannot_be_read_may_have_been_a_yes"
REDIRECT = "test_a_redirect_is_not_followed"
REFUSED = "test_a_refusal_says_which"
FAULTS = {NOT_SENT, LOST, UNREADABLE, REDIRECT, REFUSED}


class OneAnswer(RemoteBackendContract):
    """Return the contract of a backend that sends one request each time and raises ``error`` for every fault."""

    error: Exception | None
    received = 0

    def requests(self) -> int:
        self.received += 1
        return self.received

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        with patch.multiple(Good, place_call=self.ask, check_code=self.ask):
            yield

    losing_answers = unreachable

    def answering(self, status: int) -> AbstractContextManager[None]:
        return self.unreachable()

    def location(self) -> str:
        return "/elsewhere"

    def ask(self, *args: Any, **named: Any) -> None:
        if self.error:
            raise self.error


def failing_tests(backend: type, base: type = BackendContract, **attributes: Any) -> dict[str, str]:
    """Return the failed tests of the contract for a backend, with their messages."""

    class Contract(base, SimpleTestCase):  # type: ignore[misc]
        secret = SECRET

        def setUp(self) -> None:
            outbox.clear()

        def make_backend(self) -> Any:
            return backend()

        def heard(self, number: str) -> str:
            return last_code_for(number)

    for name, value in attributes.items():
        setattr(Contract, name, value)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Contract).run(result)
    return {case.id().rpartition(".")[2]: said for case, said in result.failures + result.errors}


def test_a_backend_that_fulfills_it_passes() -> None:
    with override_settings(TELROI={"BACKEND": LOCMEM_BACKEND}):
        assert failing_tests(Good) == {}
        assert failing_tests(NeedsAnId) == {}


@pytest.mark.parametrize("backend", BROKEN)
def test_a_backend_that_violates_it_fails(backend: type) -> None:
    assert failing_tests(backend) != {}


@pytest.mark.parametrize(
    ("error", "failing"),
    [
        (None, {NOT_SENT, LOST, UNREADABLE, REDIRECT, REFUSED}),
        (ApiUnreachable(), {LOST, UNREADABLE, REDIRECT, REFUSED}),
        (ApiOutcomeUnknown(), {NOT_SENT, REFUSED}),
        (ApiRefused(418), {NOT_SENT, LOST, UNREADABLE, REFUSED}),
    ],
    ids=["a reply", "unreachable", "outcome unknown", "refused"],
)
def test_a_backend_with_the_same_answer_to_every_fault_fails(error: Exception | None, failing: set[str]) -> None:
    assert set(failing_tests(Good, OneAnswer, error=error)) & FAULTS == failing


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (RejectsTheRightCode, "check_code got the right code and returned OtpCheck(verified=False, status='mismatch'"),
        (SaysApproved, "check_code returned an OtpCheck.status that is not in"),
        (ReturnsADict, "place_call returned dict instead of OtpCall"),
        (HasNumbersAsIds, "place_call returned an OtpCall.id of type int instead of str"),
        (CallsEveryCodeTheSites, 'place_call got no code, so OtpCall.verification must not be "client"'),
        (KeepsQuietAboutTheCodeOfTheSite, 'place_call got a code, so OtpCall.verification must be "client", not None'),
        (HasTheKeyAsDigest, "key_digest contains the secret"),
        (HasADigestOfWords, "key_digest is a hexadecimal digest"),
        (SaysThatAnyLostCallWasVerified, "already_verified would verify a wrong code"),
    ],
)
def test_a_failure_names_the_method_and_the_reason(backend: type, says: str) -> None:
    assert says in "\n".join(failing_tests(backend).values())


def test_an_unknown_scope_fails() -> None:
    failing = failing_tests(Good, OneAnswer, error=ApiRefused(400, scope="phone"))  # type: ignore[arg-type]

    assert "place_call: ApiRefused.scope must be in (None, 'number', 'key'), not 'phone'" in failing[REFUSED]


def test_an_error_outside_of_the_contract_fails_with_the_name_of_the_method() -> None:
    failing = failing_tests(Good, OneAnswer, error=ZeroDivisionError())

    assert "place_call raised ZeroDivisionError, which is not an ApiError" in failing[LOST]


def test_a_double_with_an_invalid_redirect_fails() -> None:
    failing = failing_tests(Good, OneAnswer, error=ApiOutcomeUnknown(), location=lambda contract: "")

    assert "must send a Location header with answering(307)" in failing[REDIRECT]


def test_the_requests_may_be_a_list() -> None:
    class Listing(OneAnswer):
        def requests(self) -> list[int]:  # type: ignore[override]
            return [0] * super().requests()

    assert LOST not in failing_tests(Good, Listing, error=ApiOutcomeUnknown())


def test_a_backend_that_would_ring_is_never_called() -> None:
    class Rings(Good):
        rings = True

    outbox.clear()
    failing = failing_tests(Rings)

    assert "A test run never calls a phone" in failing["test_the_code_that_is_heard_verifies"]
    assert outbox == []


def test_it_works_without_pytest_and_without_a_database() -> None:
    program = """
import sys, unittest
sys.modules["pytest"] = None
import django
django.setup()
from django.test import SimpleTestCase
from django.test.utils import setup_test_environment
setup_test_environment()
from django_telroi.backends.locmem import LocmemBackend
from django_telroi.testing import BackendContract, last_code_for

class Mine(BackendContract, SimpleTestCase):
    def make_backend(self):
        return LocmemBackend()

    def heard(self, number):
        return last_code_for(number)

unittest.main(argv=["mine"])
"""

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "OK"), done.stderr
