"""From where an attempt stands to the card that says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.forms import Form
from django.utils.translation import gettext as _

from django_telroi.domain.codes import LengthFit
from django_telroi.domain.states import CHECKABLE, UNFINISHED, Status
from django_telroi.errors import (
    CooldownActive,
    DailyLimitReached,
    HourlyLimitReached,
    InvalidNumber,
    NotCallable,
    NumberHeld,
    NumberTaken,
    RegionNotAllowed,
    TooManyRequests,
    VerificationRefused,
)
from django_telroi.models import VerificationAttempt
from django_telroi.services import AttemptStatus, CheckOutcome
from django_telroi.services.accounts.ownership import Ownership
from django_telroi.services.attempts.typed_codes import is_undecided, was_uncheckable
from django_telroi.services.sentences import NEWER_CALL as NEWER_CALL_SENTENCE
from django_telroi.services.sentences import length_sentence, sentence, status_sentence
from django_telroi.web import card_texts
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.session import NEWER_CALL, SHORT_CODE, Notice

ABOUT_THE_NUMBER = frozenset({InvalidNumber.code, NotCallable.code, RegionNotAllowed.code})
"""Refusals that another number would not meet: they are said at the field."""

LIMITS = frozenset({HourlyLimitReached.code, DailyLimitReached.code, NumberHeld.code, TooManyRequests.code})

WRONG_CODES = frozenset({CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE})


STEP_BY_OWNERSHIP = {
    Ownership.HELD: "done",
    Ownership.OFFERED: "offer",
    Ownership.TAKEN: "ended",
    Ownership.GONE: "ended",
}

CALLING_AGAIN = "calling-again"
"""The state of a card that takes the code of one call while another one is being placed."""


@dataclass(frozen=True)
class Seen:
    """An attempt as this session sees it.

    ``is_calling_again``: another call to the same number is being placed. ``holding``: what a verified attempt means to
    the session that typed the right code; GONE to every other session. ``account``: the name of the user whose number
    it is or may become, ``""`` where it becomes nobody's.
    """

    standing: AttemptStatus
    is_calling_again: bool = False
    holding: Ownership = Ownership.GONE
    account: str = ""

    @property
    def attempt(self) -> VerificationAttempt:
        return self.standing.attempt


@dataclass(frozen=True)
class Step:
    """What a card says and asks. ``name`` is its template's, ``state`` what the script compares with the server's.

    ``wait`` is the seconds until another call may be asked for, ``ends_in`` those until the card becomes another one by
    itself. ``again`` labels the button that asks for another call, ``""`` where there is none; ``other`` the one that
    starts with a number, ``""`` for its usual card_texts. ``developer_note`` is shown only while a test key is used.
    ``asked_digits``: the message asks whether a code of so many digits is complete. ``account`` is a sentence about the
    user's account.
    """

    name: str
    title: str
    state: str = ""
    lead: str = ""
    message: str = ""
    is_bad: bool = False
    wait: int = 0
    again: str = ""
    ends_in: int = 0
    developer_note: str = ""
    form: Form | None = None
    other: str = ""
    asked_digits: int = 0
    account: str = ""

    @property
    def template(self) -> str:
        return f"telroi/steps/{self.name}.html"

    @property
    def page_title(self) -> str:
        """Says first that something went wrong: it is the first that a screen reader reads."""
        return _("Error: %(title)s") % {"title": self.title} if self.is_bad and self.form else self.title


def is_open(seen: Seen) -> bool:
    """Whether a call is on its way, or a code still counts."""
    return seen.attempt.status in UNFINISHED


def takes_code_again(seen: Seen) -> bool:
    """Whether the right code, typed again in this session, is a success in it: its answer may not have arrived."""
    return bool(seen.attempt.code_digest) and seen.holding == Ownership.GONE


def step_name(seen: Seen) -> str:
    """Which template tells of the attempt. A verification is a success for the session that typed its code only."""
    status = seen.attempt.status
    if status in UNFINISHED:
        return "code" if status in CHECKABLE else "waiting"
    if status == Status.VERIFIED:
        return "code" if takes_code_again(seen) else STEP_BY_OWNERSHIP[seen.holding]
    return "refused" if seen.standing.refusal else "ended"


def state_of(seen: Seen) -> str:
    """What the script asks for: the step, and whether it is to be followed although it takes a code."""
    return CALLING_AGAIN if seen.is_calling_again else step_name(seen)


def number_step(form: PhoneForm, notice: Notice | None) -> Step:
    """Asks for a number, and says what stood against the last one."""
    code = notice.code if notice and notice.code not in ABOUT_THE_NUMBER else ""
    if notice and code and notice.wait:
        return refused_step(code, wait=notice.wait)
    return Step(
        name="number",
        title=_("Verify your phone"),
        lead=card_texts.number_lead(),
        message=sentence(code) if code else "",
        is_bad=bool(code or form.errors),
        form=form,
    )


def no_cookie_step(form: PhoneForm) -> Step:
    """Asks for the number again, because the form came without this site's cookie."""
    return replace(number_step(form, None), message=card_texts.no_cookie(), is_bad=True)


