"""``kill -9`` of the process that places a call, at each point: never two calls, and no request is lost silently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import F

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services import CheckOutcome, call_again, check_code, follow, place_call, start_verification
from django_telroi.simulator import Simulator
from tests.crash.kill_points import POINT, Point

pytestmark = [pytest.mark.programs, pytest.mark.django_db(transaction=True)]

NUMBER = "+2348031234567"
HANGS = 600
"""Seconds after which a test hangs, however busy the machine is."""
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def telroi(settings: Any) -> Iterator[Simulator]:
    with Simulator() as simulator:
        settings.TELROI = {
            "BACKEND": conf.TELROI_BACKEND,
            "BASE_URL": simulator.base_url,
            "API_KEY": simulator.api_key,
        }
        yield simulator


def sends(telroi: Simulator) -> int:
    return sum(request.path == "/v1/otp" for request in telroi.requests)


class Caller:
    """Start a process that requests the call ``attempt`` and stops at ``point``."""

    def __init__(self, attempt: UUID, point: Point) -> None:
        chosen = {**conf.chosen(), "BACKEND": "tests.crash.kill_points.StoppingBackend"}
        arguments = [str(connection.settings_dict["NAME"]), json.dumps(chosen), NUMBER, str(attempt)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.caller", *arguments],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", POINT: point},
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_it_stands(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "here\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def killed_at(point: Point, telroi: Simulator) -> UUID:
    """Kill a process at that point. Return the public id of its request."""
    attempt_uuid = uuid4()
    if point == Point.AFTER_THE_BYTES:
        telroi.fail_next("hold")
    caller = Caller(attempt_uuid, point)
    try:
        if point == Point.AFTER_THE_BYTES:
            telroi.wait_for_requests(1, timeout=HANGS)
        else:
            caller.wait_until_it_stands()
    finally:
        caller.kill()
    return attempt_uuid


def after_the_lease() -> datetime:
    return datetime.now(UTC) + conf.lease() + timedelta(seconds=1)


def test_a_request_killed_before_its_claim_can_be_retried(telroi: Simulator) -> None:
    the_same = killed_at(Point.BEFORE_THE_CLAIM, telroi)
    assert (sends(telroi), VerificationAttempt.objects.count()) == (0, 0)

    attempt = start_verification(NUMBER, attempt_uuid=the_same)

    assert (attempt.status, sends(telroi)) == (Status.PLACED, 1)


def test_a_process_killed_during_its_claim_has_claimed_nothing(telroi: Simulator) -> None:
    PhoneNumber.objects.create(number=NUMBER, last4=NUMBER[-4:], region="NG")
    the_same = uuid4()
    with transaction.atomic():
        PhoneNumber.objects.update(version=F("version") + 1)
        caller = Caller(the_same, Point.WITHIN_THE_CLAIM)
        caller.wait_until_it_stands()
        with pytest.raises(subprocess.TimeoutExpired):  # it waits for the row that this test has locked
            caller.process.wait(timeout=1)
        caller.kill()
    assert (sends(telroi), VerificationAttempt.objects.count()) == (0, 0)

    attempt = start_verification(NUMBER, attempt_uuid=the_same)

    assert (attempt.status, sends(telroi)) == (Status.PLACED, 1)


@pytest.mark.parametrize("point", [Point.AFTER_THE_CLAIM, Point.AFTER_THE_BYTES, Point.AFTER_THE_ANSWER])
def test_a_call_whose_process_was_killed_after_the_claim_is_not_placed_again(telroi: Simulator, point: Point) -> None:
    the_same = killed_at(point, telroi)
    rang = 0 if point == Point.AFTER_THE_CLAIM else 1

    attempt = start_verification(NUMBER, attempt_uuid=the_same)
    place_call(attempt.pk)

    assert (attempt.uuid, attempt.status, sends(telroi)) == (the_same, Status.DIALING, rang)
    standing = follow(the_same, now=after_the_lease())
    assert (standing.attempt.status, standing.attempt.error_code) == (Status.UNKNOWN, "lease_ended")
    assert standing.call_again_in <= conf.policy().cooldown.total_seconds()
    place_call(attempt.pk)
    assert sends(telroi) == rang


@pytest.mark.parametrize("point", [Point.AFTER_THE_BYTES, Point.AFTER_THE_ANSWER])
def test_the_code_of_a_call_whose_process_was_killed_still_verifies(telroi: Simulator, point: Point) -> None:
    the_same = killed_at(point, telroi)
    telroi.release()
    follow(the_same, now=after_the_lease())

    result = check_code(the_same, telroi.last_code_for(NUMBER))

    assert (result.outcome, sends(telroi)) == (CheckOutcome.VERIFIED, 1)


def test_a_call_of_unknown_outcome_can_be_requested_again(telroi: Simulator) -> None:
    the_same = killed_at(Point.AFTER_THE_CLAIM, telroi)

    second = call_again(the_same, now=after_the_lease() + conf.policy().cooldown)

    assert (second.status, sends(telroi)) == (Status.PLACED, 1)
    assert VerificationAttempt.objects.get(uuid=the_same).status == Status.SUPERSEDED


def test_after_the_callers_commit_the_row_is_queued_and_placed_once(telroi: Simulator) -> None:
    the_same = killed_at(Point.AFTER_THE_COMMIT, telroi)
    attempt = start_verification(NUMBER, attempt_uuid=the_same)
    assert (attempt.status, sends(telroi)) == (Status.QUEUED, 0)

    place_call(attempt.pk)
    place_call(attempt.pk)

    assert (follow(the_same).attempt.status, sends(telroi)) == (Status.PLACED, 1)


def test_a_row_that_is_queued_too_long_expires_and_is_not_placed(telroi: Simulator) -> None:
    the_same = killed_at(Point.AFTER_THE_COMMIT, telroi)
    late = datetime.now(UTC) + conf.queue_deadline() + timedelta(seconds=1)

    standing = follow(the_same, now=late)
    place_call(standing.attempt.pk)

    assert (standing.attempt.status, standing.attempt.error_code) == (Status.EXPIRED, "deadline")
    assert (standing.call_again_in, sends(telroi)) == (0, 0)
