"""Example responses for the schema. The serializers of the real responses render them from made-up data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django_telroi.domain.invalid_numbers import NumberProblem
from django_telroi.domain.states import CHECKABLE, UNFINISHED, Status
from django_telroi.errors import Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.rest.serializers import PhoneCheckSerializer, PhoneVerificationSerializer, VerifiedPhoneSerializer
from django_telroi.rest.views import status_of_check
from django_telroi.services import AttemptStatus, CheckOutcome, CheckResult
from django_telroi.services.typed_numbers import RejectedNumber

NUMBER = "+2348031234567"
NOW = datetime(2030, 5, 17, 9, 30, tzinfo=UTC)
PROOF = "8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10:cf0Vb9nM0vB1H3iG5xQ2yT8w"

REJECTED = RejectedNumber(NumberProblem.NO_COUNTRY_CODE, suggestions=(NUMBER,), example="+2348021234567")


class TypedNumber:
    """Stands for the view of an endpoint whose client sends a number, where its body of an invalid number is made."""

    def rejected_number(self) -> RejectedNumber:
        return REJECTED


Bodies = dict[int, dict[str, Any]]
"""Bodies by HTTP status and name of the example."""


def verifications(statuses: Iterable[Status]) -> dict[str, Any]:
    """Return the body of a verification in each of ``statuses``, by status, in the order of ``Status``."""
    return {
        str(status): dict(PhoneVerificationSerializer(_attempt_status(status)).data)
        for status in Status
        if status in statuses
    }


def checks() -> Bodies:
    """Return the body of a check for every outcome."""
    bodies: Bodies = defaultdict(dict)
    for outcome in CheckOutcome:
        for was_judged in (True, False):
            result = _result(outcome, was_judged=was_judged)
            bodies[status_of_check(result)][str(outcome)] = dict(PhoneCheckSerializer(result).data)
    return bodies


def phone() -> dict[str, Any]:
    return dict(VerifiedPhoneSerializer(VerifiedPhone(number=NUMBER, verified_at=NOW)).data)


def _attempt(status: Status) -> VerificationAttempt:
    return VerificationAttempt(
        uuid=UUID("8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10"),
        phone=PhoneNumber(number=NUMBER),
        status=status,
        max_tries=3,
        dialed_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    )


def _attempt_status(status: Status) -> AttemptStatus:
    return AttemptStatus(
        attempt=_attempt(status),
        now=NOW,
        call_again_in=58 if status in CHECKABLE else 0,
        tries_left=3 if status in UNFINISHED else 0,
        refusal=Unavailable() if status == Status.FAILED else None,
    )


def _result(outcome: CheckOutcome, *, was_judged: bool) -> CheckResult:
    is_open = outcome in (CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE, CheckOutcome.UNAVAILABLE)
    return CheckResult(
        outcome=outcome,
        tries_left=2 if is_open else 0,
        attempt=_attempt(Status.PLACED),
        was_judged=was_judged,
        proof=PROOF if outcome == CheckOutcome.VERIFIED else None,
    )