def lost_step(form: PhoneForm, *, had_call: bool) -> Step:
    """Asks for a number, because this session knows nothing of the call, or the number, that was asked about."""
    return replace(number_step(form, None), message=card_texts.lost_call() if had_call else card_texts.lost_number())


def step_of(seen: Seen, form: CodeForm, notice: Notice | None) -> Step:
    """The card of an attempt, whatever became of it."""
    standing, name, number = seen.standing, step_name(seen), seen.attempt.masked_number
    if name == "code":
        if seen.attempt.status == Status.VERIFIED:
            return _code_again_step(standing, form, notice)
        step = _code_step(standing, form, notice)
        return _beside_another_call(step) if seen.is_calling_again else step
    if name == "waiting":
        return Step(name, title=_("Calling…"), lead=card_texts.waiting_lead(number))
    if name == "done":
        account = card_texts.account_lead(seen.account) if seen.account else ""
        return Step(name, title=_("Your number is verified"), lead=card_texts.shown_number(number), account=account)
    if name == "offer":
        account = card_texts.offer_lead(seen.account)
        return Step(
            name, title=_("Add this number to your account?"), lead=card_texts.shown_number(number), account=account
        )
    if standing.refusal:
        return _failed_step(standing, standing.refusal)
    return _ended_step(seen, notice)


def refused_step(code: str, *, wait: int) -> Step:
    """No call for now: why, and until when. ``wait`` is in seconds, 0 where waiting is not the point."""
    message = card_texts.refusal_text(code, wait=wait)
    return Step(name="refused", title=_refused_title(code), message=message, is_bad=True, wait=wait)


def _refused_title(code: str) -> str:
    if code == CooldownActive.code:
        return _("A short wait first")
    if code in ABOUT_THE_NUMBER:
        return _("We cannot call this number")
    return _("Enough calls for now") if code in LIMITS else _("We cannot call right now")


def _failed_step(standing: AttemptStatus, refusal: VerificationRefused) -> Step:
    wait = max(refusal.retry_after or 0, standing.call_again_in)
    again = "" if refusal.code in ABOUT_THE_NUMBER else _("Try again")
    return replace(refused_step(refusal.code, wait=wait), again=again)


def _code_step(standing: AttemptStatus, form: CodeForm, notice: Notice | None) -> Step:
    attempt = standing.attempt
    is_doubtful = attempt.status == Status.UNKNOWN
    is_wrong = notice is not None and notice.code in WRONG_CODES
    _dress(form, tries_left=standing.tries_left, notice=notice)
    lead = card_texts.doubtful_lead if is_doubtful else card_texts.code_lead
    return Step(
        name="code",
        title=_("Your phone may ring") if is_doubtful else _("We are calling you"),
        lead=lead(attempt.masked_number),
        message=_message_of(notice, standing) or (status_sentence(standing) if is_doubtful else ""),
        is_bad=is_wrong,
        wait=standing.call_again_in,
        again=_("Call again"),
        developer_note=card_texts.test_key_note(attempt.livemode),
        ends_in=max(1, round((attempt.expires_at - standing.now).total_seconds()) + 1),
        form=form,
        asked_digits=notice.digits if notice else 0,
    )


