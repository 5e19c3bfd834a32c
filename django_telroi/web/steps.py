"""From the status of an attempt to the content of its card."""

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
"""Reasons for rejection that are about the number. They are shown at the field."""

LIMITS = frozenset({HourlyLimitReached.code, DailyLimitReached.code, NumberHeld.code, TooManyRequests.code})

WRONG_CODES = frozenset({CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE})

STEP_BY_OWNERSHIP = {
    Ownership.HELD: "done",
    Ownership.OFFERED: "offer",
    Ownership.TAKEN: "ended",
    Ownership.GONE: "ended",
}

CALLING_AGAIN = "calling-again"
"""State of a card that takes the code of one call while another call is being placed."""


@dataclass(frozen=True)
class Seen:
    """An attempt and its relation to this session.

    ``is_calling_again``: another call to the same number is being placed. ``ownership``: of a verified attempt, for the
    session that typed the right code; GONE for every other session. ``account``: the name of the user who has the
    number or may add it, ``""`` if the number belongs to no account.
    """

    attempt_status: AttemptStatus
    is_calling_again: bool = False
    ownership: Ownership = Ownership.GONE
    account: str = ""

    @property
    def attempt(self) -> VerificationAttempt:
        return self.attempt_status.attempt


@dataclass(frozen=True)
class Step:
    """The content of a card.

    ``name``: of the template. ``state``: the script reloads the card if the server has another state.
    ``wait``: seconds until another call may be requested. ``ends_in``: seconds until the script reloads the card.
    ``again``: label of the button that requests another call, ``""`` for no button.
    ``other``: label of the button that asks for another number, ``""`` for the default.
    ``developer_note``: shown if the call used a test key. ``account``: a sentence about the user's account.
    ``asked_digits``: the message asks whether a code of this many digits is complete.
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
        """The title. It begins with "Error" if a form has one, because a screen reader reads the title first."""
        return _("Error: %(title)s") % {"title": self.title} if self.is_bad and self.form else self.title


def is_open(seen: Seen) -> bool:
    """Return whether the call is being placed or its code is still valid."""
    return seen.attempt.status in UNFINISHED


def takes_code_again(seen: Seen) -> bool:
    """Return whether the right code may be typed again. This session may not have received the response to it."""
    return bool(seen.attempt.code_digest) and seen.ownership == Ownership.GONE


def step_name(seen: Seen) -> str:
    """Return the name of the attempt's template. Only the session that typed the right code gets "done" or "offer"."""
    status = seen.attempt.status
    if status in UNFINISHED:
        return "code" if status in CHECKABLE else "waiting"
    if status == Status.VERIFIED:
        return "code" if takes_code_again(seen) else STEP_BY_OWNERSHIP[seen.ownership]
    return "refused" if seen.attempt_status.refusal else "ended"


def card_state_name(seen: Seen) -> str:
    """Return the state for the script: the step's name, or ``CALLING_AGAIN`` for a code card that it must poll."""
    return CALLING_AGAIN if seen.is_calling_again else step_name(seen)


def number_step(form: PhoneForm, notice: Notice | None) -> Step:
    """Return the step that asks for a number, with the reason why the last one was rejected."""
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
    """Return the step that asks for the number again, because the form came without the CSRF cookie."""
    return replace(number_step(form, None), message=card_texts.no_cookie(), is_bad=True)


def lost_step(form: PhoneForm, *, had_call: bool) -> Step:
    """Return the step that asks for a number, because the session does not know the call or the typed number."""
    return replace(number_step(form, None), message=card_texts.lost_call() if had_call else card_texts.lost_number())


def attempt_step(seen: Seen, form: CodeForm, notice: Notice | None) -> Step:
    """Return the step of an attempt, for each status."""
    attempt_status, name, number = seen.attempt_status, step_name(seen), seen.attempt.masked_number
    if name == "code":
        if seen.attempt.status == Status.VERIFIED:
            return _code_again_step(attempt_status, form, notice)
        step = _code_step(attempt_status, form, notice)
        if seen.is_calling_again:
            # The code of this call is valid until the next call is placed.
            message, title = step.message or card_texts.calling_again(), _("We are calling again")
            return replace(step, state=CALLING_AGAIN, title=title, message=message, wait=0, again="")
        return step
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
    if refusal := attempt_status.refusal:
        step = refused_step(refusal.code, wait=max(refusal.retry_after or 0, attempt_status.call_again_in))
        return replace(step, again="" if refusal.code in ABOUT_THE_NUMBER else _("Try again"))
    return _ended_step(seen, notice)


def refused_step(code: str, *, wait: int) -> Step:
    """Return the step for a rejected call. ``wait``: seconds until the next call, 0 if waiting does not help."""
    message = card_texts.refusal_text(code, wait=wait)
    return Step(name="refused", title=_refused_title(code), message=message, is_bad=True, wait=wait)


