"""Codes of this site that are checked inside a transaction of the caller: a rollback gives no free comparison."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, transaction

from django_telroi import services
from django_telroi.errors import InsideTransaction
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckResult
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Elsewhere, Heard, checks, let_time_pass, wrong
from tests.webhooks.telroi import event_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.codes("site")]


class Undone(Exception):
    """Rolls the caller's transaction back."""


def check(attempt: VerificationAttempt, code: str, *, is_undone: bool = False) -> CheckResult:
    """Check the code inside a transaction, which is rolled back or committed."""
    results: list[CheckResult] = []
    with suppress(Undone), transaction.atomic():
        results.append(services.check_code(attempt.uuid, code, inside_transaction=True))
        if is_undone:
            raise Undone
    return results[0]


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


@pytest.fixture
def attempt(telroi: Simulator) -> VerificationAttempt:
    return services.start_verification(NUMBER)


@pytest.fixture
def code(telroi: Simulator, attempt: VerificationAttempt) -> str:
    return telroi.last_code_for(NUMBER)


def test_without_the_argument_a_transaction_is_refused(attempt: VerificationAttempt, code: str) -> None:
    with transaction.atomic(), pytest.raises(InsideTransaction):
        services.check_code(attempt.uuid, code)


def test_the_right_code_verifies_with_the_commit_and_signals_after_it(
    attempt: VerificationAttempt, code: str, heard: Heard
) -> None:
    with transaction.atomic():
        result = services.check_code(attempt.uuid, code, inside_transaction=True)
        assert "phone_verified" not in [name for name, _ in heard.told]

    assert (result.outcome, row(attempt).status) == ("verified", "verified")
    assert [name for name, _ in heard.told].count("phone_verified") == 1


def test_a_rollback_undoes_the_success(attempt: VerificationAttempt, code: str, heard: Heard) -> None:
    assert check(attempt, code, is_undone=True).outcome == "verified"

    assert row(attempt).status == "placed"
    assert "phone_verified" not in [name for name, _ in heard.told]


def test_rolled_back_codes_get_no_more_comparisons_than_the_call_has_tries(
    attempt: VerificationAttempt, code: str
) -> None:
    outcomes = [check(attempt, wrong(code, by=by), is_undone=True).outcome for by in (1, 2, 3, 4)]

    assert outcomes == ["wrong_code"] * 3 + ["locked"]
    assert (row(attempt).tries, check(attempt, code).outcome) == (0, "locked")
    assert row(attempt).status == "locked"


def test_codes_inside_and_outside_of_transactions_share_the_tries(attempt: VerificationAttempt, code: str) -> None:
    outside = [services.check_code(attempt.uuid, wrong(code, by=1)).outcome]
    inside = [check(attempt, wrong(code, by=by), is_undone=True).outcome for by in (2, 3)]

    assert (outside, inside) == (["wrong_code"], ["wrong_code"] * 2)
    assert (services.check_code(attempt.uuid, code).outcome, row(attempt).status) == ("locked", "locked")


def test_after_the_success_codes_inside_and_outside_of_transactions_share_the_tries(
    attempt: VerificationAttempt, code: str
) -> None:
    services.check_code(attempt.uuid, wrong(code))
    services.check_code(attempt.uuid, code)

    guess = check(attempt, wrong(code, by=2), is_undone=True).outcome

    assert (guess, services.check_code(attempt.uuid, code).outcome) == ("already_verified", "already_verified")


def test_a_broken_cache_leaves_a_check_outside_of_transactions_as_it_is(
    attempt: VerificationAttempt, code: str, settings: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}

    assert services.check_code(attempt.uuid, code).outcome == "verified"


def test_committed_wrong_codes_lock(attempt: VerificationAttempt, code: str) -> None:
    outcomes = [check(attempt, wrong(code, by=by)).outcome for by in (1, 2, 3)]

    assert outcomes == ["wrong_code", "wrong_code", "locked"]
    assert (row(attempt).status, row(attempt).tries) == ("locked", 3)


@pytest.mark.parametrize("seconds", [0, 301])
def test_rolled_back_codes_after_the_success_find_no_right_code(
    attempt: VerificationAttempt, code: str, seconds: int
) -> None:
    services.check_code(attempt.uuid, code)
    let_time_pass(seconds)

    guesses = [check(attempt, wrong(code, by=by), is_undone=True).outcome for by in (1, 2, 3)]

    assert guesses == ["already_verified"] * 3
    assert check(attempt, code).outcome == "already_verified"


def test_the_right_code_sent_again_is_verified_again(attempt: VerificationAttempt, code: str) -> None:
    first, again = check(attempt, code), check(attempt, code)

    assert (first.outcome, again.outcome, again.proof) == ("verified", "verified", first.proof)


