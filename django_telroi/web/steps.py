"""The ``Step`` of a card, and the steps without an attempt: number, stored number, stopped, refused, change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.forms import Form
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi.domain.phone import mask
from django_telroi.domain.states import Status
from django_telroi.errors import (
    BotCheckFailed,
    CallsStopped,
    ConsentRequired,
    CooldownActive,
    DailyLimitReached,
    HourlyLimitReached,
    InvalidNumber,
    NotCallable,
    NumberHeld,
    NumberTaken,
    RegionNotAllowed,
    TooManyRequests,
    TooManyWrongCodes,
)
from django_telroi.services.accounts.ownership import Ownership
from django_telroi.services.sentences import sentence, stored_sentence
from django_telroi.services.shared.arguments import NO_NUMBER, StoredNumber
from django_telroi.web import card_texts
from django_telroi.web.forms import PhoneForm
from django_telroi.web.notices import FORGOTTEN, LOGGED_OUT, SAME_NUMBER, Notice
from django_telroi.web.seen_attempt import Seen, may_ring

ABOUT_THE_NUMBER = frozenset({InvalidNumber.code, NotCallable.code, RegionNotAllowed.code})
"""Reasons for rejection that are about the number. They are shown at the field."""

NEVER_CALLED = frozenset({NotCallable.code, RegionNotAllowed.code})
"""The number is right, but this site does not call it. The site's other way may help."""

AT_THE_FIELD = ABOUT_THE_NUMBER | {SAME_NUMBER}

ABOUT_THE_FORM = frozenset({BotCheckFailed.code, ConsentRequired.code})
"""Reasons for rejection that the same form can overcome, when the person sends it again."""

LIMITS = frozenset(
    {
        HourlyLimitReached.code,
        DailyLimitReached.code,
        NumberHeld.code,
        TooManyRequests.code,
        TooManyWrongCodes.code,
    }
)


@dataclass(frozen=True)
class Help:
    """The content of "Nobody rang?": the number and the time of the next call, both as HTML.

    ``next_call`` is ``""`` if another call can be requested now. ``is_due``: it is shown at once.
    """

    number: str = field(repr=False)
    next_call: str
    is_due: bool


@dataclass(frozen=True)
class Step:
    """The content of a card.

    ``name``: of the template. ``state``: the script reloads the card if the server has another state.
    ``wait``: seconds until another call may be requested. ``ends_in``: seconds until the script reloads the card.
    ``again``: label of the button that requests another call, ``""`` for no button.
    ``start_again``: label of the button that requests a call to ``number`` (sealed) or to the number on file.
    ``is_calm``: the message is no alarm.
    ``help``: what a person can do if no phone rings. ``is_slow``: the call is being placed for a while already.
    ``has_alternative``: the card offers the site's other way to prove the number.
    ``other``: label of the button that asks for another number, ``""`` for the default.
    ``back_to``: label of the button that leads back to the code of the call that rings, ``""`` for no button.
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
    start_again: str = ""
    number: str = field(default="", repr=False)
    is_calm: bool = False
    help: Help | None = None
    is_slow: bool = False
    has_alternative: bool = False
    other: str = ""
    back_to: str = ""
    asked_digits: int = 0
    account: str = ""

    @property
    def template(self) -> str:
        return f"telroi/steps/{self.name}.html"

    @property
    def page_title(self) -> str:
        """The title. It begins with "Error" if a form has one, because a screen reader reads the title first."""
        return _("Error: %(title)s") % {"title": self.title} if self.is_bad and self.form else self.title


def with_way_back(step: Step, seen: Seen | None) -> Step:
    """Return the step that asks for another number, with a button back to the code of the call that rings."""
    if seen is None or not may_ring(seen):
        return step
    return replace(step, back_to=card_texts.back_to_code(seen.attempt.masked_number))


def with_reason(step: Step, why: str) -> Step:
    """Return the step that asks for a call, with the reason of the gate that sent the visitor here."""
    if why not in card_texts.GATE_REASONS or not step.lead or not (step.name == "number" or step.again):
        return step
    return replace(step, lead=format_html("{} {}", card_texts.GATE_REASONS[why], step.lead))


def describe_field(form: Form, name: str, *, has_note: bool) -> None:
    """Tie the card's note to the field, so that a screen reader reads it with the field: error, note, hint."""
    if not has_note:
        return  # Django ties the errors and the help text
    auto_id, field = str(form.auto_id) % name, form.fields[name]
    described_by = [f"{auto_id}_error"] if form.errors.get(name) else []
    described_by.append(str(form.auto_id) % "note")
    if field.help_text:
        described_by.append(f"{auto_id}_helptext")
    field.widget.attrs["aria-describedby"] = " ".join(described_by)


def number_step(form: PhoneForm, notice: Notice | None) -> Step:
    """Return the step that asks for a number, with the reason why the last one was rejected."""
    # A reason about the number is at its field already. A wait replaces the form: another number would be rejected too
    # if the limit is the requester's, and the same number certainly would.
    code = notice.code if notice and notice.code not in AT_THE_FIELD else ""
    if code in (FORGOTTEN, LOGGED_OUT):
        describe_field(form, "number", has_note=True)
        message = card_texts.logged_out() if code == LOGGED_OUT else card_texts.forgotten_number()
        return replace(number_step(form, None), message=message, is_calm=True)
    if notice and notice.number:
        return waiting_number_step(notice)
    if notice and code and notice.wait:
        return refused_step(code, wait=notice.wait)
    describe_field(form, "number", has_note=bool(code))
    return Step(
        name="number",
        title=_("Verify your phone"),
        lead=card_texts.number_lead(),
        message=sentence(code) if code else "",
        is_bad=bool(code or form.errors),
        has_alternative=True,
        form=form,
    )


