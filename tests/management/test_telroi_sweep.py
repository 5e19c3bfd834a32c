"""``manage.py telroi_sweep``: one pass for cron, or repeated passes until it is stopped."""

from __future__ import annotations

import signal
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt


def expired_call() -> None:
    phone = PhoneNumber.objects.create(number="+2348031234567", last4="4567", region="NG")
    over = timezone.now() - timedelta(minutes=1)
    VerificationAttempt.objects.create(
        phone=phone, status="placed", dispatch="inline", max_tries=3, expires_at=over, due_at=over
    )


def swept() -> str:
    told = StringIO()
    call_command("telroi_sweep", stdout=told)
    return told.getvalue()


@pytest.mark.django_db
def test_one_pass_prints_its_result_in_one_line() -> None:
    expired_call()

    assert swept() == "0 enqueued, 0 recorded as unknown, 1 expired\n"
    assert swept() == "0 enqueued, 0 recorded as unknown, 0 expired\n"


@pytest.mark.django_db
def test_a_database_outage_is_reported_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise Unavailable

    monkeypatch.setattr(services, "sweep", away)

    with pytest.raises(CommandError) as told:
        swept()

    assert str(told.value) == "The database does not answer, or it rejects writes. The log has the cause."


@pytest.mark.parametrize("pause", ["0", "-1", "often", "nan"])
def test_the_pause_must_be_positive(pause: str) -> None:
    with pytest.raises(CommandError, match=r"--loop: .* is not a number of seconds above 0"):
        call_command("telroi_sweep", f"--loop={pause}")


@pytest.mark.django_db
def test_a_loop_continues_after_an_error_and_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []

    def sweep() -> services.Swept:
        passes.append(len(passes))
        if len(passes) == 1:
            raise Unavailable
        if len(passes) == 3:
            signal.raise_signal(signal.SIGTERM)
        return services.Swept(expired=1)

    monkeypatch.setattr(services, "sweep", sweep)
    before = {ending: signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)}
    told, wrong = StringIO(), StringIO()

    call_command("telroi_sweep", "--loop=0.01", stdout=told, stderr=wrong)

    assert (len(passes), told.getvalue().count("1 expired")) == (3, 2)
    assert "The database does not answer" in wrong.getvalue()
    assert {ending: signal.getsignal(ending) for ending in before} == before
