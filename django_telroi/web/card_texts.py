"""Texts of the cards.

A site changes them with a setting, a translation or a template. "Texts" in docs/howto/look.rst lists all settings and
all files with texts: titles, labels of buttons, and sentences about rejected requests and outcomes are in others.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.domain.country_facts import national_example
from django_telroi.domain.phone import LineType, grouped
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import MASK
from django_telroi.services import CheckOutcome
from django_telroi.services.sentences import (
    check_sentence,
    date_of,
    days_until,
    duration,
    moment_after,
    sentence,
    time_of_day,
)
from django_telroi.services.shared.secrets import length_of_next_code
from django_telroi.services.typed_numbers import RejectedNumber, example_for

GATE_REASONS = {
    "none": pgettext_lazy("phone card", "The page that you opened needs a verified phone number."),
    "old": pgettext_lazy("phone card", "The page that you opened needs a number that was verified more recently."),
}
"""Why a gate asks for a verification. A gate sends the key in the URL."""


def number_lead() -> str:
    """Return the sentence that announces the call."""
    digits = length_of_next_code().expected
    # The default has a sentence of its own, because "six digits" reads better than "6 digits".
    if digits == 6:
        return _("We call you and read out a code of six digits.")
    text = ngettext(
        "We call you and read out a code of %(digits)d digit.",
        "We call you and read out a code of %(digits)d digits.",
        digits,
    )
    return text % {"digits": digits}


def stored_lead(masked_number: str) -> SafeString:
    """Return the sentence that announces the call to a number on file."""
    digits = length_of_next_code().expected
    if digits == 6:
        return _about(_("We call {number} and read out a code of six digits."), masked_number)
    text = ngettext(
        "We call {number} and read out a code of {digits} digit.",
        "We call {number} and read out a code of {digits} digits.",
        digits,
    )
    return format_html(text, number=shown_number(masked_number), digits=digits)


def change_lead(masked_number: str) -> SafeString:
    """Return the sentences that explain the change of a number."""
    text = _(
        "Your number is {number}. It stays your number until you have typed the code that we read out to the new one."
    )
    return _about(text, masked_number)


def same_number() -> str:
    """Return the error for a new number that is the old one."""
    return _("This is your number already. Type the new one.")


def stored_refused() -> str:
    """Return the reason for rejecting a form whose number is not of this person, or was changed."""
    return _("This page is too old, or was opened with another login. Open it again, then ask for the call.")


def stored_lost() -> str:
    """Return the message for a session that does not know the number on file any more."""
    return _("We no longer know which number to call. Go back to the page that you came from.")


def no_cookie() -> str:
    """Return the reason for rejecting a form that came without the CSRF cookie."""
    return _(
        "Your browser did not send the cookie of this site. Allow cookies for this site, then send the form again."
    )


def outdated_form() -> str:
    """Return the reason for rejecting a form with an outdated CSRF token, such as after a login in another tab."""
    return _("This form was out of date, and nothing happened. Send it again.")


def outdated_code() -> str:
    """Return the reason for rejecting a code with an outdated CSRF token, if the session knows no call."""
    return pgettext("phone card", "This form was out of date, so your code was not checked. Ask for another call.")


def logged_out() -> str:
    """Return the message for a code or a call of a user who is not logged in any more."""
    return pgettext("phone card", "You are not logged in any more. Log in again, then ask for another call.")


def lost_call() -> str:
    """Return the message for a session that does not know the call."""
    return _("We lost track of your last call. Allow cookies for this site, or ask for another call.")


def lost_number() -> str:
    """Return the message for a session that does not know the number that was typed."""
    return _("We lost what you typed. Allow cookies, then send the form again.")


def forgotten_number() -> str:
    """Return the message for the button of a call that had to wait, if its number is not known any more."""
    return pgettext("phone card", "We no longer know which number you asked us to call. Type it again.")


def number_hint(visitor_region: str, *, has_choice: bool) -> SafeString:
    """Return the hint on how to write a number, with an example of the site's region or of ``visitor_region``.

    ``has_choice``: the form has a choice of the country.
    """
    example, region = example_for(visitor_region), conf.default_region()
    if example and has_choice:
        text = pgettext("hint", "Start with + and the country code, like {example}, or choose the country.")
    elif example:
        text = pgettext("hint", "Start with + and the country code, like {example}.")
    elif has_choice:
        text = pgettext("hint", "Start with + and the country code, or choose the country.")
    else:
        text = pgettext("hint", "Start with + and the country code.")
    parts = [format_html(text, example=_ltr(grouped(example)))]
    if region and (national := national_example(region.strip().upper())):
        text = pgettext("hint: a number without its country code", "{example} works too.")
        parts.append(format_html(text, example=_ltr(national)))
    elif LineType.FIXED_LINE in conf.calling_rules().allowed_line_types:
        parts.append(escape(pgettext("hint", "Landlines work too.")))
    return format_html_join(" ", "{}", ((part,) for part in parts))


def number_error(rejected: RejectedNumber) -> SafeString:
    """Return the error of a typed number, as HTML. It has the same text as in the API."""
    text, example = str(escape(rejected.sentence)), grouped(rejected.example)
    return mark_safe(text.replace(escape(example), _ltr(example), 1) if example else text)


def code_label(digits: int) -> str:
    """Return the label of the field for a code of so many digits."""
    if digits == 6:
        return _("Six-digit code")
    return ngettext("%(digits)d-digit code", "%(digits)d-digit code", digits) % {"digits": digits}


def code_lead(number: str) -> SafeString:
    """Return the instruction to answer the call and to type the code. ``number`` is masked or whole."""
    return _about(_("Answer {number} and type the code you hear. It is read twice."), number)


def test_key_note(attempt: VerificationAttempt) -> str:
    """Return a note for developers about the test key, or ``""`` if the call did not use one."""
    if attempt.livemode is not False or not conf.allow_test_key(attempt.key_name) or is_own_backend():
        return ""
    return _("Test key: no phone rings. The code 000000 is right for any number, and no other code is.")


def asked_lead(masked_number: str) -> SafeString:
    """Return the sentence that names the number of a call that was not placed."""
    return _about(pgettext("phone card", "You asked for a call to {number}."), masked_number)


def doubtful_lead(number: str) -> SafeString:
    """Return the lead for a call that may not ring. ``number`` is masked or whole."""
    return _about(_("We tried to call {number}."), number)


def waiting_lead(number: str) -> SafeString:
    """Return the lead for a call that is being placed. ``number`` is masked or whole."""
    return _about(_("We are placing your call to {number}."), number)


class SecretHtml(SafeString):
    """HTML whose repr is masked, because error reports show the repr of what a template renders."""

    def __repr__(self) -> str:
        return MASK


@sensitive_variables()
def _about(text: str, number: str) -> SecretHtml:
    return SecretHtml(format_html(text, number=shown_number(number)))


def verified_elsewhere() -> str:
    """Return the message for a session that did not type the right code of its call."""
    return _("The code of this call was typed somewhere else. Start again to verify the number here.")


def code_again() -> str:
    """Return the message for a session that may not have received the response to the right code."""
    return _("The code of this call was right, but our answer may not have reached you. Type the same code again.")


def calling_again() -> str:
    return _("We are placing another call. Until it is placed, you can still type the code of the last one.")


def back_to_code(masked_number: str) -> SafeString:
    """Return the label of the button that leads from the form for another number back to the code of the call."""
    return _about(pgettext("phone card", "Back to the code for {number}"), masked_number)


def shown_number(number: str) -> SafeString:
    """Return the number as HTML. It stays on one line and reads from left to right in every language."""
    return format_html('<bdi class="telroi-phone" dir="ltr">{}</bdi>', number)


def grouped_number(number: str) -> SafeString:
    """Return a number (E.164) as HTML, in the groups of its country."""
    return shown_number(grouped(number))


def _ltr(number: str) -> SafeString:
    return format_html('<bdi class="telroi-example" dir="ltr">{}</bdi>', number)


def account_lead(name: str) -> SafeString:
    return format_html(_("It belongs to your account {account}."), account=_account(name))


def offer_lead(name: str) -> SafeString:
    """Return the sentence that offers to add the number to the account.

    It asks first, because two people may share a browser: the user who is logged in may not own the number.
    """
    text = _("It was verified in this browser a moment ago. If it is yours, you can add it to your account {account}.")
    return format_html(text, account=_account(name))


def taken_lead(name: str) -> SafeString:
    """Return the message for a user whose number belongs to another account, of theirs or of another person."""
    text = _("You are logged in as {account}. If the other account is yours too, log in there to use this number.")
    return format_html(text, account=_account(name))


def _account(name: str) -> SafeString:
    return format_html("<bdi><strong>{}</strong></bdi>", name)


def tries_left(tries: int) -> str:
    text = ngettext("%(count)d try left for this call.", "%(count)d tries left for this call.", tries)
    return text % {"count": tries}


def outcome_text(outcome: CheckOutcome, *, tries_left: int, wrong_codes_left: int | None) -> SafeString:
    """Return the sentence about a code, as HTML. It has the same text as in the API.

    The part about the error is bold, so that it stands out from the number of tries that are left.
    """
    # One sentence for pages and API, so that they cannot differ. The part about the error is what the same sentence is
    # without tries.
    full = escape(check_sentence(outcome, tries_left=tries_left, wrong_codes_left=wrong_codes_left))
    error = escape(check_sentence(outcome, tries_left=0))
    return mark_safe(full.replace(error, f"<strong>{error}</strong>", 1)) if full != error else full


def refusal_text(code: str, *, wait: int) -> SafeString:
    """Return the sentence about a rejected request, as HTML. It has the same text as in the API.

    The time and the wait are marked up for the script, which shows the time in the browser's time zone and counts the
    wait down. ``wait`` is in seconds, 0 for none.
    """
    # Safe as HTML, because everything is escaped before the marks replace parts of it.
    text = str(escape(sentence(code, retry_after=wait or None)))
    if not wait:
        return mark_safe(text)
    then = moment_after(wait)
    # A longer wait is shown in whole hours. Few people watch a clock for that long.
    ticking = (
        escape(duration(wait))
        if wait > 3600
        else format_html('<bdi class="telroi-clock" data-telroi-wait="{}">{}</bdi>', wait, duration(wait))
    )
    figures = {time_of_day(then): _time(then), duration(wait): ticking}
    for shown, marked in figures.items():
        text = text.replace(escape(shown), marked, 1)
    return mark_safe(text)


def next_call(wait: int) -> SafeString:
    """Return the sentence about the time of the next call, as HTML. ``wait`` is in seconds."""
    then = moment_after(wait)
    days = days_until(then)
    if days > 1:
        text = pgettext("phone card", "You can ask for another call at {time} on {date}.")
    elif days == 1:
        text = pgettext("phone card", "You can ask for another call tomorrow at {time}.")
    else:
        text = pgettext("phone card", "You can ask for another call at {time}.")
    return format_html(text, date=date_of(then), time=_time(then))


def _time(moment: datetime) -> SafeString:
    days, shown = days_until(moment), time_of_day(moment)
    if days > 1:
        # Without an element for the script: in the visitor's zone the moment may have another date than the named one.
        return format_html("<bdi>{}</bdi>", shown)
    # The script compares the attribute with the visitor's own day. If the visitor's zone has another date, the sentence
    # "tomorrow at …" would be wrong with the local time, so the server's time stays.
    day = mark_safe(" data-telroi-tomorrow") if days == 1 else ""
    return format_html('<bdi><time datetime="{}"{}>{}</time></bdi>', moment.isoformat(timespec="seconds"), day, shown)


def countdown(seconds: int) -> SafeString:
    """Return the text with the clock that the script counts down, as HTML. ``seconds``: until the next call."""
    clock = format_html(
        '<bdi class="telroi-clock" role="timer" data-telroi-wait="{}">{}</bdi>', seconds, clock_text(seconds)
    )
    return format_html(pgettext("phone card", "Call again in {clock}"), clock=clock)


def clock_text(seconds: int) -> str:
    """Return ``seconds`` as a clock: ``0:42``, ``22:05``, ``3:00:00``. The script writes the same format."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
