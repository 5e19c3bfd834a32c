"""``read_out``: the call reads out a code that another package made and checks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import RequestFactory

from django_telroi import limits, services
from django_telroi.domain.states import Judge
from django_telroi.errors import AttemptNotFound, CooldownActive, Misconfigured, NotCallable, TooManyRequests
from django_telroi.models import AttemptEvent, VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.limits.faces import FACES
from tests.services.world import NUMBER, OTHER_NUMBER, ROWS, checks, database_gone, let_time_pass, moments, sends, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.limits.site")]

CODE = "9081726354"
"""Too long to be in other text by chance."""


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


def stored_text() -> str:
    return "".join(str(list(model._default_manager.values())) for model in ROWS)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged, at DEBUG, except for statements."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.db.backends").setLevel(logging.INFO)
    return lambda: "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


class TestACall:
    """It is like any other call, except that its code is judged elsewhere."""

    def test_reads_out_the_code_that_no_row_and_no_line_contains(
        self, telroi: Simulator, logged: Callable[[], str], ada: User
    ) -> None:
        attempt = services.read_out(NUMBER, f" {CODE[:4]} {CODE[4:]} ", user=ada, purpose="login", language="yo")

        assert [call.code for call in telroi.calls] == [CODE]
        assert (attempt.status, attempt.judge, attempt.code_digest, attempt.code_length) == (
            *("placed", Judge.CALLER, "", 10),
        )
        assert CODE not in stored_text() + logged() + repr(attempt) + repr(vars(attempt))

    @pytest.mark.parametrize("code", ["", "123", "12345678901", "12a456", "²²²²"])
    def test_needs_four_to_ten_digits(self, telroi: Simulator, code: str) -> None:
        with pytest.raises(ValueError, match="4 to 10 digits") as raised:
            services.read_out(NUMBER, code)

        assert code not in str(raised.value) or not code
        assert (telroi.requests, VerificationAttempt.objects.count()) == ([], 0)

    def test_counts_for_the_number_like_every_call(self, telroi: Simulator) -> None:
        services.read_out(NUMBER, CODE)

        with pytest.raises(CooldownActive):
            services.read_out(NUMBER, CODE)
        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)
        assert (len(moments()), sends(telroi)) == (1, 1)

    def test_to_a_blocked_number_is_refused(self, telroi: Simulator) -> None:
        services.read_out(NUMBER, CODE)
        services.block_number(NUMBER, reason="fraud", actor="ada")

        with pytest.raises(NotCallable):
            services.read_out(NUMBER, CODE)

    def test_counts_for_the_requester_behind_the_limits(self, telroi: Simulator, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "2/h"}})
        request = RequestFactory().post("/", REMOTE_ADDR="203.0.113.7")
        for number in (NUMBER, OTHER_NUMBER):
            limits.read_out(request, number, CODE)

        with pytest.raises(TooManyRequests):
            limits.read_out(request, "+2348031234568", CODE)
        assert sends(telroi) == 2
        assert VerificationAttempt.objects.first().requester_ip == "203.0.113.7"  # type: ignore[union-attr]

    @pytest.mark.parametrize("dispatch", ["inline", "celery"])
    def test_is_placed_by_this_process(
        self, telroi: Simulator, configure: Configure, celery_app: Any, enqueued: Callable[[], list[Any]], dispatch: str
    ) -> None:
        configure(DISPATCH=dispatch)

        attempt = services.read_out(NUMBER, CODE)

        assert (attempt.status, attempt.dispatch, enqueued()) == ("placed", "inline", [])

    def test_expires_and_never_becomes_verified(self, telroi: Simulator) -> None:
        attempt = services.read_out(NUMBER, CODE)
        services.check_code(attempt.uuid, CODE)
        let_time_pass(300)

        services.sweep()

        assert (row(attempt).status, row(attempt).tries, VerifiedPhone.objects.count()) == ("expired", 0, 0)

    def test_is_not_repeated_by_call_again_with_another_code(self, telroi: Simulator) -> None:
        attempt = services.read_out(NUMBER, CODE)
        let_time_pass(61, telroi)

        with pytest.raises(AttemptNotFound):
            services.call_again(attempt.uuid)

        assert sends(telroi) == 1

    @pytest.mark.parametrize("codes", ["site", "telroi"])
    def test_does_not_depend_on_the_setting(self, telroi: Simulator, configure: Configure, codes: str) -> None:
        configure(CODES=codes)

        services.read_out(NUMBER, CODE)

        assert [call.code for call in telroi.calls] == [CODE]


class TestACode:
    """It is not judged here."""

    @pytest.mark.parametrize("typed", [CODE, wrong(CODE)])
    def test_is_judged_elsewhere(self, telroi: Simulator, typed: str) -> None:
        attempt = services.read_out(NUMBER, CODE)

        result = services.check_code(attempt.uuid, typed)

        assert (result.outcome, result.was_judged, result.proof) == ("judged_elsewhere", False, None)
        assert (row(attempt).tries, checks(telroi)) == (0, 0)

    def test_inside_a_transaction_is_judged_elsewhere_too(self, telroi: Simulator) -> None:
        attempt = services.read_out(NUMBER, CODE)

        with transaction.atomic():
            result = services.check_code(attempt.uuid, CODE, inside_transaction=True)

        assert result.outcome == "judged_elsewhere"

    @pytest.mark.parametrize("name", sorted(FACES))
    def test_is_refused_by_every_face(self, telroi: Simulator, name: str) -> None:
        face = FACES[name]()
        face.takes_over(services.read_out(NUMBER, CODE))

        answer = face.checks(CODE)

        assert "This code cannot be checked here." in answer.text
        assert answer.status == (409 if name == "rest" else 200)


class TestInsideATransaction:
    """The call is placed after the commit, with the code from memory."""

    def test_is_placed_after_the_commit(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.read_out(NUMBER, CODE)
            assert (attempt.status, sends(telroi)) == ("queued", 0)
            assert CODE not in stored_text()

        assert (row(attempt).status, [call.code for call in telroi.calls]) == ("placed", [CODE])

    def test_is_not_placed_after_a_rollback(self, telroi: Simulator) -> None:
        with transaction.atomic():
            services.read_out(NUMBER, CODE)
            transaction.set_rollback(True)

        assert (sends(telroi), VerificationAttempt.objects.count()) == (0, 0)

    def test_expires_if_the_process_dies_before_the_commit_runs_it(
        self, telroi: Simulator, monkeypatch: pytest.MonkeyPatch, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery")
        with monkeypatch.context() as dead:
            dead.setattr(transaction, "on_commit", lambda *_, **__: None)
            with transaction.atomic():
                attempt = services.read_out(NUMBER, CODE)
        let_time_pass(60)

        swept = services.sweep()
        services.place_call(attempt.pk)

        assert (row(attempt).status, sends(telroi), swept.enqueued) == ("queued", 0, 0)
        let_time_pass(300)
        services.sweep()
        assert (row(attempt).status, row(attempt).error_code, sends(telroi)) == ("expired", "deadline", 0)
        assert moments() == ()

    def test_fails_if_calls_are_stopped_at_the_commit(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.read_out(NUMBER, CODE)
            services.stop_calls(reason="fraud", actor="ada")

        assert (row(attempt).status, row(attempt).error_code, sends(telroi)) == ("failed", "unavailable", 0)

    @pytest.mark.parametrize("kind", ["read_out", "start"])
    def test_a_database_outage_after_the_commit_raises_nothing_and_logs_no_code(
        self, telroi: Simulator, logged: Callable[[], str], kind: str
    ) -> None:
        later: list[str] = []
        with ExitStack() as outage, transaction.atomic():
            transaction.on_commit(lambda: outage.enter_context(database_gone()))
            services.read_out(NUMBER, CODE) if kind == "read_out" else services.start_verification(NUMBER)
            transaction.on_commit(lambda: later.append("of another package"))

        assert later == ["of another package"]
        assert (VerificationAttempt.objects.get().status, sends(telroi)) == ("queued", 0)
        assert "Error calling" in logged()
        assert CODE not in logged()


class TestAServerWithoutTheFeature:
    """It cannot read out the code of another package."""

    def test_that_rejects_the_code_gets_no_second_request(self, telroi: Simulator) -> None:
        telroi.own_codes("reject")

        attempt = services.read_out(NUMBER, CODE)

        assert (attempt.status, attempt.error_code, sends(telroi), telroi.calls) == ("failed", "invalid", 1, [])

    def test_that_reads_out_another_code_raises_an_alert_and_the_next_is_refused(self, telroi: Simulator) -> None:
        telroi.own_codes("ignore")
        attempt = services.read_out(NUMBER, CODE)

        assert (attempt.status, attempt.judge) == ("placed", Judge.CALLER)
        assert [event.detail for event in AttemptEvent.objects.filter(kind="alert")] == ["codes_refused"]
        with pytest.raises(Misconfigured):
            services.read_out(OTHER_NUMBER, CODE)
        assert sends(telroi) == 1
