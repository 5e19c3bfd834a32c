"""What each answer to a call makes of the attempt: the table of the design, as a function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django_telroi.domain.states import Status
from django_telroi.errors import ApiError, ApiRefused, ApiUnreachable
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.site_control import MISCONFIGURED_PAUSE, PauseReason, pause_calls

DEFAULT_WAIT = 60
"""Seconds to wait where Telroi limits us and does not say how long: its own cooldown, and its own minute."""

RETRY_AFTER = 15
"""Seconds to wait where nothing was placed and Telroi, or the way to it, may work again soon."""


class ErrorCode(StrEnum):
    """Why a call failed, or why nobody knows what became of it."""

    UNREACHABLE = "unreachable"
    INVALID = "invalid"
    BLOCKED = "blocked"
    MISCONFIGURED = "misconfigured"
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
"""Nothing reached Telroi, or it could not look at the request: a worker tries again until the deadline of the queue."""


@dataclass(frozen=True)
class CallOutcome:
    """What becomes of the attempt, and what follows from it.

    ``counts``: the call uses up the number's limits. ``hold`` and ``pause_seconds``: how long this number, or every
    call with this key, must wait.
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
    """Read the error of a call. Only what certainly did not ring is ``failed``."""
    if isinstance(error, ApiUnreachable):
        return CallOutcome(Status.FAILED, ErrorCode.UNREACHABLE, counts=False)
    if isinstance(error, ApiRefused):
        return _outcome_of_refusal(error)
    return CallOutcome(Status.UNKNOWN, ErrorCode.NO_REPLY, counts=True)


def is_service_unavailable(error: ApiRefused) -> bool:
    """Telroi could not even look at the request. A 503 of something in front of Telroi says no such thing."""
    return error.status == 503 and error.code == "service_unavailable"


def is_out_of_funds(error: ApiRefused) -> bool:
    """Only the message tells an empty wallet from a carrier that failed; Telroi stores nothing then."""
    return error.status == 502 and "insufficient_funds" in (error.code, error.message.strip())


def pause_and_alert(outcome: CallOutcome, *, key_digest: str, now: datetime, using: str) -> None:
    """Hold back all calls with this key, and tell the site's people, where the verdict asks for it."""
    if outcome.pause:
        until = now + timedelta(seconds=outcome.pause_seconds)
        pause_calls(outcome.pause, until=until, key_digest=key_digest, using=using)
    raise_alert_of(outcome, now=now, using=using)


def raise_alert_of(outcome: CallOutcome, *, now: datetime, using: str) -> None:
    """Tell the site's people, where the verdict asks for it."""
    if outcome.alert:
        raise_alert(outcome.alert, now=now, using=using)


def shows_valid_key(error: ApiError | None) -> bool:
    """Whether Telroi's answer to a call says that it took the key; None is an accepted call.

    It looks at the key first, at its limits next and then at what was asked for. A 5xx may come from before all that.
    """
    if error is None:
        return True
    return isinstance(error, ApiRefused) and (error.status in (400, 422, 429) or is_out_of_funds(error))


def _outcome_of_refusal(error: ApiRefused) -> CallOutcome:
    if error.status in (400, 422):
        return _failed(error, ErrorCode.INVALID)
    if error.status in (401, 403):
        wait = int(MISCONFIGURED_PAUSE.total_seconds())
        return _misconfigured(error, pause=PauseReason.MISCONFIGURED, pause_seconds=wait)
    if error.status == 429:
        return _rate_limited(error)
    if is_service_unavailable(error):
        return _failed(error, ErrorCode.UNAVAILABLE)
    if is_out_of_funds(error):
        return _failed(error, ErrorCode.INSUFFICIENT_FUNDS, alert=Alert.INSUFFICIENT_FUNDS)
    if error.status >= 500 or error.status == 408:
        # Telroi gives up on its carrier after 15 to 20 s while the phone may ring, and counts the call.
        return CallOutcome(Status.UNKNOWN, ErrorCode.CALL_FAILED, counts=True, detail=error.message)
    return _misconfigured(error)


def _rate_limited(error: ApiRefused) -> CallOutcome:
    wait = error.retry_after or DEFAULT_WAIT
    if error.scope == "number":
        return _failed(error, ErrorCode.RATE_LIMITED, hold=wait)
    return _failed(
        error, ErrorCode.UNAVAILABLE, pause=PauseReason.KEY_LIMITED, pause_seconds=wait, alert=Alert.KEY_LIMITED
    )


def _misconfigured(error: ApiRefused, *, pause: PauseReason | None = None, pause_seconds: int = 0) -> CallOutcome:
    """A bad key, a missing scope, or (302 to ``/login``, 404, 405) a path or method that Telroi does not have."""
    return _failed(error, ErrorCode.MISCONFIGURED, pause=pause, pause_seconds=pause_seconds, alert=Alert.MISCONFIGURED)


def _failed(
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