def _code_again_step(standing: AttemptStatus, form: CodeForm, notice: Notice | None) -> Step:
    """The right code was typed, and this session did not read so. No other call is needed."""
    ends_at = standing.attempt.due_at or standing.now
    return Step(
        name="code",
        title=_("Type the code again"),
        lead=card_texts.code_again(),
        message=_message_of(notice, standing),
        is_bad=notice is not None and notice.code in WRONG_CODES | {CheckOutcome.ALREADY_VERIFIED},
        ends_in=max(1, round((ends_at - standing.now).total_seconds()) + 1),
        form=form,
        other=_("Start again"),
    )


def _beside_another_call(step: Step) -> Step:
    """The code of the last call still counts; when the next one is placed, the card becomes another one."""
    message = step.message or card_texts.calling_again()
    return replace(step, state=CALLING_AGAIN, title=_("We are calling again"), message=message, wait=0, again="")


def _dress(form: CodeForm, *, tries_left: int, notice: Notice | None) -> None:
    """Tell the field what the card says about it."""
    field = form.fields["code"]
    if notice and notice.code in WRONG_CODES:
        field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": str(form.auto_id) % "note"}
    if not (notice and notice.code == CheckOutcome.WRONG_CODE):
        field.help_text = card_texts.tries_left(tries_left)


def _message_of(notice: Notice | None, standing: AttemptStatus) -> str:
    if notice is None or not notice.code:
        return ""
    if notice.code == NEWER_CALL:
        return str(NEWER_CALL_SENTENCE)
    if notice.code == SHORT_CODE:
        return length_sentence(LengthFit.PERHAPS_TOO_SHORT, asked=standing.attempt.code_length, digits=notice.digits)
    if notice.length_fit:
        return length_sentence(LengthFit(notice.length_fit), asked=standing.attempt.code_length)
    if notice.about == "code":
        tries = standing.tries_left if notice.tries_left is None else min(notice.tries_left, standing.tries_left)
        return card_texts.outcome_text(CheckOutcome(notice.code), tries_left=tries)
    return card_texts.refusal_text(notice.code, wait=notice.wait)


def _ended_step(seen: Seen, notice: Notice | None) -> Step:
    standing, attempt = seen.standing, seen.attempt
    if attempt.status == Status.VERIFIED and seen.holding == Ownership.TAKEN:
        step = Step("ended", _("This number is taken"), message=sentence(NumberTaken.code), is_bad=True)
        lead, account = card_texts.shown_number(attempt.masked_number), card_texts.taken_lead(seen.account)
        return replace(step, lead=lead, account=account, other=_("Use another number"))
    if attempt.status == Status.VERIFIED:
        said = card_texts.verified_elsewhere()
        return Step(name="ended", title=_("Not verified here"), message=said, other=_("Start again"))
    was_refused = notice is not None and notice.about == "call"
    is_replaced = attempt.status == Status.SUPERSEDED
    again = _("Go on") if is_replaced else _("Call again")
    return Step(
        name="ended",
        title=_ended_title(attempt),
        message=_message_of(notice, standing) if was_refused else status_sentence(standing),
        is_bad=was_refused or attempt.status == Status.LOCKED,
        wait=0 if is_replaced else standing.call_again_in,
        again=again,
    )


def _ended_title(attempt: VerificationAttempt) -> str:
    """What became of an attempt that takes no code any more."""
    if attempt.status == Status.EXPIRED and attempt.dialed_at is None:
        return _("We could not call in time")
    if is_undecided(attempt):
        return _("We could not check your code")
    titles = {
        Status.LOCKED: _("That was the last try"),
        Status.EXPIRED: _("We could not confirm the call") if was_uncheckable(attempt) else _("This code has expired"),
        Status.CANCELED: _("No call under way"),
        Status.SUPERSEDED: _("There is a newer call"),
    }
    return titles[Status(attempt.status)]
