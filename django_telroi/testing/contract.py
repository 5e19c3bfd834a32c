"""What every backend keeps, as test cases: subclass one for a backend of your own.

They are plain classes with ``test_`` methods. With pytest, name the subclass ``Test…``; with Django's runner, add
``django.test.SimpleTestCase`` as a second base. They need no database, and pytest only if you use it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from django.test import override_settings

from django_telroi import conf
from django_telroi.backends import Backend, get_backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.codes import WRONG_LENGTHS, clean_code, judge_length
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.services.backend_calls import is_usable_id

STATUSES = frozenset({"verified", "mismatch", "locked", "expired", "not_found", "already_verified"})
GIVEN_CODE = "482913"


class BackendContract(ABC):
    """The code that a person hears verifies, for the call that they heard it in, and nothing else does.

    Override ``heard``; also ``make_backend``, unless the settings of the test name the backend. A test calls each
    number once at most, and expects a provider that has called neither before.
    """

    number = "+2348031234567"
    other_number = "+2348029876543"
    unknown_id = "9b2e4c1a-6b0f-4d0c-9d8e-1f2a3b4c5d6e"
    """An id in the provider's own form that belongs to no call."""

    @abstractmethod
    def heard(self, number: str) -> str:
        """The code that the newest call to ``number`` read out."""

    def make_backend(self) -> Backend:
        """A new instance, as another process would make one."""
        return get_backend()

    def test_it_says_what_it_is(self) -> None:
        backend = self.make_backend()

        assert isinstance(backend, Backend)
        assert isinstance(backend.rings, bool), "rings is True or False"
        assert isinstance(backend.key_digest, str), "key_digest is text"
        assert len(backend.key_digest) <= 64, "key_digest has 64 characters at most"
        assert backend.key_digest.isprintable(), "key_digest has printable characters only"

    def test_a_call_comes_back_with_its_number_and_an_id_that_can_be_kept(self) -> None:
        call = self._place(self.number)

        assert call.to == self.number, "to is the number as it was asked for"
        assert is_usable_id(call.id), "id is 1 to 200 printable characters"
        assert call.livemode in (None, True, False)
        assert call.expires_at is None or call.expires_at.utcoffset() is not None, "expires_at has a time zone"
        assert call.verification != "client", "the provider judges its own code"

    def test_every_call_has_an_id_of_its_own(self) -> None:
        assert self._place(self.number).id != self._place(self.other_number).id

    def test_the_code_that_is_heard_verifies(self) -> None:
        call = self._place(self.number)

        check = self._check(self.heard(self.number), call)

        assert (check.verified, check.status) == (True, "verified")

    def test_another_code_does_not(self) -> None:
        call = self._place(self.number)

        check = self._check(another(self.heard(self.number)), call)

        assert (check.verified, check.status) == (False, "mismatch")

    def test_the_right_code_verifies_after_a_wrong_one(self) -> None:
        call = self._place(self.number)
        self._check(another(self.heard(self.number)), call)

        assert self._check(self.heard(self.number), call).verified is True

    def test_the_code_of_one_call_does_not_verify_another(self) -> None:
        self._place(self.number)
        other = self._place(self.other_number)
        code = self.heard(self.number)

        is_the_same = code == self.heard(self.other_number)

        assert self._check(code, other).verified is is_the_same

    def test_a_call_that_does_not_exist_verifies_nothing(self) -> None:
        backend = self.make_backend()

        for call_id in (self.unknown_id, None):
            verified = verifies(partial(backend.check_code, "123456", call_id=call_id, to=self.number))
            assert verified is False, "a call that does not exist is not_found, or ApiRefused"

    def test_without_an_id_nothing_verifies_but_the_call_to_the_number(self) -> None:
        self._place(self.number)
        self._place(self.other_number)
        code, backend = self.heard(self.number), self.make_backend()

        is_the_same = code == self.heard(self.other_number)

        assert verifies(lambda: backend.check_code(code, call_id=None, to=self.other_number)) in (False, is_the_same)

    def test_it_judges_by_the_ids_that_it_gives(self) -> None:
        call = self._place(self.number)
        backend = self.make_backend()

        by_id = backend.judges_by_id(call.id)
        check = backend.check_code(self.heard(self.number), call_id=call.id if by_id else None, to=self.number)

        assert check.verified is True

    def test_the_code_is_as_long_as_it_says(self) -> None:
        for number, asked in ((self.number, 4), (self.other_number, 6)):
            with override_settings(TELROI={**conf.chosen(), "CODE_LENGTH": asked}):
                call = self._place(number, code_length=asked)
                code = self.heard(number)

                length = self.make_backend().spoken_length(asked)
                assert clean_code(code) == code, "a code is 4 to 10 ASCII digits"
                assert judge_length(code, length) not in WRONG_LENGTHS, f"{len(code)} digits are read out, not {length}"
                assert self._check(code, call).verified is True

    def test_any_language_is_taken(self) -> None:
        for number, language in ((self.number, "yo"), (self.other_number, "pt-BR")):
            assert self._place(number, language=language).to == number

    def test_a_code_of_the_sites_own_is_read_out_or_refused(self) -> None:
        place = partial(self.make_backend().place_call, self.number, code_length=6, language=None, code=GIVEN_CODE)
        try:
            call = place()
        except ApiRefused as error:
            refused = error.status
        else:
            assert (self.heard(self.number), call.verification) == (GIVEN_CODE, "client")
            return
        assert refused == 422, "a provider that reads out no code of yours is ApiRefused(422)"

    def test_slots_are_taken_and_given_back(self) -> None:
        backend = self.make_backend()

        backend.admit_call()
        backend.return_call()
        backend.admit_call()
        call = backend.place_call(self.number, code_length=6, language=None)
        backend.admit_check()

        assert backend.check_code(self.heard(self.number), call_id=call.id, to=self.number).verified is True

    def test_nothing_secret_is_logged_or_shown(self) -> None:
        with everything_logged() as lines:
            call = self._place(self.number)
            code = self.heard(self.number)
            checks = [self._check(each, call) for each in (another(code), code)]

        shown = f"{lines} {self.make_backend()!r} {call!r} {checks!r}"
        assert [secret for secret in (self.number[1:], code, another(code)) if secret in shown] == []

    def _place(self, number: str, *, code_length: int = 6, language: str | None = None) -> OtpCall:
        call: object = self.make_backend().place_call(number, code_length=code_length, language=language)
        assert isinstance(call, OtpCall), "place_call returns an OtpCall"
        return call

    def _check(self, code: str, call: OtpCall) -> OtpCheck:
        """By an instance of its own: the process that judges a code is seldom the one that placed the call."""
        check: object = self.make_backend().check_code(code, call_id=call.id, to=call.to)
        assert isinstance(check, OtpCheck), "check_code returns an OtpCheck"
        assert isinstance(check.verified, bool), "verified is True or False"
        assert check.status in STATUSES, f"status is one of {sorted(STATUSES)}"
        return check


