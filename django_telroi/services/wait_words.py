"""The words for a wait: how long it takes, and at which time of day it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

__all__ = ["duration", "go_on_sentence", "time_of_day", "wait_sentence"]

MINUTE, HOUR = 60, 3600


def wait_sentence(seconds: int) -> str:
    """Return when another call can be requested: the time of day in the active time zone, and how long that takes.

    The site's own time zone is named, because the person may be in another one. See ``time_of_day``.
    """
    if seconds < MINUTE:
        return _("You can ask for another call in %(wait)s.") % _words_of(seconds)
    if _is_tomorrow(seconds):
        return _("You can ask for another call tomorrow at %(time)s, in %(wait)s.") % _words_of(seconds)
    return _("You can ask for another call at %(time)s, in %(wait)s.") % _words_of(seconds)


def go_on_sentence(seconds: int) -> str:
    """Return when to go on. It fits a person who wanted a call and a person who wanted to type a code."""
    if seconds < MINUTE:
        return _("Try again in %(wait)s.") % _words_of(seconds)
    if _is_tomorrow(seconds):
        return _("Try again tomorrow at %(time)s, in %(wait)s.") % _words_of(seconds)
    return _("Try again at %(time)s, in %(wait)s.") % _words_of(seconds)


def _words_of(seconds: int) -> dict[str, str]:
    return {"time": time_of_day(_moment_in(seconds)), "wait": duration(seconds)}


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


def _is_tomorrow(seconds: int) -> bool:
    return _moment_in(seconds).date() > timezone.localdate()


def _moment_in(seconds: int) -> datetime:
    return timezone.localtime(timezone.now() + timedelta(seconds=seconds))


def duration(seconds: int) -> str:
    """Return a wait in its largest unit, rounded up, so that the person does not come back too early."""
    if seconds < MINUTE:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if seconds < HOUR:
        minutes = -(-seconds // MINUTE)
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = -(-seconds // HOUR)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
