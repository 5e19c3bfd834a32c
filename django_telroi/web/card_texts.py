"""Texts of the cards. ``services.sentences`` has the sentences about rejected requests and about outcomes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_telroi import conf
from django_telroi.backends import is_own_backend, spoken_length
from django_telroi.domain.phone import LineType
from django_telroi.services import CheckOutcome
from django_telroi.services.sentences import check_sentence, duration, sentence, time_of_day


def number_lead() -> str:
    """Return the sentence that announces the call."""
    digits = spoken_length(conf.code_length()).expected
    if digits == 6:
        return _("We call you and read out a code of six digits.")
    return _("We call you and read out a code of %(digits)d digits.") % {"digits": digits}


def no_cookie() -> str:
    """Return the reason for rejecting a form that came without the CSRF cookie."""
    return _(
        "Your browser did not send the cookie of this site. Allow cookies for this site, then send the form again."
    )


def lost_call() -> str:
    """Return the message for a session that does not know the call."""
    return _("This site does not know your last call any more. Allow cookies for this site, or ask for another call.")


def lost_number() -> str:
    """Return the message for a session that does not know the number that was typed."""
    return _("This site does not know your last answer any more. Allow cookies, then send the form again.")


def number_hint() -> str:
    """Return the hint on how to write a number. It depends on ``DEFAULT_REGION`` and on the allowed line types."""
    if conf.default_region():
        return _("From abroad, start with + and the country code.")
    if LineType.FIXED_LINE in conf.calling_rules().allowed_line_types:
        return _("With country code. Landlines work too.")
    return _("With country code.")


def code_label(code_length: int) -> str:
    """Return the label of the code field, for a call that was requested with ``code_length`` digits."""
    digits = spoken_length(code_length).expected
    return _("Six-digit code") if digits == 6 else _("%(digits)d-digit code") % {"digits": digits}


def code_lead(masked_number: str) -> SafeString:
    """Return the instruction to answer the call and to type the code."""
    return format_html(_("Answer {} and type the code you hear. It is read twice."), shown_number(masked_number))


def test_key_note(livemode: bool | None) -> str:  # noqa: FBT001 - the column's own three values
    """Return a note for developers about the test key, or ``""`` if the call did not use one."""
    if livemode is not False or not conf.allow_test_key() or is_own_backend():
        return ""
    return _("Test key: no phone rings. The code 000000 is right for any number, and no other code is.")


def doubtful_lead(masked_number: str) -> SafeString:
    return format_html(_("We tried to call {}."), shown_number(masked_number))


def waiting_lead(masked_number: str) -> SafeString:
    return format_html(_("We are placing your call to {}."), shown_number(masked_number))


def verified_elsewhere() -> str:
    """Return the message for a session that did not type the right code of its call."""
    return _("The code of this call was typed somewhere else. Start again to verify the number here.")


def code_again() -> str:
    """Return the message for a session that may not have received the response to the right code."""
    return _("The code of this call was right, but our answer may not have reached you. Type the same code again.")


def calling_again() -> str:
    return _("We are placing another call. Until it is placed, you can still type the code of the last one.")


def shown_number(masked_number: str) -> SafeString:
    """Return the number as HTML. It stays on one line and reads from left to right in every language."""
    return format_html('<bdi class="telroi-phone" dir="ltr">{}</bdi>', masked_number)


def account_lead(name: str) -> SafeString:
    return format_html(_("It belongs to your account {}."), _account(name))


def offer_lead(name: str) -> SafeString:
    """Return the sentence that offers to add the number to the account.

    It asks first, because two people may share a browser: the user who is logged in may not own the number.
    """
    text = _("It was verified in this browser a moment ago. If it is yours, you can add it to your account {}.")
    return format_html(text, _account(name))


def taken_lead(name: str) -> SafeString:
    """Return the message for a user whose number belongs to another account, of theirs or of another person."""
    text = _("You are logged in as {}. If the other account is yours too, log in there to use this number.")
    return format_html(text, _account(name))


def _account(name: str) -> SafeString:
    return format_html("<bdi><strong>{}</strong></bdi>", name)


def tries_left(tries: int) -> str:
    text = ngettext("%(count)d try left for this call.", "%(count)d tries left for this call.", tries)
    return text % {"count": tries}


def outcome_text(outcome: CheckOutcome, *, tries_left: int) -> SafeString:
    """Return the sentence about a code, as HTML. It has the same text as in the API.

    The part about the error is bold, so that it stands out from the number of tries that are left.
    """
    full = escape(check_sentence(outcome, tries_left=tries_left))
    error = escape(check_sentence(outcome, tries_left=0))
    return mark_safe(full.replace(error, f"<strong>{error}</strong>", 1)) if full != error else full


def refusal_text(code: str, *, wait: int) -> SafeString:
    """Return the sentence about a rejected request, as HTML. It has the same text as in the API.

    The time and the wait are marked up for the script, which shows the time in the browser's time zone and counts the
    wait down. ``wait`` is in seconds, 0 for none.
    """
    text = str(escape(sentence(code, retry_after=wait or None)))
    if not wait:
        return mark_safe(text)
    then = timezone.localtime(timezone.now() + timedelta(seconds=wait))
    figures = {time_of_day(then): _time(then), duration(wait): _ticking(wait)}
    for shown, marked in figures.items():
        text = text.replace(escape(shown), marked, 1)
    return mark_safe(text)


def _time(moment: datetime) -> SafeString:
    day = mark_safe(" data-telroi-tomorrow") if moment.date() > timezone.localdate() else ""
    return format_html(
        '<time datetime="{}"{}>{}</time>', moment.isoformat(timespec="seconds"), day, time_of_day(moment)
    )


def _ticking(seconds: int) -> SafeString:
    """Return the wait as HTML. Only waits of an hour or less count down."""
    if seconds > 3600:
        return escape(duration(seconds))
    return format_html('<span class="telroi-clock" data-telroi-wait="{}">{}</span>', seconds, duration(seconds))


def clock_text(seconds: int) -> str:
    """Return ``seconds`` as a clock: ``0:42``, ``22:05``, ``3:00:00``. The script writes the same format."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
