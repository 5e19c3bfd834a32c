"""The sentence for each code: what happened, what to do, until when.

The pages, the API and the card in a page of the site use the same sentences. They never say that a call was answered or
heard, because the site cannot know it.

A response of Telroi becomes a sentence in these steps. To a call: ``client/classify.py`` (error of the client),
``services/shared/outcomes.py`` (error code of the attempt), ``services/attempts/status.py`` (refusal), this module. To
a code: ``client/classify.py``, ``services/codes/telroi_judge.py`` (kind of answer), ``services/codes/telroi_answer.py``
(outcome), this module. A 429 about the number is a refusal of this number; one about the key is ``unavailable`` for all
numbers.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, npgettext, pgettext_lazy

from django_telroi.domain.states import Status
from django_telroi.domain.typed_codes import CodeLength, LengthFit
from django_telroi.errors import (
    AttemptNotFound,
    BotCheckFailed,
    CallsStopped,
    ConsentRequired,
    CooldownActive,
    DailyLimitReached,
    DestinationPaused,
    HourlyLimitReached,
    InvalidNumber,
    InvalidPurpose,
    Misconfigured,
    NotCallable,
    NumberHeld,
    NumberTaken,
    ProofRejected,
    RegionNotAllowed,
    SiteLimitReached,
    TooManyRequests,
    TooManyWrongCodes,
    Unavailable,
)
from django_telroi.services.attempts.status import (
    AttemptStatus,
    CheckOutcome,
    CheckResult,
    outcome_of,
    was_closed_by_lost_answers,
    was_uncheckable,
)
from django_telroi.services.shared.arguments import NO_NUMBER
from django_telroi.services.shared.secrets import length_of

__all__ = [
    "SENTENCES",
    "STORED_SENTENCES",
    "check_sentence",
    "duration",
    "go_on_sentence",
    "length_sentence",
    "result_sentence",
    "sentence",
    "status_sentence",
    "stored_sentence",
    "wait_sentence",
]


MINUTE, HOUR = 60, 3600


SENTENCES: dict[str, str | Promise] = {
    InvalidNumber.code: gettext_lazy("This is not a phone number we know. Check the digits and the country code."),
    NotCallable.code: gettext_lazy("We cannot call this number. Try another mobile or landline number."),
    RegionNotAllowed.code: gettext_lazy("We do not call numbers of this country. Try a number of another country."),
    InvalidPurpose.code: gettext_lazy("This page was opened with a wrong link. Go back and start again."),
    CooldownActive.code: gettext_lazy("We called this number a moment ago."),
    HourlyLimitReached.code: gettext_lazy("We have called this number as often as we can within an hour."),
    DailyLimitReached.code: gettext_lazy("We have called this number as often as we can within a day."),
    NumberHeld.code: gettext_lazy("This number cannot be called just now."),
    DestinationPaused.code: gettext_lazy("Numbers of this country or network cannot be called at the moment."),
    ConsentRequired.code: pgettext_lazy(
        "refused call", "The text that you agree to has changed. Read it above the button, then ask for the call again."
    ),
    BotCheckFailed.code: pgettext_lazy(
        "refused call",
        "We could not confirm that a person sent this request. Complete the check on this page, then try again.",
    ),
    TooManyRequests.code: gettext_lazy("There were many requests from your network or account in a short time."),
    TooManyWrongCodes.code: gettext_lazy("There were too many wrong codes in a row."),
    SiteLimitReached.code: gettext_lazy("No more calls can be placed today."),
    CallsStopped.code: gettext_lazy("Calls are switched off at the moment. Try again later."),
    Misconfigured.code: gettext_lazy("Calls do not work at the moment. We have been told."),
    Unavailable.code: gettext_lazy("The call could not be placed."),
    AttemptNotFound.code: gettext_lazy("This verification is not there any more. Start again to get a call."),
    ProofRejected.code: gettext_lazy(
        "This verification is too old, was already used, or was for something else. Verify your phone again."
    ),
    NumberTaken.code: gettext_lazy("This number belongs to another account. Use another number."),
    CheckOutcome.VERIFIED: gettext_lazy("Your number is verified."),
    CheckOutcome.WRONG_CODE: gettext_lazy("That is not the code."),
    CheckOutcome.LOCKED: gettext_lazy("Too many wrong codes. Ask for another call to get a new code."),
    CheckOutcome.EXPIRED: gettext_lazy("This code is no longer valid. Ask for another call to get a new one."),
    CheckOutcome.CLOSED: gettext_lazy("This call is over. Ask for another call."),
    CheckOutcome.INVALID_CODE: gettext_lazy("A code has only digits. Type the digits that you hear."),
    CheckOutcome.NOT_READY: gettext_lazy("The call is on its way. Type the code when you hear it."),
    CheckOutcome.IN_PROGRESS: gettext_lazy("Your code is being checked. Try again in a moment."),
    CheckOutcome.ANSWER_LOST: gettext_lazy(
        "We could not finish checking an earlier code. Type that code again, or ask for another call."
    ),
    CheckOutcome.JUDGED_ELSEWHERE: gettext_lazy("This code cannot be checked here. Go back to where you asked for it."),
    CheckOutcome.ALREADY_VERIFIED: gettext_lazy(
        "This call was already verified with another code. Start again to verify the number here."
    ),
}
"""``unavailable`` is the code of a refused start and the outcome of a check. ``check_sentence`` handles the second."""

NUMBER_MISSING = gettext_lazy("No phone number is saved yet. Save one first, then come back.")

STORED_SENTENCES: dict[str, str | Promise] = {
    NO_NUMBER: NUMBER_MISSING,
    InvalidNumber.code: gettext_lazy("The saved phone number is not valid. Correct it first, then come back."),
    NotCallable.code: gettext_lazy(
        "We cannot call the saved phone number. Save another mobile or landline number first, then come back."
    ),
    RegionNotAllowed.code: gettext_lazy(
        "We do not call numbers of this country. Save a number of another country first, then come back."
    ),
    NumberTaken.code: gettext_lazy("This number belongs to another account."),
}
"""The sentences about a number on file. The person cannot type another one here, so the sentences of the
same codes in ``SENTENCES`` would be wrong."""

STATUS_SENTENCES: dict[str, str | Promise] = {
    Status.PLACED: gettext_lazy("Answer your phone and type the code you hear. It is read twice."),
    Status.UNKNOWN: gettext_lazy(
        "We could not confirm the call. If your phone rings, type the code. If not, ask for another call."
    ),
    Status.CANCELED: gettext_lazy("This call was canceled. Ask for another call when you are ready."),
    Status.SUPERSEDED: gettext_lazy("You asked for a newer call. Type the code of that one."),
}
"""The sentences of statuses that no refusal and no outcome of a code describes."""

DIGITS = {
    4: pgettext_lazy("digits of a code", "four"),
    5: pgettext_lazy("digits of a code", "five"),
    6: pgettext_lazy("digits of a code", "six"),
    7: pgettext_lazy("digits of a code", "seven"),
    8: pgettext_lazy("digits of a code", "eight"),
    9: pgettext_lazy("digits of a code", "nine"),
    10: pgettext_lazy("digits of a code", "ten"),
}

NEWER_CALL = gettext_lazy(
    "Your code was not checked, because this page showed an older call. "
    "If it is the code of the newer call, type it again."
)
"""For a code that was typed into a page about an older call, or about a call to another number. The form below it is
about the newer call."""

UNDECIDED = gettext_lazy("We could not find out whether a code was right. Ask for another call.")
MISSING = pgettext_lazy("error of the code", "Type the code first.")
TOO_SHORT = gettext_lazy("This code is too short. Type all the digits that you hear.")

NO_CODE_CHECKED = gettext_lazy("We could not confirm this call, so its code cannot be checked. Ask for another call.")
NOT_NOW = gettext_lazy("This does not work at the moment. Try again in a few minutes.")
CODE_NOT_CHECKED = gettext_lazy("The code could not be checked. Type the same code again in a moment.")
NOT_IN_TIME = gettext_lazy("Your call waited too long and was not placed. Ask for another one.")
SOON = gettext_lazy("Try again in a few minutes.")


def sentence(code: str, *, retry_after: int | None = None) -> str:
    """Return the sentence of a refused start, the general one for an unknown code. ``retry_after`` is in seconds."""
    # A function of the site may raise a refusal with its own code.
    parts = [str(SENTENCES.get(code, SENTENCES[Unavailable.code]))]
    if retry_after is not None and code == TooManyRequests.code:
        parts.append(go_on_sentence(retry_after))
    elif retry_after is not None:
        parts.append(wait_sentence(retry_after))
    elif code == Unavailable.code:
        parts.append(str(SOON))
    return " ".join(parts)


def stored_sentence(code: str, *, retry_after: int | None = None) -> str:
    """Return the sentence of a refused start for a number on file. ``retry_after`` is in seconds."""
    stored = STORED_SENTENCES.get(code)
    return sentence(code, retry_after=retry_after) if stored is None else str(stored)


def result_sentence(result: CheckResult) -> str:
    """Return the sentence of a checked code."""
    if result.length_fit is not None:
        return length_sentence(result.length_fit, length_of(result.attempt))
    if result.outcome == CheckOutcome.CLOSED and was_closed_by_lost_answers(result.attempt):
        return str(UNDECIDED)
    if result.outcome == CheckOutcome.CLOSED and result.attempt.status == Status.SUPERSEDED:
        return str(STATUS_SENTENCES[Status.SUPERSEDED])
    if result.outcome == CheckOutcome.EXPIRED and was_uncheckable(result.attempt):
        return str(NO_CODE_CHECKED)
    return check_sentence(result.outcome, tries_left=result.tries_left, wrong_codes_left=result.wrong_codes_left)


def check_sentence(outcome: CheckOutcome, *, tries_left: int, wrong_codes_left: int | None = None) -> str:
    """Return the sentence of an outcome. It does not consider the length of the code."""
    if wrong_codes_left is not None and outcome in (CheckOutcome.WRONG_CODE, CheckOutcome.LOCKED):
        before_wait = npgettext(
            "wrong codes",
            "After %(count)d more wrong code you must wait before the next call.",
            "After %(count)d more wrong codes you must wait before the next call.",
            wrong_codes_left,
        )
        return f"{check_sentence(outcome, tries_left=tries_left)} {before_wait % {'count': wrong_codes_left}}"
    if outcome == CheckOutcome.UNAVAILABLE:
        return str(CODE_NOT_CHECKED)
    if outcome == CheckOutcome.WRONG_CODE and tries_left:
        left = ngettext("%(count)d try left for this call.", "%(count)d tries left for this call.", tries_left)
        return f"{SENTENCES[outcome]} {left % {'count': tries_left}}"
    return str(SENTENCES[outcome])


def length_sentence(fit: LengthFit, length: CodeLength, *, digits: int = 0) -> str:
    """Return the sentence about the length of a code.

    ``length``: the length of the code that was read out. ``digits``: how many were typed, needed for
    ``PERHAPS_TOO_SHORT``.
    """
    if fit == LengthFit.MISSING:
        return str(MISSING)
    if fit == LengthFit.PERHAPS_TOO_SHORT:
        asks = ngettext(
            "The code may have %(expected)s digit. Send it again if you heard %(typed)s.",
            "The code may have %(expected)s digits. Send it again if you heard %(typed)s.",
            length.expected,
        )
        return asks % {"expected": DIGITS[length.expected], "typed": DIGITS[digits]}
    if length.is_certain:
        text = ngettext(
            "The code has %(expected)s digit. Type the digits that you hear.",
            "The code has %(expected)s digits. Type the digits that you hear.",
            length.expected,
        )
        return text % {"expected": DIGITS[length.expected]}
    if fit == LengthFit.TOO_SHORT:
        return str(TOO_SHORT)
    text = ngettext(
        "The code has %(longest)s digit at most. Type the digits that you hear.",
        "The code has %(longest)s digits at most. Type the digits that you hear.",
        length.longest,
    )
    return text % {"longest": DIGITS[length.longest]}


def status_sentence(status: AttemptStatus) -> str:
    """Return what the person can do now."""
    attempt = status.attempt
    # From special cases to the general one: the last line has a sentence for each of these statuses too.
    if status.refusal:
        return sentence(status.refusal.code, retry_after=status.refusal.retry_after)
    if attempt.status == Status.EXPIRED and attempt.dialed_at is None:
        return str(NOT_IN_TIME)
    if was_closed_by_lost_answers(attempt):
        return str(UNDECIDED)
    if was_uncheckable(attempt):
        return str(NO_CODE_CHECKED)
    if attempt.status == Status.LOCKED:
        return check_sentence(CheckOutcome.LOCKED, tries_left=0, wrong_codes_left=status.wrong_codes_left)
    return str(STATUS_SENTENCES.get(attempt.status) or SENTENCES[outcome_of(attempt)])


def wait_sentence(seconds: int) -> str:
    """Return the sentence that says when another call can be requested, with the time of day and the wait.

    From the day after tomorrow on, the date is named instead, because a number of hours is hard to read then.

    The time is in the active time zone. That of the site is named, because the person may be in another one. See
    ``time_of_day``.
    """
    if seconds < MINUTE:
        return _("You can ask for another call in %(wait)s.") % _words_of(seconds)
    days = days_until(moment_after(seconds))
    if days > 1:
        return _("You can ask for another call at %(time)s on %(date)s.") % _words_of(seconds)
    if days == 1:
        return _("You can ask for another call tomorrow at %(time)s, in %(wait)s.") % _words_of(seconds)
    return _("You can ask for another call at %(time)s, in %(wait)s.") % _words_of(seconds)


def go_on_sentence(seconds: int) -> str:
    """Return the sentence that says when to go on. It fits a wanted call and a typed code."""
    if seconds < MINUTE:
        return _("Try again in %(wait)s.") % _words_of(seconds)
    days = days_until(moment_after(seconds))
    if days > 1:
        return _("Try again at %(time)s on %(date)s.") % _words_of(seconds)
    if days == 1:
        return _("Try again tomorrow at %(time)s, in %(wait)s.") % _words_of(seconds)
    return _("Try again at %(time)s, in %(wait)s.") % _words_of(seconds)


def _words_of(seconds: int) -> dict[str, str]:
    moment = moment_after(seconds)
    return {"date": date_of(moment), "time": time_of_day(moment), "wait": duration(seconds)}


def date_of(moment: datetime) -> str:
    """Return a date such as ``March 8, 2027``, in the active language."""
    return date_format(moment, "DATE_FORMAT")


def time_of_day(moment: datetime) -> str:
    """Return a time such as ``2:05 p.m. UTC``. The zone is left out if the active time zone is not ``TIME_ZONE``.

    A site that calls ``timezone.activate`` uses the person's own time zone, so the zone needs no name.
    """
    shown = date_format(moment, "TIME_FORMAT")
    if timezone.get_current_timezone_name() != timezone.get_default_timezone_name():
        return shown
    zone = f"{moment:%Z}"
    # A zone without an abbreviation is named by its offset, such as +03.
    return f"{shown} {zone if zone[:1].isalpha() else f'UTC{zone}'}"


def days_until(moment: datetime) -> int:
    """Return the days from today to the date of ``moment``, which is in the active time zone. 1 is tomorrow."""
    return (moment.date() - timezone.localdate()).days


def moment_after(seconds: int) -> datetime:
    """Return the end of a wait in the active time zone, rounded up to a minute, because seconds are not shown."""
    end = timezone.localtime(timezone.now() + timedelta(seconds=seconds))
    begun = timedelta(seconds=end.second, microseconds=end.microsecond)
    return end - begun + timedelta(minutes=1) if begun else end


def duration(seconds: int) -> str:
    """Return a wait in seconds, minutes or hours, rounded up, so that the person does not come back too early.

    Less than two hours are minutes, because "2 hours" for 62 minutes would contradict the time of day beside it.
    """
    if seconds < MINUTE:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if seconds < 2 * HOUR and seconds != HOUR:
        minutes = -(-seconds // MINUTE)
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = -(-seconds // HOUR)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
