"""What a status or an error means in plain words, and what staff can do about it: two sentences each."""

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
    """What happened, and what there is to do."""

    means: str | Promise
    do: str | Promise


MEANINGS: dict[Status, Meaning] = {
    Status.QUEUED: Meaning(
        _("The call waits for a worker."),
        _("Look again in a minute; if many wait, see whether the workers run."),
    ),
    Status.DIALING: Meaning(
        _("Telroi is being asked for the call just now."),
        _("Look again in a minute."),
    ),
    Status.PLACED: Meaning(
        _("Telroi accepted the call. That is not to say that anybody answered or heard it."),
        _("Ask the person whether the phone rang; after the pause they can ask for another call."),
    ),
    Status.UNKNOWN: Meaning(
        _("Nobody can say whether the phone rang. Telroi may have counted the call."),
        _("If the person heard a code they can type it; if not, they can ask for another call after the pause."),
    ),
    Status.VERIFIED: Meaning(
        _("The person typed the right code."),
        _("Nothing is left to do."),
    ),
    Status.LOCKED: Meaning(
        _("All tries were used up without the right code."),
        _("The person can ask for another call; many of these for one number or address can be somebody guessing."),
    ),
    Status.FAILED: Meaning(
        _("The call was not placed, and does not count."),
        _("The person can ask for another call."),
    ),
    Status.EXPIRED: Meaning(
        _("No right code was typed in time."),
        _("Ask whether the phone rang and check the number; the person can ask for another call."),
    ),
    Status.CANCELED: Meaning(
        _("The person gave this call up."),
        _("Nothing is left to do; they can ask for another call."),
    ),
    Status.SUPERSEDED: Meaning(
        _("A newer call to this number took the place of this one."),
        _("Go on with the newer attempt."),
    ),
}

ERRORS: dict[ErrorCode, Meaning] = {
    ErrorCode.UNREACHABLE: Meaning(
        _("Telroi could not be reached, so nobody was rung and the call does not count."),
        _("Check the site's network, proxy and BASE_URL; the person can ask again at once."),
    ),
    ErrorCode.INVALID: Meaning(
        _("Telroi refused the number or the request, so nobody was rung."),
        _("Compare Telroi's words with the number's digits; another number may do."),
    ),
    ErrorCode.BLOCKED: Meaning(
        _("Staff blocked the number before its call was placed, so nobody was rung."),
        _("Open the number to see who blocked it and why, and unblock it there if that was a mistake."),
    ),
    ErrorCode.MISCONFIGURED: Meaning(
        _("Telroi refused the site's key, or the site is not set up to call; nobody was rung."),
        _("Check API_KEY, its scopes and BASE_URL: until then every call fails."),
    ),
    ErrorCode.RATE_LIMITED: Meaning(
        _("Telroi holds this number back because it was called too often; nobody was rung."),
        _("Wait until the hold ends, or release it on the number's page if Telroi has lifted it."),
    ),
    ErrorCode.UNAVAILABLE: Meaning(
        _("Telroi could take no call just then, from this key or from anybody; nobody was rung."),
        _("The person can ask again in a minute; if many fail so, look at Telroi's status and the key's limits."),
    ),
    ErrorCode.INSUFFICIENT_FUNDS: Meaning(
        _("The wallet at Telroi is empty, so nobody was rung."),
        _("Top it up: until then every call fails."),
    ),
    ErrorCode.CALL_FAILED: Meaning(
        _("Telroi's carrier did not confirm the call. The phone may have rung all the same, and the call counts."),
        _("Ask the person whether it rang; they can ask for another call after the pause."),
    ),
    ErrorCode.NO_REPLY: Meaning(
        _("Telroi's answer got lost, so nobody can say whether the phone rang. The call counts."),
        _("Ask the person whether it rang; if many get lost, check the network and READ_TIMEOUT_SECONDS."),
    ),
    ErrorCode.LEASE_ENDED: Meaning(
        _("The process that placed the call ended before it could say what became of it. The call counts."),
        _("Ask the person whether the phone rang, and look for a restart or a crash at that time."),
    ),
    ErrorCode.DEADLINE: Meaning(
        _("The call waited too long and was given up: nobody is rung late. It does not count."),
        _("See whether the workers run and whether calls were stopped or paused; the person can ask again at once."),
    ),
    ErrorCode.LOST: Meaning(
        _("Telroi does not know this call any more, or would not judge its code."),
        _("The person can ask for another call; if it happens often, tell Telroi the id of the call."),
    ),
    ErrorCode.NUMBER_TAKEN: Meaning(
        _("The code was right, but the number belongs to another account, and this site allows one."),
        _("Find out whose number it is. If a new person has it now, move it to their account on the number's page."),
    ),
}

UNDECIDED = Meaning(
    _("A code of this call was right, but its answer was lost. It is not known which code it was, so none counts."),
    _("The person can ask for another call; if it happens often, check the network and READ_TIMEOUT_SECONDS."),
)

ERROR_NAMES: dict[str, str | Promise] = {
    ErrorCode.UNREACHABLE: _("Telroi was not reached"),
    ErrorCode.INVALID: _("refused as invalid"),
    ErrorCode.BLOCKED: _("number was blocked"),
    ErrorCode.MISCONFIGURED: _("key or set-up refused"),
    ErrorCode.RATE_LIMITED: _("number held by Telroi"),
    ErrorCode.UNAVAILABLE: _("Telroi unavailable"),
    ErrorCode.INSUFFICIENT_FUNDS: _("wallet is empty"),
    ErrorCode.CALL_FAILED: _("carrier did not confirm"),
    ErrorCode.NO_REPLY: _("answer got lost"),
    ErrorCode.LEASE_ENDED: _("cut short by a crash"),
    ErrorCode.DEADLINE: _("waited too long"),
    ErrorCode.LOST: _("code could not be judged"),
    ErrorCode.NUMBER_TAKEN: _("another account's number"),
}

_ERROR_EXPLAINS = {Status.FAILED, Status.UNKNOWN, Status.EXPIRED}
"""A call that was verified, replaced or canceled later is not explained by what went wrong on its way."""


def error_name(code: str) -> str:
    """The error in words; a code that nobody knows stands for itself."""
    return str(ERROR_NAMES.get(code, code))


def meaning_of(attempt: VerificationAttempt) -> Meaning:
    """What explains the attempt best: its error, if that is why it stands where it stands."""
    if is_undecided(attempt):
        return UNDECIDED
    status = Status(attempt.status)
    explains = status in _ERROR_EXPLAINS or attempt.error_code == ErrorCode.NUMBER_TAKEN
    if explains and attempt.error_code in set(ErrorCode):
        return ERRORS[ErrorCode(attempt.error_code)]
    return MEANINGS[status]
