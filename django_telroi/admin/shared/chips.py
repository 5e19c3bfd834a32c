"""HTML for lists: status chips, bars of used calls, flags of regions, times and links."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

TONES = frozenset({"good", "wait", "bad", "info", "quiet"})
BAR_WIDTH = 74
FIRST_INDICATOR = ord("\N{REGIONAL INDICATOR SYMBOL LETTER A}")
MINUTE, HOUR, DAY = 60, 3600, 86400


def chip(words: str, tone: str) -> SafeString:
    """Return a chip. ``tone`` is its colour, one of ``TONES``. The words have the same information as the colour."""
    if tone not in TONES:
        raise ValueError(f"{tone!r} is not one of {', '.join(TONES)}.")
    return format_html('<span class="telroi-chip telroi-{}">{}</span>', tone, words)


def bar(used: int, allowed: int, *, width: int = BAR_WIDTH) -> SafeString:
    """Return a bar of ``used`` / ``allowed``, with the figures beside it. ``width`` is in pixels."""
    filled = round(width * min(used, allowed) / allowed, 1)
    return format_html(
        '<span class="telroi-used"><svg class="telroi-bar{}" viewBox="0 0 {} 8" width="{}" height="8" '
        'aria-hidden="true" focusable="false"><rect class="telroi-bar-ground" width="{}" height="8" rx="4"/>'
        '<rect class="telroi-bar-used" width="{}" height="8" rx="4"/></svg> <bdi dir="ltr">{} / {}</bdi></span>',
        " telroi-full" if used >= allowed else "",
        width,
        width,
        width,
        filled,
        used,
        allowed,
    )


def country_flag(region: str) -> str:
    """Return the flag of a region, or ``""``. A font without flags shows the two letters instead."""
    if len(region) != 2 or not (region.isascii() and region.isalpha()):
        return ""
    return "".join(chr(FIRST_INDICATOR + ord(letter) - ord("A")) for letter in region.upper())


def region_mark(region: str) -> SafeString:
    """Return the flag and the code of the region. The code is needed because fonts may lack flags."""
    if not region:
        return format_html('<span class="telroi-soft">{}</span>', "–")
    return format_html(
        '<span class="telroi-region"><span class="telroi-flag" aria-hidden="true">{}</span> {}</span>',
        country_flag(region),
        region,
    )


def clock_time(seconds: int) -> str:
    """Format seconds: ``0:42``, ``22:05``, ``3:00:00``."""
    minutes, rest = divmod(max(0, seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment_words(moment: datetime, *, now: datetime) -> str:
    """Format a time relative to today: ``14:05``, ``tomorrow 09:10``, ``yesterday 22:10``, ``12 Nov 09:10``."""
    then, today = timezone.localtime(moment), timezone.localtime(now).date()
    time, days = date_format(then, "TIME_FORMAT"), (then.date() - today).days
    if days == 0:
        return time
    if days == 1:
        return _("tomorrow %(time)s") % {"time": time}
    if days == -1:
        return _("yesterday %(time)s") % {"time": time}
    return _("%(day)s, %(time)s") % {"day": day_words(then, now=now), "time": time}


def day_words(moment: datetime, *, now: datetime) -> str:
    """Format a day: ``12 November``. The year is added if it is not the current one."""
    day = timezone.localtime(moment).date()
    return date_format(day, "MONTH_DAY_FORMAT" if day.year == timezone.localtime(now).year else "DATE_FORMAT")


def ago_words(moment: datetime, *, now: datetime) -> str:
    """Format an age: ``18 s ago``, ``6 min ago``, ``3 h ago``. From 24 hours on, format the time itself."""
    seconds = int((now - moment) / timedelta(seconds=1))
    if not 0 <= seconds < DAY:
        return moment_words(moment, now=now)
    if seconds < MINUTE:
        return _("%(count)d s ago") % {"count": seconds}
    if seconds < HOUR:
        return _("%(count)d min ago") % {"count": seconds // MINUTE}
    return _("%(count)d h ago") % {"count": seconds // HOUR}


def moment_mark(moment: datetime | None, words: str) -> SafeString:
    """Return ``words`` as a ``<time>`` element. Its title and its attribute have the exact time."""
    if moment is None:
        return format_html('<span class="telroi-soft">{}</span>', "–")
    then = timezone.localtime(moment)
    return format_html(
        '<time class="telroi-moment" datetime="{}" title="{}">{}</time>',
        then.isoformat(timespec="seconds"),
        date_format(then, "DATETIME_FORMAT"),
        words,
    )


def ago_mark(moment: datetime | None, *, now: datetime) -> SafeString:
    return moment_mark(moment, ago_words(moment, now=now) if moment else "")


def page_address(model: type[Model], pk: object, *, site: AdminSite, request: HttpRequest) -> str:
    """Return the URL of the row's page, or ``""`` if ``site`` has none or the user may not view it."""
    page = site._registry.get(model)
    if pk is None or page is None or not page.has_view_permission(request):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=(quote(str(pk)),), current_app=site.name)
    except NoReverseMatch:
        return ""


def linked(words: str, url: str) -> SafeString:
    """Return ``words`` as a link, or as text if ``url`` is empty. ``<bdi>`` isolates their text direction."""
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, words) if url else format_html("<bdi>{}</bdi>", words)
