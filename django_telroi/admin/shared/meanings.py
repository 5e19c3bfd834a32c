"""Explanations of each status and error for staff: what it means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.typed_codes import is_undecided
from django_telroi.services.shared.call_outcome import ErrorCode


@dataclass(frozen=True)
class Meaning:
    """``means`` explains the status. ``do`` says what staff can do."""

    means: str | Promise
    do: str | Promise


MEANINGS: dict[Status, Meaning] = {
    Status.QUEUED: Meaning(
        _("The call waits for a worker."),
        _("Look again in a minute. If many calls wait, check the workers."),
    ),
    Status.DIALING: Meaning(
        _("The request to Telroi is in progress."),
        _("Look again in a minute."),
    ),
    Status.PLACED: Meaning(
        _("Telroi accepted the call. It is unknown whether the person answered or heard it."),
        _("Ask the person whether the phone rang. After the cooldown they can ask for another call."),
    ),
    Status.UNKNOWN: Meaning(
        _("It is unknown whether the phone rang. Telroi may have counted the call."),
        _("If the person heard a code, they can type it. If not, they can ask for another call after the cooldown."),
    ),
    Status.VERIFIED: Meaning(
        _("The person typed the right code."),
        _("Nothing."),
    ),
    Status.LOCKED: Meaning(
        _("All tries were used without the right code."),
        _("The person can ask for another call. If there are many for one number or IP address, codes may be guessed."),
    ),
    Status.FAILED: Meaning(
        _("The call was not placed, and it does not count."),
        _("The person can ask for another call."),
    ),
    Status.EXPIRED: Meaning(
        _("The right code was not typed in time."),
        _("Ask whether the phone rang, and check the number. The person can ask for another call."),
    ),
    Status.CANCELED: Meaning(
        _("The person canceled the call."),
        _("Nothing. The person can ask for another call."),
    ),
    Status.SUPERSEDED: Meaning(
        _("A newer call to this number replaced this one."),
        _("Open the newer attempt."),
    ),
}

ERRORS: dict[ErrorCode, Meaning] = {
    ErrorCode.UNREACHABLE: Meaning(
        _("Telroi could not be reached. The phone did not ring, and the call does not count."),
        _("Check the site's network, PROXY_URL and BASE_URL. The person can ask again at once."),
    ),
    ErrorCode.INVALID: Meaning(
        _("Telroi rejected the number or the request. The phone did not ring."),
        _("Compare Telroi's message with the number. Another number may work."),
    ),
    ErrorCode.BLOCKED: Meaning(
        _("Staff blocked the number before the call was placed. The phone did not ring."),
        _("Open the number to see who blocked it and why. Unblock it there if it was a mistake."),
    ),
    ErrorCode.MISCONFIGURED: Meaning(
        _("Telroi rejected the API key, or the site's settings are incomplete. The phone did not ring."),
        _("Check API_KEY, its scopes and BASE_URL. Until then every call fails."),
    ),
    ErrorCode.RATE_LIMITED: Meaning(
        _("Telroi holds this number because it was called too often. The phone did not ring."),
        _("Wait until the hold ends. If Telroi has ended it earlier, release it on the number's page."),
    ),
    ErrorCode.UNAVAILABLE: Meaning(
        _("Telroi could not accept calls at that time. The phone did not ring."),
        _("The person can ask again in a minute. If many calls fail, check Telroi's status and the limits of the key."),
    ),
    ErrorCode.INSUFFICIENT_FUNDS: Meaning(
        _("The wallet at Telroi is empty. The phone did not ring."),
        _("Top it up. Until then every call fails."),
    ),
    ErrorCode.CALL_FAILED: Meaning(
        _("Telroi's carrier did not confirm the call. The phone may have rung, and the call counts."),
        _("Ask the person whether it rang. They can ask for another call after the cooldown."),
    ),
    ErrorCode.NO_REPLY: Meaning(
        _("Telroi's response was lost, so it is unknown whether the phone rang. The call counts."),
        _("Ask the person whether it rang. If many responses are lost, check the network and READ_TIMEOUT_SECONDS."),
    ),
    ErrorCode.LEASE_ENDED: Meaning(
        _("The process that placed the call ended before it saved the result. The call counts."),
        _("Ask the person whether the phone rang. Look for a restart or a crash at that time."),
    ),
    ErrorCode.DEADLINE: Meaning(
        _("The call waited too long and was not placed. It does not count."),
        _("Check whether workers run, and whether calls were stopped or paused. The person can ask again at once."),
    ),
    ErrorCode.LOST: Meaning(
        _("Telroi does not know this call, or could not check its code."),
        _("The person can ask for another call. If it happens often, send the id of the call to Telroi."),
    ),
    ErrorCode.NUMBER_TAKEN: Meaning(
        _("The code was right, but another account has the number, and this site allows only one account."),
        _("Find out who uses the number. If it is a new person, move it to their account on the number's page."),
    ),
}

UNDECIDED = Meaning(
    _("A code of this call was right, but its answer was lost. It is not known which code it was, so none counts."),
    _("The person can ask for another call. If it happens often, check the network and READ_TIMEOUT_SECONDS."),
)

ERROR_NAMES: dict[str, str | Promise] = {
    ErrorCode.UNREACHABLE: _("Telroi unreachable"),
    ErrorCode.INVALID: _("rejected as invalid"),
    ErrorCode.BLOCKED: _("number blocked"),
    ErrorCode.MISCONFIGURED: _("key or settings rejected"),
    ErrorCode.RATE_LIMITED: _("number held by Telroi"),
    ErrorCode.UNAVAILABLE: _("Telroi unavailable"),
    ErrorCode.INSUFFICIENT_FUNDS: _("wallet is empty"),
    ErrorCode.CALL_FAILED: _("carrier did not confirm"),
    ErrorCode.NO_REPLY: _("response lost"),
    ErrorCode.LEASE_ENDED: _("process ended"),
    ErrorCode.DEADLINE: _("waited too long"),
    ErrorCode.LOST: _("code could not be checked"),
    ErrorCode.NUMBER_TAKEN: _("number of another account"),
}

_ERROR_EXPLAINS = {Status.FAILED, Status.UNKNOWN, Status.EXPIRED}
"""The statuses that an error explains. An attempt with another status had the error earlier."""


def error_name(code: str) -> str:
    """Return the label of an error, or ``code`` itself if it is unknown."""
    return str(ERROR_NAMES.get(code, code))


def meaning_of(attempt: VerificationAttempt) -> Meaning:
    """Return the explanation of the attempt's error, if the error caused its status; otherwise of its status."""
    if is_undecided(attempt):
        return UNDECIDED
    status = Status(attempt.status)
    explains = status in _ERROR_EXPLAINS or attempt.error_code == ErrorCode.NUMBER_TAKEN
    if explains and attempt.error_code in set(ErrorCode):
        return ERRORS[ErrorCode(attempt.error_code)]
    return MEANINGS[status]
