"""Transactions: no call without a row, no HTTP inside a transaction, and no try that a rollback forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import pytest
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase, override_settings
from django.urls import path

from django_telroi import services
from django_telroi.backends import locmem
from django_telroi.backends.locmem import LocmemBackend
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.conf import CONSOLE_BACKEND, LOCMEM_BACKEND, TELROI_BACKEND
from django_telroi.errors import CooldownActive, InsideTransaction
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.calls.queue import place_call
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import (
    NUMBER,
    OTHER_NUMBER,
    Heard,
    checks,
    let_time_pass,
    moments,
    row_counts,
    sends,
    statements,
    wrong,
)

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def autocommit_off() -> Iterator[None]:
    transaction.set_autocommit(False)
    try:
        yield
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@transaction.atomic
def start_and_fail() -> None:
    services.start_verification(NUMBER)
    raise ZeroDivisionError


class TestACallInsideACallersTransaction:
    """The call waits for the commit."""

    def test_is_queued_and_placed_after_the_commit(self, telroi: Simulator, heard: Heard) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            inside = (attempt.status, attempt.dialed_at, sends(telroi))

        attempt.refresh_from_db()
        assert inside == ("queued", None, 0)
        assert (attempt.status, attempt.dispatch, sends(telroi)) == ("placed", "inline", 1)
        assert heard.names == ["call_placed"]
        assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_waits_for_the_outermost_commit(self, telroi: Simulator) -> None:
        with transaction.atomic():
            with transaction.atomic():
                services.start_verification(NUMBER)
            inside = sends(telroi)

        assert (inside, sends(telroi)) == (0, 1)

    def test_counts_from_the_moment_it_rings(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            asked_at = moments()

        attempt.refresh_from_db()
        assert asked_at == (attempt.created_at,)
        assert moments() == (attempt.dialed_at,)
        assert attempt.created_at <= attempt.dialed_at
        assert PhoneNumber.objects.get().last_call_at == attempt.dialed_at

    def test_has_no_row_if_the_transaction_rolls_back(self, telroi: Simulator, heard: Heard) -> None:
        with pytest.raises(ZeroDivisionError):
            start_and_fail()

        assert (telroi.requests, row_counts(), heard.names) == ([], {}, [])

    def test_has_no_row_if_a_savepoint_rolls_back(self, telroi: Simulator) -> None:
        with transaction.atomic(), pytest.raises(ZeroDivisionError):
            start_and_fail()

        assert (telroi.requests, row_counts()) == ([], {})

    def test_is_refused_like_any_other(self, telroi: Simulator, heard: Heard) -> None:
        services.start_verification(NUMBER)

        with transaction.atomic(), pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

        assert heard.names == ["call_placed", "verification_refused"]
        assert row_counts() == {"PhoneNumber": 1, "VerificationAttempt": 1, "RefusalTally": 1}

    def test_that_is_repeated_returns_the_same_attempt(self, telroi: Simulator) -> None:
        uuid = VerificationAttempt().uuid

        with transaction.atomic():
            first = services.start_verification(NUMBER, attempt_uuid=uuid)
            second = services.start_verification(NUMBER, attempt_uuid=uuid)

        assert (first.pk, second.status, sends(telroi)) == (second.pk, "queued", 1)

    def test_leaves_the_transaction_usable_when_its_id_is_used(self, telroi: Simulator) -> None:
        uuid = VerificationAttempt().uuid
        first = services.start_verification(NUMBER, attempt_uuid=uuid)
        let_time_pass(61, telroi)

        with transaction.atomic():
            second = services.start_verification(NUMBER, attempt_uuid=uuid)
            count = VerificationAttempt.objects.count()

        assert (first.pk, count, sends(telroi)) == (second.pk, 1, 1)

    def test_is_not_judged_before_it_is_placed(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            services.cancel_verification(attempt.uuid)

        attempt.refresh_from_db()
        assert (attempt.status, attempt.dialed_at, sends(telroi), moments()) == ("canceled", None, 0, ())

    def test_that_cannot_be_placed_any_more_fails_when_it_is_read(
        self, telroi: Simulator, configure: Configure, heard: Heard
    ) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            configure(API_KEY="")

        attempt.refresh_from_db()
        assert (attempt.status, attempt.error_code, moments(), sends(telroi)) == ("failed", "misconfigured", (), 0)
        assert heard.names == ["call_failed"]

    def test_to_a_number_that_was_blocked_meanwhile_fails(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            services.block_number(NUMBER, reason="", actor="grace")

        standing = services.follow(attempt.uuid)
        assert (standing.attempt.status, standing.attempt.error_code) == ("failed", "blocked")
        assert (standing.refusal.code, sends(telroi), moments()) == ("not_callable", 0, ())


class TestACodeInsideACallersTransaction:
    """A rollback would undo the used try, so the code is not judged."""

    def test_is_refused_before_any_statement(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)

        with transaction.atomic(), statements() as seen, pytest.raises(InsideTransaction) as refused:
            services.check_code(attempt.uuid, code)

        attempt.refresh_from_db()
        assert (seen, attempt.tries, attempt.status, checks(telroi)) == ([], 0, "placed", 0)
        assert "@transaction.non_atomic_requests" in str(refused.value)

    def test_is_refused_on_a_site_without_a_key_too(self, telroi: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER)
        configure(API_KEY="")

        with transaction.atomic(), pytest.raises(InsideTransaction):
            services.check_code(attempt.uuid, "123456")


class TestWithAutocommitOff:
    """With autocommit off, ``on_commit`` does not run at the commit."""

    def test_every_service_that_uses_telroi_raises_before_any_statement(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        let_time_pass(61, telroi)

        asking: list[Callable[[], object]] = [
            partial(services.start_verification, OTHER_NUMBER),
            partial(services.call_again, attempt.uuid),
            partial(services.check_code, attempt.uuid, code),
        ]
        for ask in asking:
            with autocommit_off(), statements() as seen, pytest.raises(InsideTransaction) as refused:
                ask()
            assert (seen, "non_atomic_requests" in str(refused.value)) == ([], True)

        attempt.refresh_from_db()
        assert (attempt.status, attempt.tries, sends(telroi), checks(telroi)) == ("placed", 0, 1, 0)
        assert row_counts() == {"PhoneNumber": 1, "VerificationAttempt": 1}

    def test_a_service_inside_an_atomic_block_raises_too(self, telroi: Simulator) -> None:
        with autocommit_off(), transaction.atomic(), pytest.raises(InsideTransaction):
            services.start_verification(NUMBER)

        assert (telroi.requests, row_counts()) == ([], {})


@pytest.fixture(params=[CONSOLE_BACKEND, LOCMEM_BACKEND, TELROI_BACKEND, f"{__name__}.SilentBackend"])
def backend(request: pytest.FixtureRequest, telroi: Simulator, configure: Configure) -> str:
    """One of our backends, or a backend of the site."""
    configure(BACKEND=request.param)
    return str(request.param)


class SilentBackend(LocmemBackend):
    """A backend of the site for development."""

    rings = False


class TestOnEveryBackend:
    """The rule is the same for each backend, so development and production behave alike."""

    def test_a_call_in_a_callers_transaction_waits_for_its_commit(self, backend: str, heard: Heard) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            inside = (attempt.status, attempt.dialed_at, heard.told.copy())

        attempt.refresh_from_db()
        assert inside == ("queued", None, [])
        assert (attempt.status, attempt.dispatch, heard.names) == ("placed", "inline", ["call_placed"])

    def test_a_call_is_not_placed_if_the_transaction_rolls_back(self, backend: str, heard: Heard) -> None:
        with pytest.raises(ZeroDivisionError):
            start_and_fail()

        assert (row_counts(), heard.names, locmem.outbox) == ({}, [], [])

    def test_another_call_waits_for_the_commit_too(self, backend: str, telroi: Simulator) -> None:
        first = services.start_verification(NUMBER)
        let_time_pass(61, telroi)

        with transaction.atomic():
            second = services.call_again(first.uuid)
            inside = second.status

        second.refresh_from_db()
        assert (inside, second.status) == ("queued", "placed")

    def test_a_code_in_a_callers_transaction_is_refused(self, backend: str) -> None:
        attempt = services.start_verification(NUMBER)

        with transaction.atomic(), statements() as seen, pytest.raises(InsideTransaction):
            services.check_code(attempt.uuid, "123456")

        assert seen == []

    def test_telroi_is_not_asked_with_autocommit_off(self, backend: str) -> None:
        attempt = services.start_verification(NUMBER)

        asking: list[Callable[[], object]] = [
            partial(services.start_verification, OTHER_NUMBER),
            partial(services.call_again, attempt.uuid),
            partial(services.check_code, attempt.uuid, "123456"),
            partial(services.check_code, attempt.uuid, "not a code"),
        ]
        for ask in asking:
            with autocommit_off(), statements() as seen, pytest.raises(InsideTransaction):
                ask()
            assert seen == []

    def test_a_queued_call_is_not_placed_in_a_callers_transaction(self, backend: str) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            with pytest.raises(InsideTransaction):
                place_call(attempt.pk)

        attempt.refresh_from_db()
        assert attempt.status == "placed"


@pytest.mark.parametrize("backend", [CONSOLE_BACKEND, LOCMEM_BACKEND])
def test_a_backend_that_rings_no_phone_places_in_the_committing_process(configure: Configure, backend: str) -> None:
    """A worker is another process, with its own outbox and terminal."""
    configure(BACKEND=backend, DISPATCH="celery")

    with transaction.atomic():
        attempt = services.start_verification(NUMBER)

    attempt.refresh_from_db()
    assert (attempt.status, attempt.dispatch) == ("placed", "inline")


def test_reading_and_canceling_work_in_a_transaction(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)

    with transaction.atomic():
        followed = services.follow(attempt.uuid).attempt.status
        given_up = services.cancel_verification(attempt.uuid).status

    assert (followed, given_up) == ("placed", "canceled")


class WitnessBackend(TelroiBackend):
    """Record for each request to Telroi whether a transaction is open."""

    seen: ClassVar[list[bool]] = []

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        self.seen.append(connection.in_atomic_block or not connection.get_autocommit())
        return super().place_call(to, code_length=code_length, language=language)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        self.seen.append(connection.in_atomic_block or not connection.get_autocommit())
        return super().check_code(code, call_id=call_id, to=to)


def test_telroi_is_never_asked_inside_a_transaction(telroi: Simulator, configure: Configure) -> None:
    configure(BACKEND=f"{__name__}.WitnessBackend", CALLS_PER_DAY_TOTAL=50)
    WitnessBackend.seen.clear()

    attempt = services.start_verification(NUMBER)
    services.check_code(attempt.uuid, wrong(telroi.last_code_for(NUMBER)))
    let_time_pass(61, telroi)
    attempt = services.call_again(attempt.uuid)
    services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))
    with transaction.atomic():
        services.start_verification(OTHER_NUMBER)
    with telroi.refusing():
        services.start_verification("+447400123456")

    assert WitnessBackend.seen == [False] * 7


def placing(request: HttpRequest) -> HttpResponse:
    attempt = services.start_verification(NUMBER)
    if "fail" in request.GET:
        raise ZeroDivisionError
    return HttpResponse(f"{attempt.uuid} {attempt.status}")


def checking(request: HttpRequest, uuid: str) -> HttpResponse:
    outcome = services.check_code(uuid, request.POST["code"]).outcome
    return HttpResponse(outcome, status=409)


@transaction.non_atomic_requests
def checking_apart(request: HttpRequest, uuid: str) -> HttpResponse:
    services.check_code(uuid, request.POST["code"])
    raise ZeroDivisionError


URLS = (
    path("start/", placing),
    path("check/<uuid>/", checking),
    path("check-apart/<uuid>/", checking_apart),
)


class TestASiteWithAtomicRequests:
    """Each view is a transaction, except ``non_atomic_requests`` views."""

    @pytest.fixture
    def browser(self, telroi: Simulator, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
        settings.ROOT_URLCONF = URLS
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        return Client(raise_request_exception=False)

    def test_places_the_call_after_the_view(self, telroi: Simulator, browser: Client) -> None:
        page = browser.get("/start/").content.decode()

        attempt = VerificationAttempt.objects.get()
        assert (page, attempt.status, sends(telroi)) == (f"{attempt.uuid} queued", "placed", 1)

    def test_places_no_call_when_the_view_fails(self, telroi: Simulator, browser: Client) -> None:
        page = browser.get("/start/?fail")

        assert (page.status_code, telroi.requests, row_counts()) == (500, [], {})

    def test_judges_no_code_that_a_rollback_would_forget(self, telroi: Simulator, browser: Client) -> None:
        attempt = services.start_verification(NUMBER)

        page = browser.post(f"/check/{attempt.uuid}/", {"code": "123456"})

        assert (page.status_code, checks(telroi)) == (500, 0)

    @pytest.mark.codes("telroi")
    def test_keeps_the_count_of_a_wrong_code_in_a_non_atomic_view(self, telroi: Simulator, browser: Client) -> None:
        attempt = services.start_verification(NUMBER)

        browser.post(f"/check-apart/{attempt.uuid}/", {"code": wrong(telroi.last_code_for(NUMBER))})

        attempt.refresh_from_db()
        assert (attempt.tries, checks(telroi)) == (1, 1)


class TestDjangosTestCase(TestCase):
    """The transaction of a ``TestCase`` is not a caller's transaction, so ordinary tests of a site work."""

    @override_settings()
    def test_a_flow_works_without_settings_of_ours(self) -> None:
        from django.conf import settings

        del settings.TELROI

        attempt = services.start_verification(NUMBER)
        outcome = services.check_code(attempt.uuid, locmem.outbox[-1].code).outcome

        assert (attempt.status, outcome) == ("placed", "verified")

    def test_a_block_inside_it_is_the_callers_transaction(self) -> None:
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            attempt = services.start_verification(NUMBER)
            with pytest.raises(InsideTransaction):
                services.check_code(attempt.uuid, "123456")

        attempt.refresh_from_db()
        assert (attempt.status, services.check_code(attempt.uuid, locmem.outbox[-1].code).outcome) == (
            "placed",
            "verified",
        )

    def test_signals_are_sent_with_the_commit_callbacks(self) -> None:
        with Heard() as heard:
            with self.captureOnCommitCallbacks(execute=True):
                services.start_verification(NUMBER)

            assert [name for name, _ in heard.told] == ["call_placed"]


@pytest.mark.django_db
class TestARingingBackendInsideDjangosTestCase:
    """A backend that rings behaves as outside a ``TestCase``."""

    pytestmark = pytest.mark.django_db

    def test_places_and_judges_at_once(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        assert connection.in_atomic_block
        assert attempt.status == "placed"
        assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_treats_a_block_inside_as_the_callers_transaction(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            with pytest.raises(InsideTransaction):
                services.check_code(attempt.uuid, "123456")

        assert (attempt.status, telroi.requests) == ("queued", [])
