"""HTML of an attempt's columns in a list. All values are escaped."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi.admin.shared.chips import chip
from django_telroi.admin.shared.filters import PurposeFilter
from django_telroi.admin.shared.meanings import error_name
from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.requester import plain
from django_telroi.services.shared.outcomes import ErrorCode

TONES: dict[Status, str] = {
    Status.QUEUED: "info",
    Status.DIALING: "info",
    Status.PLACED: "info",
    Status.UNKNOWN: "wait",
    Status.VERIFIED: "good",
    Status.LOCKED: "bad",
    Status.FAILED: "bad",
    Status.EXPIRED: "wait",
    Status.CANCELED: "quiet",
    Status.SUPERSEDED: "quiet",
}
MINUTE = 60


def status_chip(attempt: VerificationAttempt) -> SafeString:
    """Return the status as a chip."""
    # The code was right, but the number was not added. Green would tell staff that all is well.
    taken = attempt.error_code == ErrorCode.NUMBER_TAKEN
    # The full name, "replaced by a newer call", would need two lines in a list.
    is_replaced = attempt.status == Status.SUPERSEDED
    words = pgettext("status of an attempt", "replaced") if is_replaced else str(attempt.get_status_display())
    return chip(words, "wait" if taken else TONES[Status(attempt.status)])


def status_and_error(attempt: VerificationAttempt) -> SafeString:
    """Return the status as a chip, with the error below it."""
    if not attempt.error_code:
        return status_chip(attempt)
    error = plain(error_name(attempt.error_code))
    return format_html('{} <span class="telroi-error"><bdi>{}</bdi></span>', status_chip(attempt), error)


def requester(name: str, purpose: str) -> SafeString:
    """Return the user and the purpose. The purpose is a link to all attempts with it."""
    words = format_html('<bdi class="telroi-name">{}</bdi>', name) if name else none()
    return format_html("{} {}", words, purpose_link(purpose)) if purpose else words


def purpose_link(purpose: str, *, listed: str = "") -> SafeString:
    """Return a link to the attempts with ``purpose``. ``listed`` is the URL of their list, if this is another page."""
    query = urlencode({PurposeFilter.parameter_name: purpose})
    return format_html('<a href="{}?{}" class="telroi-small"><bdi>{}</bdi></a>', listed, query, plain(purpose) or "?")


def tries(attempt: VerificationAttempt) -> SafeString:
    return format_html('<bdi class="telroi-figures" dir="ltr">{} / {}</bdi>', attempt.tries, attempt.max_tries)


def with_label(label: str, mark: SafeString) -> SafeString:
    """Return ``mark`` with a label, which is visible on narrow screens, where the list has no head."""
    return format_html('<span class="telroi-label">{}</span> {}', label, mark)


def took(attempt: VerificationAttempt) -> SafeString:
    """Return the time from the request until the provider accepted the call, and until the right code."""
    placed = span(attempt.created_at, attempt.placed_at)
    verified = span(attempt.created_at, attempt.verified_at)
    if not (placed or verified):
        return none()
    return format_html(
        '<bdi class="telroi-took" dir="ltr"><span><bdi>{}</bdi> →</span> <span><bdi>{}</bdi></span></bdi>',
        placed or "–",
        verified or "–",
    )


def small(words: str) -> SafeString:
    return format_html('<span class="telroi-small">{}</span>', words)


def none() -> SafeString:
    """Return a dash, for an empty column."""
    return format_html('<span class="telroi-soft">{}</span>', "–")


def span(start: datetime, end: datetime | None) -> str:
    """Format a duration: ``0.8 s``, ``31 s``, ``4 min 05 s``, ``2 h 10 min``; ``""`` if ``end`` is None."""
    if end is None:
        return ""
    # Tenths only below 10 s, where they are a visible part of the time. Negative if a clock was set back.
    length = end - start
    seconds = max(0, length // timedelta(seconds=1))
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": number_format(max(0.0, length.total_seconds()), decimal_pos=1)}
    if seconds < MINUTE:
        return _("%(seconds)s s") % {"seconds": seconds}
    minutes, seconds = divmod(seconds, MINUTE)
    if minutes < MINUTE:
        return _("%(minutes)d min %(seconds)02d s") % {"minutes": minutes, "seconds": seconds}
    hours, minutes = divmod(minutes, MINUTE)
    return _("%(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": minutes}