def _refused_title(code: str) -> str:
    if code == CooldownActive.code:
        return _("A short wait first")
    if code in ABOUT_THE_NUMBER:
        return _("We cannot call this number")
    return _("Enough calls for now") if code in LIMITS else _("We cannot call right now")


def _code_step(attempt_status: AttemptStatus, form: CodeForm, notice: Notice | None) -> Step:
    attempt = attempt_status.attempt
    is_doubtful = attempt.status == Status.UNKNOWN
    is_wrong = notice is not None and notice.code in WRONG_CODES
    _describe_field(form, tries_left=attempt_status.tries_left, notice=notice)
    lead = card_texts.doubtful_lead if is_doubtful else card_texts.code_lead
    return Step(
        name="code",
        title=_("Your phone may ring") if is_doubtful else _("We are calling you"),
        lead=lead(attempt.masked_number),
        message=_notice_text(notice, attempt_status) or (status_sentence(attempt_status) if is_doubtful else ""),
        is_bad=is_wrong,
        wait=attempt_status.call_again_in,
        again=_("Call again"),
        developer_note=card_texts.test_key_note(attempt.livemode),
        ends_in=max(1, round((attempt.expires_at - attempt_status.now).total_seconds()) + 1),
        form=form,
        asked_digits=notice.digits if notice else 0,
    )


def _code_again_step(attempt_status: AttemptStatus, form: CodeForm, notice: Notice | None) -> Step:
    """Return the step that asks for the right code again. The session may not have received the first response."""
    ends_at = attempt_status.attempt.due_at or attempt_status.now
    return Step(
        name="code",
        title=_("Type the code again"),
        lead=card_texts.code_again(),
        message=_notice_text(notice, attempt_status),
        is_bad=notice is not None and notice.code in WRONG_CODES | {CheckOutcome.ALREADY_VERIFIED},
        ends_in=max(1, round((ends_at - attempt_status.now).total_seconds()) + 1),
        form=form,
        other=_("Start again"),
    )


def _describe_field(form: CodeForm, *, tries_left: int, notice: Notice | None) -> None:
    """Set the field's help text and its accessibility attributes."""
    field = form.fields["code"]
    if notice and notice.code in WRONG_CODES:
        field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": str(form.auto_id) % "note"}
    if not (notice and notice.code == CheckOutcome.WRONG_CODE):
        field.help_text = card_texts.tries_left(tries_left)


def _notice_text(notice: Notice | None, attempt_status: AttemptStatus) -> str:
    if notice is None or not notice.code:
        return ""
    requested_digits, tries_left = attempt_status.attempt.code_length, attempt_status.tries_left
    if notice.code == NEWER_CALL:
        return str(NEWER_CALL_SENTENCE)
    if notice.code == SHORT_CODE:
        return length_sentence(LengthFit.PERHAPS_TOO_SHORT, asked=requested_digits, digits=notice.digits)
    if notice.length_fit:
        return length_sentence(LengthFit(notice.length_fit), asked=requested_digits)
    if notice.about == "code":
        tries = tries_left if notice.tries_left is None else min(notice.tries_left, tries_left)
        return card_texts.outcome_text(CheckOutcome(notice.code), tries_left=tries)
    return card_texts.refusal_text(notice.code, wait=notice.wait)


def _ended_step(seen: Seen, notice: Notice | None) -> Step:
    attempt_status, attempt = seen.attempt_status, seen.attempt
    if attempt.status == Status.VERIFIED and seen.ownership == Ownership.TAKEN:
        step = Step("ended", _("This number is taken"), message=sentence(NumberTaken.code), is_bad=True)
        lead, account = card_texts.shown_number(attempt.masked_number), card_texts.taken_lead(seen.account)
        return replace(step, lead=lead, account=account, other=_("Use another number"))
    if attempt.status == Status.VERIFIED:
        message = card_texts.verified_elsewhere()
        return Step(name="ended", title=_("Not verified here"), message=message, other=_("Start again"))
    was_refused = notice is not None and notice.about == "call"
    is_replaced = attempt.status == Status.SUPERSEDED
    again = _("Go on") if is_replaced else _("Call again")
    return Step(
        name="ended",
        title=_ended_title(attempt),
        message=_notice_text(notice, attempt_status) if was_refused else status_sentence(attempt_status),
        is_bad=was_refused or attempt.status == Status.LOCKED,
        wait=0 if is_replaced else attempt_status.call_again_in,
        again=again,
    )


def _ended_title(attempt: VerificationAttempt) -> str:
    """Return the title for an attempt that takes no code any more."""
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
