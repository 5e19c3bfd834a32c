"""Explanations of each status and error for staff: what it means, and what to do.

All texts of the admin say "the provider", because a site may place its calls through another one than Telroi.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.status import was_closed_by_lost_answers
from django_telroi.services.shared.outcomes import ErrorCode


@dataclass(frozen=True)
class Meaning:
    """``means`` explains the status. ``do`` says what staff can do, ``""`` for nothing.

    ``asks_again``: the person may ask for another call. The page adds whether and when that is possible, because it
    depends on the number's limits and on blocks of this moment.
    """

    means: str | Promise
    do: str | Promise = ""
    asks_again: bool = False


MEANINGS: dict[Status, Meaning] = {
    Status.QUEUED: Meaning(
        _("The call waits for a worker."),
        _("Look again in a minute. If many calls wait, check the workers."),
    ),
    Status.DIALING: Meaning(
        _("The request to the provider is in progress."),
        _("Look again in a minute."),
    ),
    Status.PLACED: Meaning(
        _("The provider accepted the call. It is unknown whether the person answered or heard it."),
        _("Ask the person whether the phone rang."),
        asks_again=True,
    ),
    Status.UNKNOWN: Meaning(
        _("It is unknown whether the phone rang. The provider may have counted the call."),
        _("If the person heard a code, they can type it."),
        asks_again=True,
    ),
    Status.VERIFIED: Meaning(
        _("The person typed the right code."),
    ),
    Status.LOCKED: Meaning(
        _("All tries were used without the right code."),
        _("If there are many for one number or IP address, codes may be guessed."),
        asks_again=True,
    ),
    Status.FAILED: Meaning(
        _("The call was not placed, and it does not count."),
        asks_again=True,
    ),
    Status.EXPIRED: Meaning(
        _("The right code was not typed in time."),
        _("Ask whether the phone rang, and check the number."),
        asks_again=True,
    ),
    Status.CANCELED: Meaning(
        _("The person canceled the call."),
        asks_again=True,
    ),
    Status.SUPERSEDED: Meaning(
        _("A newer call to this number replaced this one."),
        _("Open the newer attempt."),
    ),
}

ERRORS: dict[ErrorCode, Meaning] = {
    ErrorCode.UNREACHABLE: Meaning(
        _("The provider could not be reached. The phone did not ring, and the call does not count."),
        _("Check the network and the backend's settings for URL and proxy."),
        asks_again=True,
    ),
    ErrorCode.INVALID: Meaning(
        _("The provider rejected the number or the request. The phone did not ring."),
        _("Compare the provider's message with the number. Another number may work."),
    ),
    ErrorCode.BLOCKED: Meaning(
        _("The number was blocked or erased before the call was placed. The phone did not ring."),
        _("The page of the number says who blocked it, and why."),
        asks_again=True,
    ),
    ErrorCode.DESTINATION_BLOCKED: Meaning(
        _("The prefix or the region of the number was blocked before the call was placed. The phone did not ring."),
        _("“Blocked prefixes and regions” says who blocked it, and why."),
        asks_again=True,
    ),
    ErrorCode.MISCONFIGURED: Meaning(
        _("The provider rejected the API key, or the site's settings are incomplete. The phone did not ring."),
        _("Check the key, its scopes and the provider's URL in the settings. Until then every call fails."),
    ),
    ErrorCode.KEY_REMOVED: Meaning(
        _("The key of this call was removed from the settings before the call was placed. The phone did not ring."),
        _("Add the name of the key to API_KEYS again if calls with it are still wanted."),
        asks_again=True,
    ),
    ErrorCode.RATE_LIMITED: Meaning(
        _("The provider holds this number because it was called too often. The phone did not ring."),
        _("Wait until the hold ends. If the provider has ended it earlier, release it on the number's page."),
    ),
    ErrorCode.UNAVAILABLE: Meaning(
        _("The provider could not accept calls at that time. The phone did not ring."),
        _("If many calls fail, check the provider's status and the limits of the key."),
        asks_again=True,
    ),
    ErrorCode.INSUFFICIENT_FUNDS: Meaning(
        _("The account at the provider is empty. The phone did not ring."),
        _("Top it up. Until then every call fails."),
    ),
    ErrorCode.CALL_FAILED: Meaning(
        _("The provider's carrier did not confirm the call. The phone may have rung, and the call counts."),
        _("Ask the person whether it rang."),
        asks_again=True,
    ),
    ErrorCode.NO_REPLY: Meaning(
        _("The provider's response was lost, so it is unknown whether the phone rang. The call counts."),
        _("Ask the person whether it rang. If many responses are lost, check the network and the read timeout."),
    ),
    ErrorCode.LEASE_ENDED: Meaning(
        _("The process that placed the call ended before it saved the result. The call counts."),
        _("Ask the person whether the phone rang. Look for a restart or a crash at that time."),
    ),
    ErrorCode.DEADLINE: Meaning(
        _("The call waited too long and was not placed. It does not count."),
        _("Check whether workers run, and whether calls were stopped or paused."),
        asks_again=True,
    ),
    ErrorCode.LOST: Meaning(
        _("The provider does not know this call, or could not check its code."),
        _("If it happens often, send the id of the call to the provider."),
        asks_again=True,
    ),
    ErrorCode.NUMBER_TAKEN: Meaning(
        _("The code was right, but another account has the number, and this site allows only one account."),
        _("Find out who uses the number. If it is a new person, move it to their account on the number's page."),
    ),
}

UNDECIDED = Meaning(
    _("A code of this call was right, but its answer was lost. It is not known which code it was, so none counts."),
    _("If it happens often, check the network and the read timeout."),
    asks_again=True,
)

ERROR_NAMES: dict[str, str | Promise] = {
    ErrorCode.UNREACHABLE: _("provider unreachable"),
    ErrorCode.INVALID: _("rejected as invalid"),
    ErrorCode.BLOCKED: _("number blocked"),
    ErrorCode.DESTINATION_BLOCKED: pgettext_lazy("error of a call", "prefix or region blocked"),
    ErrorCode.MISCONFIGURED: _("key or settings rejected"),
    ErrorCode.RATE_LIMITED: _("number held by the provider"),
    ErrorCode.UNAVAILABLE: _("provider unavailable"),
    ErrorCode.INSUFFICIENT_FUNDS: _("account at the provider is empty"),
    ErrorCode.CALL_FAILED: _("carrier did not confirm"),
    ErrorCode.NO_REPLY: _("response lost"),
    ErrorCode.LEASE_ENDED: _("process ended"),
    ErrorCode.DEADLINE: _("waited too long"),
    ErrorCode.KEY_REMOVED: _("key removed from the settings"),
    ErrorCode.LOST: _("code could not be checked"),
    ErrorCode.NUMBER_TAKEN: _("number of another account"),
}

EXPLAINED_BY_ERROR = {Status.FAILED, Status.UNKNOWN, Status.EXPIRED}
"""The statuses that an error explains. An attempt with another status had the error earlier."""


def error_name(code: str) -> str:
    """Return the label of an error, or ``code`` itself if it is unknown."""
    return str(ERROR_NAMES.get(code, code))


def meaning_of(attempt: VerificationAttempt) -> Meaning:
    """Return the explanation of the attempt's error, if the error caused its status; otherwise of its status."""
    if was_closed_by_lost_answers(attempt):
        return UNDECIDED
    status = Status(attempt.status)
    explains = status in EXPLAINED_BY_ERROR or attempt.error_code == ErrorCode.NUMBER_TAKEN
    if explains and attempt.error_code in set(ErrorCode):
        return ERRORS[ErrorCode(attempt.error_code)]
    return MEANINGS[status]