class OtherRequest(LocMemCache):
    """A cache that is slow: another request closes the attempt while a code is counted."""

    closes_as: ClassVar = ""

    def incr(self, *args: Any, **kwargs: Any) -> int:
        VerificationAttempt.objects.filter(status="placed").update(status=self.closes_as)
        return super().incr(*args, **kwargs)


@pytest.mark.parametrize(
    ("closed_as", "outcome"),
    [("verified", "already_verified"), ("canceled", "closed"), ("expired", "expired"), ("placed", "locked")],
)
def test_a_code_over_the_count_gets_the_outcome_of_an_attempt_that_was_closed_meanwhile(
    attempt: VerificationAttempt,
    code: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    closed_as: str,
    outcome: str,
) -> None:
    for by in (1, 2, 3):
        check(attempt, wrong(code, by=by), is_undone=True)
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.OtherRequest"}}
    monkeypatch.setattr(OtherRequest, "closes_as", closed_as)

    result = check(attempt, code)

    assert (result.outcome, result.proof, result.was_judged) == (outcome, None, False)


class BrokenCache(LocMemCache):
    """A cache whose server cannot be reached."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        raise ConnectionError("redis://:password@cache:6379 is gone")

    incr = add  # type: ignore[assignment]


@pytest.mark.parametrize("is_verified", [False, True])
def test_without_a_cache_no_code_is_compared(
    attempt: VerificationAttempt, code: str, settings: Any, caplog: pytest.LogCaptureFixture, is_verified: bool
) -> None:
    if is_verified:
        services.check_code(attempt.uuid, code)
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}

    result = check(attempt, code)

    assert (result.outcome, result.proof, result.was_judged) == ("unavailable", None, False)
    assert "try_not_counted" in caplog.text
    assert "password" not in caplog.text


def test_a_code_of_telroi_is_refused(telroi: Simulator, configure: Configure) -> None:
    configure(CODES="telroi")
    attempt = services.start_verification(OTHER_NUMBER)

    with transaction.atomic(), pytest.raises(InsideTransaction):
        services.check_code(attempt.uuid, telroi.last_code_for(OTHER_NUMBER), inside_transaction=True)

    assert (row(attempt).tries, checks(telroi)) == (0, 0)


class TestALostAnswer:
    """Telroi is not asked inside a transaction, so only the code of the site is right."""

    @pytest.fixture
    def lost(self, telroi: Simulator) -> VerificationAttempt:
        telroi.fail_next("reset", on="send")
        return services.start_verification(NUMBER)

    def test_verifies_by_the_right_code(self, telroi: Simulator, lost: VerificationAttempt) -> None:
        code = telroi.last_code_for(NUMBER)

        assert [check(lost, wrong(code)).outcome, check(lost, code).outcome] == ["wrong_code", "verified"]
        assert checks(telroi) == 0

    @pytest.mark.parametrize("inside", [1, 2])
    def test_locks_although_a_webhook_says_later_that_telroi_judges(self, telroi: Simulator, inside: int) -> None:
        telroi.own_codes("ignore")
        telroi.fail_next("reset", on="send")
        lost = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        for by in range(inside):
            check(lost, wrong(code, by=by + 1))
        services.record_event(event_of("otp.completed", id=telroi.otps[-1].id, client_supplied=False))

        outcomes = [services.check_code(lost.uuid, wrong(code, by=by + 1)).outcome for by in range(inside, 3)]

        assert outcomes == ["wrong_code"] * (2 - inside) + ["locked"]
        assert row(lost).status == "locked"


def test_the_count_after_the_success_lives_as_long_as_the_digest(attempt: VerificationAttempt, code: str) -> None:
    services.check_code(attempt.uuid, code)
    let_time_pass(301)
    check(attempt, wrong(code), is_undone=True)

    assert isinstance(caches["default"], LocMemCache)
    [ends] = [end for key, end in caches["default"]._expire_info.items() if "tries" in key]  # type: ignore[attr-defined]
    assert 300 < ends - time.time() < 360  # the digest exists for 299 s more, and the counter must outlive it


@pytest.mark.skipif(connection.vendor != "mysql", reason="only MariaDB and MySQL read an old snapshot without an error")
def test_a_check_in_an_old_snapshot_ends_although_another_request_used_a_try(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    right = telroi.last_code_for(NUMBER)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        with transaction.atomic():
            row(attempt)  # from now on, plain reads return this state
            other = Elsewhere(lambda: services.check_code(attempt.uuid, wrong(right)).outcome)
            assert other.result() == "wrong_code"
            outcome = services.check_code(attempt.uuid, right, inside_transaction=True).outcome
    finally:
        connection.close()  # the next one has the default isolation level

    assert (outcome, row(attempt).tries) == ("verified", 2)