def waiting_number_step(notice: Notice) -> Step:
    """Return the step of a call that must or had to wait, with the button that requests it again."""
    number, again = notice.number, _("Call me")
    if notice.wait:
        lead = card_texts.asked_lead(notice.masked)
        return replace(refused_step(notice.code, wait=notice.wait), lead=lead, start_again=again, number=number)
    lead = card_texts.stored_lead(notice.masked)
    step = Step("refused", _("Verify your phone"), lead=lead, start_again=again, number=number)
    if notice.code in ABOUT_THE_FORM:
        return replace(step, message=sentence(notice.code), is_bad=True)
    return step


def stopped_step(masked_number: str) -> Step:
    """Return the step while all calls are stopped. It asks for no number. ``masked_number``: of a rejected call."""
    step = refused_step(CallsStopped.code, wait=0)
    lead = card_texts.asked_lead(masked_number) if masked_number else ""
    return replace(step, name="stopped", lead=lead)


def stored_step(stored: StoredNumber, notice: Notice | None, *, message: str = "") -> Step:
    """Return the step with the button that calls the number on file, or with the reason why it is not called.

    ``message`` is shown if ``notice`` has none.
    """
    code = stored.problem or (notice.code if notice else "")
    if code in ABOUT_THE_NUMBER or code == NO_NUMBER:
        title = _("There is no number to call") if code == NO_NUMBER else _refused_title(code)
        lead = card_texts.shown_number(stored.masked) if stored.number else ""
        return Step(
            "stored",
            title,
            lead=lead,
            message=stored_sentence(code),
            is_bad=True,
            has_alternative=code in NEVER_CALLED,
        )
    if notice and code and notice.wait:
        lead = card_texts.asked_lead(stored.masked)
        return replace(refused_step(code, wait=notice.wait), lead=lead, start_again=_("Call me"))
    if code == LOGGED_OUT:
        code, message = "", card_texts.logged_out()
    if notice and notice.number:
        code = ""  # the wait is over
    return Step(
        name="stored",
        title=_("Verify your phone"),
        lead=card_texts.stored_lead(stored.masked),
        message=stored_sentence(code) if code else message,
        is_bad=bool(code),
        has_alternative=True,
        again=_("Call me"),
    )


def stored_lost_step() -> Step:
    """Return the step for a page whose session does not know the number on file any more."""
    return Step(
        "stored",
        _("Start again"),
        message=card_texts.stored_lost(),
        other=pgettext("phone card", "Back to where you came from"),
    )


def verified_step(masked_number: str, account: str) -> Step:
    """Return the step for a number that is verified. ``account``: the name of the user who has it, or ``""``."""
    account = card_texts.account_lead(account) if account else ""
    return Step("done", _("Your number is verified"), lead=card_texts.shown_number(masked_number), account=account)


def without_other_number(step: Step, seen: Seen) -> Step:
    """Return the step of an attempt to a number on file. Its sentences do not ask for another number."""
    refusal = seen.attempt_status.refusal
    if seen.attempt.status == Status.VERIFIED and seen.ownership == Ownership.TAKEN:
        return replace(step, message=stored_sentence(NumberTaken.code), other="")
    if refusal and refusal.code in ABOUT_THE_NUMBER:
        return replace(step, message=stored_sentence(refusal.code))
    return step


def change_step(form: PhoneForm, notice: Notice | None, old: str) -> Step:
    """Return the step that asks for the number that replaces ``old`` (E.164)."""
    step = number_step(form, notice)
    if step.name != "number":
        return step
    return replace(step, title=_("Change your number"), lead=card_texts.change_lead(mask(old)))


def changed_step(step: Step) -> Step:
    """Return the last step for a number that has replaced another one."""
    return replace(step, title=_("Your number is changed"))


def with_rejection(step: Step, reason: str) -> Step:
    """Return the step with the reason why the CSRF check rejected its form."""
    if step.form is None:
        return step
    for name in {"number", "code"} & step.form.fields.keys():
        describe_field(step.form, name, has_note=True)
    return replace(step, message=reason, is_bad=True, is_calm=False)


def lost_step(form: PhoneForm, *, had_call: bool) -> Step:
    """Return the step that asks for a number, because the session does not know the call or the typed number."""
    describe_field(form, "number", has_note=True)
    return replace(number_step(form, None), message=card_texts.lost_call() if had_call else card_texts.lost_number())


def refused_step(code: str, *, wait: int) -> Step:
    """Return the step for a rejected call. ``wait``: seconds until the next call, 0 if waiting does not help."""
    message = card_texts.refusal_text(code, wait=wait)
    is_calm = code == CooldownActive.code
    step = Step("refused", _refused_title(code), message=message, is_bad=not is_calm, is_calm=is_calm, wait=wait)
    return replace(step, has_alternative=not is_calm and code != InvalidNumber.code)


def _refused_title(code: str) -> str:
    if code == CooldownActive.code:
        return _("A short wait first")
    if code in ABOUT_THE_NUMBER:
        return _("We cannot call this number")
    return _("Enough calls for now") if code in LIMITS else _("We cannot call right now")
