"""The contract of every backend, as test cases. Subclass ``BackendContract`` to test a backend of your own.

It is a plain class with ``test_`` methods. With pytest, give the subclass a name that begins with ``Test``. With
Django's test runner, add ``django.test.SimpleTestCase`` as a second base. The tests need no database. They do not
need pytest. They raise RuntimeError outside of Django's test environment: there a backend calls real phones.
"""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_telroi import conf
from django_telroi.backends import Backend, get_backend
from django_telroi.backends.base import REFUSED, would_ring_from_test_run
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import WRONG_LENGTHS, clean_code, judge_length
from django_telroi.errors import ApiRefused
from django_telroi.services.shared.backend_calls import is_usable_id
from django_telroi.testing.settings_of_test import refuse_outside_of_tests

DIGEST = re.compile(r"([0-9a-fA-F]{32,64})?")
YES = frozenset({"verified", "already_verified"})
STATUSES = frozenset({"verified", "mismatch", "locked", "expired", "not_found", "already_verified"})
GIVEN_CODE = "482913"


class BackendContract(ABC):
    """Tests that the code of a call verifies that call, and that nothing else does.

    Override ``heard``. Override ``make_backend`` too, unless the settings of the test name the backend. Set ``secret``.
    A test calls each number at most once. Before each test the provider must have called neither number.
    """

    number = "+2348031234567"
    other_number = "+2348029876543"
    unknown_id = "9b2e4c1a-6b0f-4d0c-9d8e-1f2a3b4c5d6e"
    """An id in the provider's format that belongs to no call."""

    secret = ""
    """The provider's key in the settings of the test. ``key_digest`` must not contain it."""

    @abstractmethod
    def heard(self, number: str) -> str:
        """Return the code that the newest call to ``number`` read out."""

    def make_backend(self) -> Backend:
        """Return a new instance, like one in another process."""
        return get_backend()

    def test_it_says_what_it_is(self) -> None:
        backend = self._backend()

        assert isinstance(backend, Backend), "the backend is an instance of django_telroi.backends.Backend"
        assert isinstance(backend.rings, bool), "rings is True or False"
        assert isinstance(backend.key_digest, str), "key_digest is a str"

    def test_its_digest_tells_no_secret(self) -> None:
        digest = self._backend().key_digest

        assert DIGEST.fullmatch(digest), "key_digest is a hexadecimal digest of 32 to 64 characters, or empty"
        if self.secret:
            is_exposed = self.secret.lower() in digest.lower() or (digest and digest.lower() in self.secret.lower())
            assert not is_exposed, "key_digest contains the secret, or is a part of it: use salted_hmac"

    def test_a_call_comes_back_with_its_number_and_an_id_that_can_be_kept(self) -> None:
        call = self._place(self.number)

        assert call.to == self.number, "place_call returned another number in OtpCall.to than it was given"
        assert is_usable_id(call.id), "place_call returned an OtpCall.id that is not 1 to 200 printable characters"
        assert call.livemode in (None, True, False), (
            "place_call returned an OtpCall.livemode that is neither a bool nor None"
        )
        assert call.expires_at is None or call.expires_at.utcoffset() is not None, (
            "place_call returned an OtpCall.expires_at without a time zone"
        )
        assert call.verification != "client", (
            'place_call got no code, so OtpCall.verification must not be "client": the provider checks its own code'
        )

    def test_every_call_has_an_id_of_its_own(self) -> None:
        first, second = self._place(self.number), self._place(self.other_number)

        assert first.id != second.id, "place_call returned the same OtpCall.id for two calls"

    def test_the_code_that_is_heard_verifies(self) -> None:
        call = self._place(self.number)

        check = self._check(self.heard(self.number), call)

        assert (check.verified, check.status) == (True, "verified"), (
            f"check_code got the right code and returned {check}"
        )

    def test_another_code_does_not(self) -> None:
        call = self._place(self.number)

        check = self._check(another(self.heard(self.number)), call)

        assert (check.verified, check.status) == (False, "mismatch"), (
            f"check_code got a wrong code and returned {check}"
        )

    def test_the_right_code_verifies_after_a_wrong_one(self) -> None:
        call = self._place(self.number)
        self._check(another(self.heard(self.number)), call)

        check = self._check(self.heard(self.number), call)
        assert check.verified is True, f"check_code got the right code after a wrong one and returned {check}"

    def test_the_code_of_one_call_does_not_verify_another(self) -> None:
        self._place(self.number)
        other = self._place(self.other_number)
        code = self.heard(self.number)

        # Two calls have the same code by chance once in a million runs. Then the right answer is yes.
        is_the_same = code == self.heard(self.other_number)

        assert self._check(code, other).verified is is_the_same, (
            "check_code took the code of one call for another: it must check by call_id"
        )

    def test_a_call_that_does_not_exist_verifies_nothing(self) -> None:
        backend = self._backend()

        # A backend that cannot check by number is never asked without an id.
        for call_id in (self.unknown_id, None) if backend.judges_by_number else (self.unknown_id,):
            check = reply_of(partial(backend.check_code, "123456", call_id=call_id, to=self.number))
            if check is not None:
                is_success = check.verified or check.status in YES
                assert not is_success, (
                    f"check_code got call_id={call_id!r}, which belongs to no call, and returned {check}. "
                    f"Return not_found or raise ApiRefused. already_verified would verify a wrong code"
                )

    def test_without_an_id_nothing_verifies_but_the_call_to_the_number(self) -> None:
        self._place(self.number)
        self._place(self.other_number)
        code, backend = self.heard(self.number), self._backend()

        if not backend.judges_by_number:
            return  # check_code is never called without an id
        is_the_same = code == self.heard(self.other_number)

        check = reply_of(lambda: backend.check_code(code, call_id=None, to=self.other_number))
        assert check is None or check.verified in (False, is_the_same), (
            "check_code got call_id=None and took the code of a call to another number"
        )

    def test_it_judges_by_the_ids_that_it_gives(self) -> None:
        call = self._place(self.number)
        backend = self._backend()

        by_id = backend.judges_by_id(call.id)
        assert by_id or backend.judges_by_number, (
            "judges_by_number is False, so judges_by_id must be True for the ids that place_call returns"
        )
        check = backend.check_code(self.heard(self.number), call_id=call.id if by_id else None, to=self.number)

        assert check.verified is True, (
            f"check_code got the right code, call_id={'the id' if by_id else None} as judges_by_id says, "
            f"and returned {check}"
        )

    def test_the_code_is_as_long_as_it_says(self) -> None:
        for number, asked in ((self.number, 4), (self.other_number, 6)):
            with override_settings(TELROI={**conf.chosen(), "CODE_LENGTH": asked}):
                call = self._place(number, code_length=asked)
                code = self.heard(number)

                length = self._backend().spoken_length(asked)
                assert clean_code(code) == code, "heard() must return a code of 4 to 10 ASCII digits"
                assert judge_length(code, length) not in WRONG_LENGTHS, (
                    f"{len(code)} digits are read out, but spoken_length({asked}) returned {length}"
                )
                check = self._check(code, call)
                assert check.verified is True, f"check_code got the right code of {asked} digits and returned {check}"

    def test_any_language_is_taken(self) -> None:
        for number, language in ((self.number, "yo"), (self.other_number, "pt-BR")):
            call = self._place(number, language=language)
            assert call.to == number, f"place_call with language={language!r} returned another number in OtpCall.to"

    def test_a_code_of_the_sites_own_is_read_out_or_refused(self) -> None:
        # A provider that ignores the code would read out another one than the site checks. So only two answers are
        # right.
        place = partial(self._backend().place_call, self.number, code_length=6, language=None, code=GIVEN_CODE)
        try:
            call = place()
        except ApiRefused as error:
            refused = error.status
        else:
            assert self.heard(self.number) == GIVEN_CODE, (
                "place_call got a code and the provider read out another one. Raise ApiRefused(422) instead"
            )
            assert call.verification == "client", (
                f'place_call got a code, so OtpCall.verification must be "client", not {call.verification!r}'
            )
            return
        assert refused == 422, f"place_call got a code and raised ApiRefused({refused}) instead of ApiRefused(422)"

    def test_slots_are_taken_and_given_back(self) -> None:
        backend = self._backend()

        backend.admit_call()
        backend.return_call()
        backend.admit_call()
        call = backend.place_call(self.number, code_length=6, language=None)
        backend.admit_check()

        check = backend.check_code(self.heard(self.number), call_id=call.id, to=self.number)
        assert check.verified is True, f"check_code got the right code after admit_check and returned {check}"

    def test_nothing_secret_is_logged_or_shown(self) -> None:
        with everything_logged() as lines:
            call = self._place(self.number)
            code = self.heard(self.number)
            checks = [self._check(each, call) for each in (another(code), code)]

        # Without the leading +, because a log may leave it out.
        shown = f"{lines} {self._backend()!r} {call!r} {checks!r}"
        secrets = {"the number": self.number[1:], "the code": code, "a code": another(code), "the secret": self.secret}
        exposed = [name for name, secret in secrets.items() if secret and secret in shown]
        assert exposed == [], f"a log line or a repr() contains {' and '.join(exposed)}"

    def _backend(self) -> Backend:
        """Return a new backend. Raises ImproperlyConfigured for one that would call a real phone.

        Raises RuntimeError in a process that runs no tests, because there it could not be told apart.
        """
        refuse_outside_of_tests()
        backend = self.make_backend()
        if would_ring_from_test_run(backend):
            raise ImproperlyConfigured(REFUSED)
        return backend

    def _place(self, number: str, *, code_length: int = 6, language: str | None = None) -> OtpCall:
        call: object = self._backend().place_call(number, code_length=code_length, language=language)
        assert isinstance(call, OtpCall), f"place_call returned {type(call).__name__} instead of OtpCall"
        call_id: object = call.id
        assert isinstance(call_id, str), (
            f"place_call returned an OtpCall.id of type {type(call_id).__name__} instead of str"
        )
        return call

    def _check(self, code: str, call: OtpCall) -> OtpCheck:
        """Check with a new instance, because another process than the one that placed the call usually checks it."""
        check: object = self._backend().check_code(code, call_id=call.id, to=call.to)
        assert isinstance(check, OtpCheck), f"check_code returned {type(check).__name__} instead of OtpCheck"
        assert isinstance(check.verified, bool), "check_code returned an OtpCheck.verified that is not True or False"
        assert check.status in STATUSES, f"check_code returned an OtpCheck.status that is not in {sorted(STATUSES)}"
        return check


def another(code: str) -> str:
    """Return a different code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def reply_of(check: Callable[[], OtpCheck]) -> OtpCheck | None:
    """Return the reply of a check, or None if the provider refused it."""
    try:
        return check()
    except ApiRefused:
        return None


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Collect the lines of all loggers at level DEBUG."""
    lines: list[str] = []
    # The root logger at DEBUG also gets the lines of HTTP libraries, which log URLs and headers.
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
