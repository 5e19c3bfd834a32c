"""Another system uses the same key: reports of its calls do not change our attempts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from django_telroi import services
from django_telroi.backends import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Status
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused
from django_telroi.models import AttemptEvent, VerificationAttempt
from django_telroi.services import EventEffect, record_event
from tests.calling_site import Configure
from tests.services.world import NUMBER, Heard, before_the_first, let_time_pass
from tests.webhooks.telroi import CALL_ID, event_of

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

OURS, RIGHT = "11111111-2222-4333-8444-555555555555", "482913"
REFUSED = ApiRefused(429, "rate_limited", "Too many requests for this number. Retry after 60s.", 60, "number")


class Shared(Backend):
    """A provider with a key that two systems use. The event ``meanwhile`` arrives while it places our call."""

    rings: ClassVar[bool] = False
    meanwhile: ClassVar[list[WebhookEvent]] = []
    effects: ClassVar[list[EventEffect]] = []
    answer: ClassVar[str | Exception] = OURS

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        self.effects[:] = [record_event(event) for event in self.meanwhile]
        if isinstance(self.answer, Exception):
            raise self.answer
        return OtpCall(id=self.answer, to=to)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=code == RIGHT and call_id in (OURS, None))


Started = Callable[..., VerificationAttempt]


@pytest.fixture
def started(configure: Configure) -> Started:
    def start(*events: WebhookEvent, answer: str | Exception = OURS) -> VerificationAttempt:
        configure(BACKEND=f"{__name__}.Shared")
        Shared.meanwhile[:], Shared.answer = events, answer
        attempt = services.start_verification(NUMBER)
        attempt.refresh_from_db()
        return attempt

    return start


@pytest.fixture
def dialing(started: Started) -> VerificationAttempt:
    """A process was killed while it placed the call."""
    attempt = started(answer=ApiOutcomeUnknown())
    VerificationAttempt.objects.update(
        status=Status.DIALING, error_code="", due_at=datetime.now(UTC) + timedelta(seconds=45)
    )
    attempt.refresh_from_db()
    return attempt


def end_of(attempt: VerificationAttempt) -> tuple[Any, ...]:
    attempt.refresh_from_db()
    return attempt.status, attempt.telroi_id, attempt.error_code


class TestWhileOurCallIsBeingPlaced:
    """The report is stored, and our own answer decides."""

    @pytest.mark.parametrize("name", ["otp.completed", "otp.failed"])
    def test_the_answer_to_our_request_decides(self, started: Started, heard: Heard, name: str) -> None:
        attempt = started(event_of(name))

        assert end_of(attempt) == ("placed", OURS, "")
        assert (Shared.effects, heard.names) == ([EventEffect.NOTED], ["call_placed"])
        assert services.check_code(attempt.uuid, RIGHT).outcome == "verified"

    @pytest.mark.parametrize("name", ["otp.completed", "otp.failed"])
    def test_the_refusal_of_our_request_decides(self, started: Started, name: str) -> None:
        attempt = started(event_of(name), answer=REFUSED)

        assert end_of(attempt) == ("failed", None, "rate_limited")

    def test_the_report_does_not_change_the_call_before_the_answer(self, dialing: VerificationAttempt) -> None:
        before = VerificationAttempt.objects.values().get()

        effect = record_event(event_of("otp.failed", reason="Trunk is congested"))

        assert VerificationAttempt.objects.values().get() == before
        event = AttemptEvent.objects.get()
        assert (effect, event.attempt, event.detail, event.call_id) == (
            EventEffect.NOTED,
            dialing,
            "otp.failed: Trunk is congested",
            CALL_ID,
        )

    def test_the_answer_may_be_written_just_before_the_report(self, dialing: VerificationAttempt) -> None:
        def answer() -> None:
            VerificationAttempt.objects.update(status=Status.PLACED, telroi_id=OURS)

        with before_the_first("SAVEPOINT", answer):
            effect = record_event(event_of("otp.failed"))

        assert (effect, end_of(dialing)) == (EventEffect.UNMATCHED, ("placed", OURS, ""))


class TestWhenOurAnswerIsLost:
    """Only the report can settle the call."""

    @pytest.mark.parametrize(
        ("name", "end", "told"),
        [
            ("otp.completed", ("placed", CALL_ID, ""), "call_placed"),
            ("otp.failed", ("failed", CALL_ID, "call_failed"), "call_failed"),
        ],
    )
    def test_the_report_settles_the_call(
        self, started: Started, heard: Heard, name: str, end: tuple[Any, ...], told: str
    ) -> None:
        attempt = started(event_of(name), event_of("otp.verified"), answer=ApiOutcomeUnknown())

        assert (end_of(attempt), heard.names) == (end, [told])

    def test_reports_of_two_calls_settle_nothing(self, started: Started) -> None:
        attempt = started(event_of("otp.completed"), event_of("otp.completed", id=OURS), answer=ApiOutcomeUnknown())

        assert end_of(attempt) == ("unknown", None, "no_reply")
        assert services.check_code(attempt.uuid, RIGHT).outcome == "verified"

    def test_the_first_of_two_reports_of_one_call_settles_it(self, started: Started) -> None:
        attempt = started(event_of("otp.completed"), event_of("otp.failed"), answer=ApiOutcomeUnknown())

        assert end_of(attempt) == ("placed", CALL_ID, "")

    def test_an_id_that_another_attempt_has_settles_nothing(self, dialing: VerificationAttempt) -> None:
        record_event(event_of("otp.completed"))
        VerificationAttempt.objects.create(
            phone_id=dialing.phone_id,
            status=Status.EXPIRED,
            telroi_id=CALL_ID,
            max_tries=3,
            expires_at=dialing.expires_at,
        )
        let_time_pass(46)

        services.follow(dialing.uuid)

        assert end_of(dialing) == ("unknown", None, "lease_ended")

    @pytest.mark.parametrize("look", [lambda attempt: services.follow(attempt.uuid), lambda attempt: services.sweep()])
    def test_the_report_settles_the_call_when_the_lease_ends(
        self, dialing: VerificationAttempt, heard: Heard, look: Callable[[VerificationAttempt], object]
    ) -> None:
        record_event(event_of("otp.completed"))
        let_time_pass(46)

        look(dialing)

        assert (end_of(dialing), heard.names) == (("placed", CALL_ID, ""), ["call_placed"])

    def test_the_id_of_a_late_answer_replaces_the_reported_one(
        self, started: Started, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def end_the_lease(event: WebhookEvent) -> EventEffect:
            effect = services.record_event(event)
            let_time_pass(46)
            services.sweep()
            return effect

        monkeypatch.setattr(f"{__name__}.record_event", end_the_lease)
        attempt = started(event_of("otp.completed"))

        assert end_of(attempt) == ("placed", OURS, "")


class TestACallWithACodeChosenByItsCaller:
    """This site lets Telroi choose the code, so such a call belongs to another system."""

    def test_settles_no_call_of_ours(self, started: Started) -> None:
        attempt = started(answer=ApiOutcomeUnknown())

        effects = [
            record_event(event_of("otp.completed", client_supplied=True)),
            record_event(event_of("otp.completed", id=OURS, client_supplied=False)),
        ]

        assert effects == [EventEffect.UNMATCHED, EventEffect.PLACED]
        assert end_of(attempt) == ("placed", OURS, "")

    def test_is_stored_with_the_call_that_has_its_id(self, started: Started) -> None:
        started(answer=OURS)

        assert record_event(event_of("otp.completed", id=OURS, client_supplied=True)) == EventEffect.NOTED
