"""The steps of an attempt: from its status to the content of its card."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi.domain.states import Status
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.errors import CooldownActive, NumberTaken
from django_telroi.models import VerificationAttempt
from django_telroi.services import AttemptStatus, CheckOutcome
from django_telroi.services.accounts.ownership import Ownership
from django_telroi.services.attempts.status import was_closed_by_lost_answers, was_uncheckable
from django_telroi.services.sentences import NEWER_CALL as NEWER_CALL_SENTENCE
from django_telroi.services.sentences import length_sentence, sentence, status_sentence
from django_telroi.services.shared.secrets import length_of
from django_telroi.web import card_texts
from django_telroi.web.forms import CodeForm
from django_telroi.web.notices import NEWER_CALL, SHORT_CODE, Notice
from django_telroi.web.seen_attempt import CALLING_AGAIN, Seen, step_name
from django_telroi.web.steps import ABOUT_THE_NUMBER, Help, Step, describe_field, refused_step, verified_step

SLOW_AFTER = timedelta(seconds=3)
"""How long after the request the card says that placing a call can take half a minute. The stylesheet has it too."""
HELP_AFTER = timedelta(seconds=25)
"""How long after the call was placed "Nobody rang?" is shown. The stylesheet has it too."""

WRONG_CODES = frozenset({CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE})


def attempt_step(seen: Seen, form: CodeForm, notice: Notice | None) -> Step:
    """Return the step of an attempt, for each status."""
    attempt_status, name, number = seen.attempt_status, step_name(seen), seen.shown_number
    if name == "code":
        if seen.attempt.status == Status.VERIFIED:
            return _code_again_step(attempt_status, form, notice)
        step = _code_step(seen, form, notice)
        if seen.is_calling_again:
            # The code of this call is valid until the next call is placed, which needs no button any more.
            message, title = step.message or card_texts.calling_again(), _("We are calling again")
            return replace(step, state=CALLING_AGAIN, title=title, message=message, wait=0, again="", help=None)
        return step
    if name == "waiting":
        is_slow = attempt_status.now - seen.attempt.created_at >= SLOW_AFTER
        return Step(name, title=_("Calling…"), lead=card_texts.waiting_lead(number), is_slow=is_slow)
    if name == "done":
        return verified_step(number, seen.account)
    if name == "offer":
        account = card_texts.offer_lead(seen.account)
        return Step(
            name, title=_("Add this number to your account?"), lead=card_texts.shown_number(number), account=account
        )
    if refusal := attempt_status.refusal:
        # The longer of two waits, because a button that comes too early would be rejected.
        step = refused_step(refusal.code, wait=max(refusal.retry_after or 0, attempt_status.call_again_in))
        again = "" if refusal.code in ABOUT_THE_NUMBER else _("Try again")
        return replace(step, lead=card_texts.asked_lead(number), again=again)
    return _ended_step(seen, notice)


def _code_step(seen: Seen, form: CodeForm, notice: Notice | None) -> Step:
    attempt_status, attempt = seen.attempt_status, seen.attempt
    is_doubtful = attempt.status == Status.UNKNOWN
    is_wrong = notice is not None and notice.code in WRONG_CODES
    message = _notice_text(notice, attempt_status) or (status_sentence(attempt_status) if is_doubtful else "")
    _describe_field(form, attempt_status, notice=notice, has_note=bool(message))
    lead = card_texts.doubtful_lead if is_doubtful else card_texts.code_lead
    return Step(
        name="code",
        title=_("Your phone may ring") if is_doubtful else _("We are calling you"),
        lead=lead(seen.shown_number),
        message=message,
        is_bad=is_wrong,
        is_calm=_is_cooldown(notice),
        wait=attempt_status.call_again_in,
        again=_("Call again"),
        help=_help_for(seen),
        developer_note=card_texts.test_key_note(attempt),
        ends_in=max(1, round((attempt.expires_at - attempt_status.now).total_seconds()) + 1),
        form=form,
        asked_digits=notice.digits if notice else 0,
    )


def _help_for(seen: Seen) -> Help:
    attempt_status, attempt, wait = seen.attempt_status, seen.attempt, seen.attempt_status.call_again_in
    is_due = attempt.dialed_at is None or attempt_status.now - attempt.dialed_at >= HELP_AFTER
    next_call = card_texts.next_call(wait) if wait else ""
    return Help(card_texts.shown_number(seen.shown_number), next_call, is_due)


def _code_again_step(attempt_status: AttemptStatus, form: CodeForm, notice: Notice | None) -> Step:
    """Return the step that asks for the right code again. The browser may not have received the first response."""
    ends_at = attempt_status.attempt.due_at or attempt_status.now
    message = _notice_text(notice, attempt_status)
    describe_field(form, "code", has_note=bool(message))
    return Step(
        name="code",
        title=_("Type the code again"),
        lead=card_texts.code_again(),
        message=message,
        is_bad=notice is not None and notice.code in WRONG_CODES | {CheckOutcome.ALREADY_VERIFIED},
        ends_in=max(1, round((ends_at - attempt_status.now).total_seconds()) + 1),
        form=form,
        other=_("Start again"),
    )


def _describe_field(form: CodeForm, status: AttemptStatus, *, notice: Notice | None, has_note: bool) -> None:
    """Set the field's help text and its accessibility attributes."""
    field = form.fields["code"]
    if notice and notice.code in WRONG_CODES:
        field.widget.attrs["aria-invalid"] = "true"
    # Before the first wrong code the number of tries would only alarm. The sentence about a wrong code has it too, so
    # the help text would repeat it.
    if status.attempt.tries and not (notice and notice.code == CheckOutcome.WRONG_CODE):
        field.help_text = card_texts.tries_left(status.tries_left)
    describe_field(form, "code", has_note=has_note)


