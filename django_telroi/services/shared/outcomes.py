"""The outcome of a call, and the reports of outcomes for telemetry.

The outcome is the status, and whether the call counts, pauses other calls or raises an alert.

Each outcome is reported once, after its commit. Without an observer nothing is made and nothing runs after the commit,
so a site without telemetry pays for one ``if``. A report has no number, user or address. Its labels have few values,
except the purpose and the name of the key, which the observer limits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from django_telroi.backends import KeyInUse
from django_telroi.domain.states import Status
from django_telroi.errors import ApiError, ApiRefused, ApiUnreachable
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.site_control import MISCONFIGURED_PAUSE, PauseReason, pause_calls
from django_telroi.services.shared.transactions import after_commit

logger = logging.getLogger("django_telroi")


DEFAULT_WAIT = 60
"""Seconds to wait after a rate limit of Telroi without a time. Telroi's cooldown and its window both last a minute."""

MAX_KEY_PAUSE = 600
"""Seconds. Telroi's window for a key lasts a minute. A proxy may ask for a day, and staff cannot end the pause of all
calls, so calls are tried again after this time. A 429 places no call and pauses them again."""

RETRY_AFTER = 15
"""Seconds until a retry if no call was placed because Telroi or the network failed for a moment."""


class ErrorCode(StrEnum):
    """Why a call failed, or why its outcome is unknown."""

    UNREACHABLE = "unreachable"
    INVALID = "invalid"
    BLOCKED = "blocked"
    DESTINATION_BLOCKED = "destination_blocked"
    MISCONFIGURED = "misconfigured"
    KEY_REMOVED = "key_removed"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    CALL_FAILED = "call_failed"
    NO_REPLY = "no_reply"
    LEASE_ENDED = "lease_ended"
    DEADLINE = "deadline"
    LOST = "lost"
    NUMBER_TAKEN = "number_taken"


NOT_PLACED_FOR_NOW = frozenset({ErrorCode.UNREACHABLE, ErrorCode.UNAVAILABLE})
"""The request did not reach Telroi, or Telroi did not process it. A worker retries until the deadline of the queue."""


@dataclass(frozen=True)
class CallOutcome:
    """The new status of the attempt, and its consequences.

    ``counts``: the call counts towards the number's limits. ``hold``: seconds that this number must wait, or None.
    ``pause_seconds``: seconds that all calls with this key must wait.
    """

    status: Status
    error_code: ErrorCode
    counts: bool
    detail: str = ""
    hold: int | None = None
    pause: PauseReason | None = None
    pause_seconds: int = 0
    alert: Alert | None = None


def outcome_of_call(error: ApiError) -> CallOutcome:
    """Return the outcome of a call that raised ``error``. It is ``failed`` only if the phone certainly did not ring."""
    if isinstance(error, ApiUnreachable):
        return CallOutcome(Status.FAILED, ErrorCode.UNREACHABLE, counts=False)
    if isinstance(error, ApiRefused):
        return _outcome_of_refusal(error)
    return CallOutcome(Status.UNKNOWN, ErrorCode.NO_REPLY, counts=True)


def is_service_unavailable(error: ApiRefused) -> bool:
    """Return whether Telroi did not process the request. A 503 from a proxy in front of Telroi does not mean that."""
    return error.status == 503 and error.code == "service_unavailable"


def is_out_of_funds(error: ApiRefused) -> bool:
    """Return whether the account has no funds. Then Telroi stores nothing.

    Only the message distinguishes this 502 from the 502 of a failed carrier.
    """
    return error.status == 502 and "insufficient_funds" in (error.code, error.message.strip())


def pause_and_alert(outcome: CallOutcome, *, key: KeyInUse, now: datetime, using: str) -> None:
    """Pause all calls with this key, and raise an alert, if ``outcome`` says so."""
    if outcome.pause:
        until = now + timedelta(seconds=outcome.pause_seconds)
        pause_calls(outcome.pause, until=until, key=key, using=using)
    raise_alert_of(outcome, key_name=key.name, now=now, using=using)


def raise_alert_of(outcome: CallOutcome, *, key_name: str, now: datetime, using: str) -> None:
    """Raise the alert of ``outcome``, if it has one."""
    if outcome.alert:
        send_alert(outcome.alert, key_name=key_name, now=now, using=using)


def shows_valid_key(error: ApiError | None) -> bool:
    """Return whether Telroi's answer to a call shows that it accepts the key. ``error`` is None for an accepted call.

    Telroi checks the key first, then its limits, then the request. A 5xx may come before these checks, so it shows
    nothing about the key.
    """
    if error is None:
        return True
    if not isinstance(error, ApiRefused):
        return False
    return error.is_invalid or error.status == 429 or is_out_of_funds(error)


def _outcome_of_refusal(error: ApiRefused) -> CallOutcome:
    if error.is_invalid:
        return _failure_outcome(error, ErrorCode.INVALID)
    if error.status in (401, 403):
        wait = int(MISCONFIGURED_PAUSE.total_seconds())
        return _misconfigured_outcome(error, pause=PauseReason.MISCONFIGURED, pause_seconds=wait)
    if error.status == 429:
        return _rate_limited(error)
    if is_service_unavailable(error):
        return _failure_outcome(error, ErrorCode.UNAVAILABLE)
    if is_out_of_funds(error):
        return _failure_outcome(error, ErrorCode.INSUFFICIENT_FUNDS, alert=Alert.INSUFFICIENT_FUNDS)
    if error.status >= 500 or error.status == 408:
        # Telroi stops waiting for its carrier after 15 to 20 s. The phone may ring, and Telroi counts the call.
        return CallOutcome(Status.UNKNOWN, ErrorCode.CALL_FAILED, counts=True, detail=error.message)
    return _misconfigured_outcome(error)


def _rate_limited(error: ApiRefused) -> CallOutcome:
    wait = error.retry_after or DEFAULT_WAIT
    if error.scope == "number":
        return _failure_outcome(error, ErrorCode.RATE_LIMITED, hold=wait)
    return _failure_outcome(
        error,
        ErrorCode.UNAVAILABLE,
        pause=PauseReason.KEY_LIMITED,
        pause_seconds=min(wait, MAX_KEY_PAUSE),
        alert=Alert.KEY_LIMITED,
    )


def _misconfigured_outcome(
    error: ApiRefused, *, pause: PauseReason | None = None, pause_seconds: int = 0
) -> CallOutcome:
    """Return the outcome for an invalid key, a missing scope, or a path or method that Telroi does not have.

    Telroi answers the last two with a 302 to ``/login``, 404 or 405. Also the outcome if a proxy rejects the request.
    """
    return _failure_outcome(
        error, ErrorCode.MISCONFIGURED, pause=pause, pause_seconds=pause_seconds, alert=Alert.MISCONFIGURED
    )


def _failure_outcome(
    error: ApiRefused,
    error_code: ErrorCode,
    *,
    hold: int | None = None,
    pause: PauseReason | None = None,
    pause_seconds: int = 0,
    alert: Alert | None = None,
) -> CallOutcome:
    return CallOutcome(
        Status.FAILED,
        error_code,
        counts=False,
        detail=error.message,
        hold=hold,
        pause=pause,
        pause_seconds=pause_seconds,
        alert=alert,
    )


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