class RemoteBackendContract(BackendContract):
    """What goes wrong on the way is told apart: nothing was sent, refused, or nobody knows.

    It is for a backend that asks a provider over the network, and it is tried on a double of the provider on a real
    socket: what an HTTP library raises is known only once it was seen.
    """

    @abstractmethod
    def requests(self) -> int:
        """How many requests the provider has received."""

    @abstractmethod
    def unreachable(self) -> AbstractContextManager[object]:
        """While it lasts, connections to the provider are refused."""

    @abstractmethod
    def losing_answers(self) -> AbstractContextManager[object]:
        """While it lasts, the provider carries out each request and cuts the connection instead of answering."""

    @abstractmethod
    def answering(self, status: int) -> AbstractContextManager[object]:
        """While it lasts, each request is answered with this HTTP status and a body that is no JSON."""

    def test_without_a_connection_nothing_was_sent(self) -> None:
        for ask in self._questions():
            with self.unreachable():
                error = raised_by(ask)
            assert isinstance(error, ApiUnreachable), f"a refused connection is ApiUnreachable, not {error!r}"

    def test_a_lost_answer_may_have_been_a_yes(self) -> None:
        for ask in self._questions():
            before = self.requests()
            with self.losing_answers():
                error = raised_by(ask)
            assert isinstance(error, ApiOutcomeUnknown), f"a cut connection is ApiOutcomeUnknown, not {error!r}"
            assert self.requests() - before == 1, "no request is repeated"

    def test_an_answer_that_cannot_be_read_may_have_been_a_yes(self) -> None:
        for ask in self._questions():
            with self.answering(200):
                error = raised_by(ask)
            assert isinstance(error, ApiOutcomeUnknown), f"an unreadable answer is ApiOutcomeUnknown, not {error!r}"

    def test_a_redirect_is_not_followed(self) -> None:
        for ask in self._questions():
            before = self.requests()
            with self.answering(307):
                error = raised_by(ask)
            assert isinstance(error, ApiOutcomeUnknown | ApiRefused)
            assert self.requests() - before == 1, "a redirect is another request"

    def test_a_refusal_says_which(self) -> None:
        for status in (400, 401, 403, 404, 429, 500, 503):
            for ask in self._questions():
                with self.answering(status):
                    error = raised_by(ask)
                assert isinstance(error, ApiRefused), f"{status} is ApiRefused, not {error!r}"
                assert error.status == status

    def test_an_error_tells_no_secret(self) -> None:
        with everything_logged() as lines:
            errors = [self._failing(ask) for ask in self._questions()]

        shown = f"{lines} {errors!r} {[str(error) for error in errors]}"
        assert [secret for secret in (self.number[1:], GIVEN_CODE) if secret in shown] == []

    def _failing(self, ask: Callable[[], object]) -> BaseException | None:
        with self.losing_answers():
            return raised_by(ask)

    def _questions(self) -> list[Callable[[], object]]:
        backend = self.make_backend()
        return [
            lambda: backend.place_call(self.number, code_length=6, language=None),
            lambda: backend.check_code(GIVEN_CODE, call_id=self.unknown_id, to=self.number),
        ]


def another(code: str) -> str:
    """A code of the same length that is not this one."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def verifies(check: Callable[[], OtpCheck]) -> bool:
    """What a check says; one that the provider refuses verifies nothing."""
    try:
        return check().verified
    except ApiRefused:
        return False


def raised_by(ask: Callable[[], object]) -> ApiError | None:
    """The ApiError that ``ask`` raises; None if it returns. Any other error is for the test to fail with."""
    try:
        ask()
    except ApiError as error:
        return error
    return None


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """The lines of every logger, whatever its level."""
    lines: list[str] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
