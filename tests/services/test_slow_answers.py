"""After a slow answer the number's limits start at the answer. A flat wait that Telroi reports is not trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_telroi import services
from django_telroi.client import OtpCall, TelroiClient
from django_telroi.errors import NumberHeld
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services.shared import number_state
from django_telroi.simulator import Simulator
from tests.manual_clocks import ManualClock
from tests.services.conftest import Configure
from tests.services.world import NUMBER, let_time_pass, moments, statements
from tests.webhooks.telroi import event_of

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

SECOND = timedelta(seconds=1)
LATE = 6


class Stretched:
    """Replaces the module ``time``. Its monotonic clock is ahead by the duration of the request."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.ahead = 0.0
        self._monotonic = monotonic

    def monotonic(self) -> float:
        return self._monotonic() + self.ahead


@pytest.fixture(autouse=True)
def answers_in_time() -> None:
    """Take the duration of an answer from the replaced clock."""


@pytest.fixture
def slow(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], VerificationAttempt]:
    """Start a call whose row at Telroi begins six seconds after the request arrived, without sleeping."""
    clock = Stretched(number_state.time.monotonic)
    monkeypatch.setattr(number_state, "time", clock)
    place_otp = TelroiClient.place_otp

    def start(fault: str = "", meanwhile: Callable[[OtpCall], object] = lambda call: None) -> VerificationAttempt:
        def late(client: TelroiClient, to: str, **options: Any) -> OtpCall:
            clock.ahead += LATE
            telroi.advance(LATE)
            call = place_otp(client, to, **options)
            meanwhile(call)
            return call

        if fault:
            telroi.fail_next(fault)
        with monkeypatch.context() as patch:
            patch.setattr(TelroiClient, "place_otp", late)
            attempt = services.start_verification(NUMBER)
        let_time_pass(LATE)  # Telroi's clock and the monotonic clock are ahead already
        attempt.refresh_from_db()
        return attempt

    return start


def status_after(wait: float, telroi: Simulator) -> str:
    """Return the outcome of another call after the wait that the person was shown."""
    let_time_pass(wait, telroi)
    return services.start_verification(NUMBER).status


def test_a_call_with_a_slow_answer_counts_from_the_answer(telroi: Simulator) -> None:
    telroi.fail_next("begins_late", seconds=1.2)

    attempt = services.start_verification(NUMBER)

    [moment] = moments()
    assert attempt.dialed_at is not None
    assert (attempt.status, attempt.placed_at) == ("placed", moment)
    assert moment - attempt.dialed_at > 1.2 * SECOND
    assert PhoneNumber.objects.get().next_call_at == moment + 60 * SECOND


def test_a_quick_answer_keeps_the_time_of_the_claim_and_adds_no_statement(telroi: Simulator) -> None:
    services.start_verification("+2348029876543")

    with statements() as seen:
        attempt = services.start_verification(NUMBER)

    assert moments() == (attempt.dialed_at,)
    assert sum("UPDATE" in each and "phonenumber" in each for each in seen) <= 1
    assert "verificationattempt" in seen[-1]


def test_the_wait_that_is_shown_after_a_slow_start_equals_telrois(
    telroi: Simulator, slow: Callable[..., VerificationAttempt]
) -> None:
    attempt = slow()

    wait = services.follow(attempt.uuid).call_again_in

    assert wait == 60
    assert status_after(wait, telroi) == "placed"


@pytest.mark.parametrize("fault", ["otp_failed", "no_carrier", "close", "no_id"])
def test_a_slow_call_of_unknown_outcome_counts_from_its_answer(
    slow: Callable[..., VerificationAttempt], fault: str
) -> None:
    attempt = slow(fault)

    [moment] = moments()
    assert attempt.dialed_at is not None
    assert (attempt.status, moment - attempt.dialed_at >= LATE * SECOND) == ("unknown", True)


@pytest.mark.parametrize("fault", ["rate_limited", "service_unavailable", "unauthorized", "login"])
def test_a_slow_refusal_does_not_count(slow: Callable[..., VerificationAttempt], fault: str) -> None:
    attempt = slow(fault)

    assert (attempt.status, moments()) == ("failed", ())


def test_a_slow_call_counts_once_for_the_sites_daily_limit(
    configure: Configure, slow: Callable[..., VerificationAttempt]
) -> None:
    configure(CALLS_PER_DAY_TOTAL=10)

    slow()

    assert CallControl.objects.get().day_calls == 1


