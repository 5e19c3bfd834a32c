"""Reports of outcomes, for telemetry. Each outcome is reported once, after its commit.

Without an observer nothing is made and nothing runs after the commit, so a site without telemetry pays for one ``if``.
A report has no number, user or address. Its labels have few values, except the purpose and
the name of the key, which the observer limits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.transactions import after_commit

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class CallSettled:
    """A call became ``placed``, ``failed`` or ``unknown``, or ``expired`` in the queue.

    An ``unknown`` call that a webhook settles is reported again, as ``placed`` or ``failed``. ``waited``: seconds from
    the request to the claim of a call that was queued. None for other calls, and for the second report.
    """

    status: Status
    code: str
    region: str
    purpose: str
    key: str
    waited: float | None = None


@dataclass(frozen=True)
class CodeJudged:
    """A typed code was judged, with this outcome: a value of ``CheckOutcome``."""

    outcome: str
    region: str
    purpose: str
    key: str


@dataclass(frozen=True)
class AttemptVerified:
    """An attempt was verified, ``seconds`` after its request."""

    seconds: float
    region: str
    purpose: str
    key: str


@dataclass(frozen=True)
class RequestRefused:
    """A start was refused, or a check by a rate limit. ``region`` is empty if the number is unknown."""

    code: str
    region: str


OutcomeReport: TypeAlias = CallSettled | CodeJudged | AttemptVerified | RequestRefused
OutcomeObserver: TypeAlias = Callable[[OutcomeReport], None]

OUTCOME_OBSERVERS: list[OutcomeObserver] = []
"""The observers of this process. ``telemetry`` adds its own when the site starts."""


def report_call(attempt: VerificationAttempt, *, using: str, status: Status | None = None, code: str = "") -> None:
    """Report the outcome of a call that was dialing or queued. ``status`` and ``code`` replace those of the object."""
    if OUTCOME_OBSERVERS:
        # Equal for a call that was placed at once, which never was in the queue.
        was_queued = attempt.dialed_at is not None and attempt.dialed_at > attempt.created_at
        waited = (attempt.dialed_at - attempt.created_at).total_seconds() if was_queued else None  # type: ignore[operator]
        _report_after_commit(_settled(attempt, status=status, code=code, waited=waited), using=using)


def report_settled_call(attempt: VerificationAttempt, *, using: str) -> None:
    """Report the second outcome of a call that was ``unknown`` before."""
    if OUTCOME_OBSERVERS:
        _report_after_commit(_settled(attempt), using=using)


def report_code(attempt: VerificationAttempt, outcome: str, *, using: str) -> None:
    """Report a code that was judged. In a transaction of the caller, a rollback removes the report too."""
    if OUTCOME_OBSERVERS:
        _report_after_commit(CodeJudged(str(outcome), attempt.region, attempt.purpose, attempt.key_name), using=using)


def report_verified(attempt: VerificationAttempt, *, using: str) -> None:
    """Report an attempt that this process has just verified."""
    if OUTCOME_OBSERVERS and attempt.verified_at is not None:
        seconds = max(0.0, (attempt.verified_at - attempt.created_at).total_seconds())
        _report_after_commit(AttemptVerified(seconds, attempt.region, attempt.purpose, attempt.key_name), using=using)


def report_refused(code: str, region: str, *, using: str) -> None:
    """Report a refused request. Like its tally, the report is lost if the caller's transaction is rolled back."""
    if OUTCOME_OBSERVERS:
        _report_after_commit(RequestRefused(code, region), using=using)


def _settled(
    attempt: VerificationAttempt, *, status: Status | None = None, code: str = "", waited: float | None = None
) -> CallSettled:
    return CallSettled(
        status=status or Status(attempt.status),
        code=str(code or attempt.error_code),
        region=attempt.region,
        purpose=attempt.purpose,
        key=attempt.key_name,
        waited=waited,
    )


def _report_after_commit(report: OutcomeReport, *, using: str) -> None:
    after_commit(partial(_tell_observers, report), using=using)


def _tell_observers(report: OutcomeReport) -> None:
    for observer in OUTCOME_OBSERVERS:
        try:
            observer(report)
        except Exception as error:  # noqa: BLE001 - the outcome is written, and no fault of telemetry may change that
            logger.error("telemetry_failed error=%s", type(error).__name__)