def _notice_text(notice: Notice | None, attempt_status: AttemptStatus) -> str:
    if notice is None or not notice.code:
        return ""
    length, tries_left = length_of(attempt_status.attempt), attempt_status.tries_left
    if notice.code == NEWER_CALL:
        return str(NEWER_CALL_SENTENCE)
    if notice.code == SHORT_CODE:
        return length_sentence(LengthFit.PERHAPS_TOO_SHORT, length, digits=notice.digits)
    if notice.length_fit:
        return length_sentence(LengthFit(notice.length_fit), length)
    if notice.about == "code":
        # Another tab may have used a try since the notice was written, so the smaller count is right.
        tries = tries_left if notice.tries_left is None else min(notice.tries_left, tries_left)
        left = attempt_status.wrong_codes_left
        return card_texts.outcome_text(CheckOutcome(notice.code), tries_left=tries, wrong_codes_left=left)
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
    again = pgettext("phone card", "Go to the newer call") if is_replaced else _("Call again")
    return Step(
        name="ended",
        title=_ended_title(attempt),
        message=_notice_text(notice, attempt_status) if was_refused else status_sentence(attempt_status),
        is_bad=(was_refused or attempt.status == Status.LOCKED) and not _is_cooldown(notice),
        is_calm=_is_cooldown(notice),
        wait=0 if is_replaced else attempt_status.call_again_in,
        again=again,
    )


def _is_cooldown(notice: Notice | None) -> bool:
    return notice is not None and notice.code == CooldownActive.code


def _ended_title(attempt: VerificationAttempt) -> str:
    """Return the title for an attempt that takes no code any more."""
    if attempt.status == Status.EXPIRED and attempt.dialed_at is None:
        return _("We could not call in time")
    if was_closed_by_lost_answers(attempt):
        return _("We could not check your code")
    titles = {
        Status.LOCKED: _("That was the last try"),
        Status.EXPIRED: _("We could not confirm the call") if was_uncheckable(attempt) else _("This code has expired"),
        Status.CANCELED: _("Call canceled"),
        Status.SUPERSEDED: _("There is a newer call"),
    }
    return titles[Status(attempt.status)]