def test_the_hour_of_a_slow_call_ends_when_telrois_ends(
    telroi: Simulator, configure: Configure, slow: Callable[..., VerificationAttempt]
) -> None:
    telroi.set_policy(per_hour=1)
    configure(CALLS_PER_HOUR=1)
    attempt = slow()

    wait = services.follow(attempt.uuid).call_again_in

    assert wait == 3600
    assert status_after(wait, telroi) == "placed"


def test_a_slow_call_that_a_webhook_reported_first_counts_from_its_answer(
    slow: Callable[..., VerificationAttempt],
) -> None:
    attempt = slow(meanwhile=lambda call: services.record_event(event_of("otp.completed", id=call.id, to=NUMBER)))

    [moment] = moments()
    assert attempt.dialed_at is not None
    assert (attempt.status, attempt.placed_at is None) == ("placed", False)
    assert moment - attempt.dialed_at >= LATE * SECOND


class TestAFixedWait:
    """A wait of an hour or a day is the length of Telroi's window, not the time until a call is possible."""

    @pytest.mark.parametrize("seconds", [3600, 86400])
    def test_is_used_for_a_minute_if_our_limits_allow_a_call(self, telroi: Simulator, seconds: int) -> None:
        telroi.fail_next("rate_limited", wait=seconds)

        attempt = services.start_verification(NUMBER)

        standing = services.follow(attempt.uuid)
        assert isinstance(standing.refusal, NumberHeld)
        assert (standing.refusal.retry_after, standing.call_again_in) == (60, 60)
        assert status_after(60, telroi) == "placed"

    @pytest.mark.parametrize("seconds", [3599, 3601, 600])
    def test_is_distinguished_from_an_exact_wait(self, telroi: Simulator, seconds: int) -> None:
        telroi.fail_next("rate_limited", wait=seconds)

        attempt = services.start_verification(NUMBER)

        assert services.follow(attempt.uuid).call_again_in == seconds

    def test_doubles_while_another_system_uses_the_number(self, telroi: Simulator) -> None:
        telroi.set_policy(per_hour=1)
        with TelroiClient(telroi.api_key, base_url=telroi.base_url) as other:
            other.place_otp(NUMBER)
        let_time_pass(60, telroi)

        waits = []
        while (attempt := services.start_verification(NUMBER)).status == "failed":
            waits.append(services.follow(attempt.uuid).call_again_in)
            let_time_pass(waits[-1], telroi)

        assert waits == [60, 120, 240, 480, 960, 1920]
        assert attempt.status == "placed"

    def test_starts_with_a_minute_again_after_an_accepted_call(self, telroi: Simulator) -> None:
        telroi.fail_next("rate_limited", wait=3600, times=2)
        services.start_verification(NUMBER)
        assert status_after(60, telroi) == "failed"
        assert status_after(120, telroi) == "placed"
        telroi.fail_next("rate_limited", wait=3600)

        assert status_after(60, telroi) == "failed"

        phone = PhoneNumber.objects.get()
        assert phone.held_at is not None
        assert phone.held_until == phone.held_at + 60 * SECOND

    def test_starts_with_a_minute_again_after_staff_released_the_hold(self, telroi: Simulator) -> None:
        telroi.fail_next("rate_limited", wait=3600, times=2)
        services.start_verification(NUMBER)
        services.release_hold(NUMBER, actor="grace")

        attempt = services.start_verification(NUMBER)

        assert services.follow(attempt.uuid).call_again_in == 60


@pytest.mark.parametrize(
    ("read", "passed", "expected"),
    [(123_000, 2**-11, 123_000), (123_000, 3 * 2**-11, 124_000), (123_456, 2**-11, 123_944)],
)
def test_a_calculated_time_is_not_ahead_of_the_clock(
    monkeypatch: pytest.MonkeyPatch, read: int, passed: float, expected: int
) -> None:
    """SQLite's clock has whole milliseconds: its next reading may be 999 microseconds before the real time."""
    monkeypatch.setattr(number_state, "time", ManualClock(100 + passed))

    moment = number_state.later(datetime(2026, 5, 4, 12, microsecond=read, tzinfo=UTC), since=100)

    assert moment == datetime(2026, 5, 4, 12, microsecond=expected, tzinfo=UTC)
