"""HTML for lists: status chips, masked numbers, bars of used calls, names of regions, times and links."""

from __future__ import annotations

from collections.abc import Iterable
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
from django.utils.translation import get_language, get_language_bidi, pgettext
from django.utils.translation import gettext as _

from django_telroi.admin.shared.registered import may_view
from django_telroi.domain.country_facts import country_name, name_order
from django_telroi.domain.phone import mask
from django_telroi.services.requester import plain

TONES = frozenset({"good", "wait", "bad", "info", "quiet"})
BAR_WIDTH = 74
MINUTE, HOUR, DAY = 60, 3600, 86400


def chip(words: str, tone: str) -> SafeString:
    """Return a chip. ``tone`` is its colour, one of ``TONES``. The words have the same information as the colour."""
    # A misspelt tone would be a class without a rule, and nothing would show the mistake.
    if tone not in TONES:
        raise ValueError(f"{tone!r} is not one of {', '.join(TONES)}.")
    return format_html('<span class="telroi-chip telroi-{}">{}</span>', tone, words)


def on_one_line(number: str) -> str:
    """Return the masked number with no-break spaces."""
    return mask(number).replace(" ", "\N{NO-BREAK SPACE}")


def masked_mark(number: str) -> SafeString:
    """Return the masked number on one line, left to right in every language."""
    return format_html('<bdi class="telroi-number" dir="ltr">{}</bdi>', on_one_line(number))


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


def region_name(region: str) -> str:
    """Return the name of the region in the active language, or its letters if it has no name."""
    return country_name(region, get_language() or "en")


def region_choices(regions: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of a region and its name, sorted by the name."""
    return sorted(((region, region_name(region)) for region in regions), key=lambda choice: name_order(choice[1]))


def region_mark(region: str) -> SafeString:
    """Return the name of the region. Flags are not used: Windows has no font with flags."""
    if not region:
        return format_html('<span class="telroi-soft">{}</span>', "–")
    return format_html('<span class="telroi-region">{}</span>', region_name(region))


def listed(words: Iterable[str]) -> str:
    """Join the items of a list as the active language writes it: ``Nigeria, Ghana``. Empty items are left out."""
    # Translators: what separates the items of a list, with its space.
    return pgettext("list", ", ").join(filter(None, words))


def time_words(moment: datetime) -> str:
    """Format the time of day with 24 hours in every language: ``21:38``. Support reads it to callers."""
    return f"{timezone.localtime(moment):%H:%M}"


def moment_words(moment: datetime, *, now: datetime) -> str:
    """Format a time relative to today: ``today 21:38``, ``tomorrow 09:10``, ``yesterday 22:10``, ``12 Nov 09:10``."""
    words = _moment_in(moment, now=now)
    return _("today %(time)s") % {"time": words} if _days_from(moment, now=now) == 0 else words


def moment_in_sentence(moment: datetime, *, now: datetime) -> str:
    """Format a time for a sentence or a chip: like ``moment_words``, but ``21:38`` for a time of today."""
    return _moment_in(moment, now=now)


def _moment_in(moment: datetime, *, now: datetime) -> str:
    time, days = time_words(moment), _days_from(moment, now=now)
    if days == 0:
        return time
    if days == 1:
        return _("tomorrow %(time)s") % {"time": time}
    if days == -1:
        return _("yesterday %(time)s") % {"time": time}
    # A narrow column breaks the line before the time, and not inside the day.
    return "{} {}".format(day_words(moment, now=now).replace(" ", "\N{NO-BREAK SPACE}"), time)


def _days_from(moment: datetime, *, now: datetime) -> int:
    return (timezone.localtime(moment).date() - timezone.localtime(now).date()).days


def day_words(moment: datetime, *, now: datetime) -> str:
    """Format a day: ``12 Nov``. The year is added if it is not the current one."""
    day = timezone.localtime(moment).date()
    if day.year == timezone.localtime(now).year:
        return date_format(day, pgettext("format of a day, in the letters of Django's date filter", "j M"))
    return date_format(day, pgettext("format of a day with its year, in the letters of Django's date filter", "j M Y"))


def zone_words() -> str:
    """Return the name of the time zone of all times on the page: ``Africa/Lagos (WAT)``, or only ``UTC``."""
    now = timezone.localtime()
    name, letters = timezone.get_current_timezone_name(), f"{now:%Z}"
    return name if letters == name or letters[:1] in "+-" else f"{name} ({letters})"


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


def left_to_right(number: str) -> str:
    """Return a number for text without markup. In a right-to-left language, its + and digits keep their order."""
    return f"\N{LEFT-TO-RIGHT ISOLATE}{number}\N{POP DIRECTIONAL ISOLATE}" if get_language_bidi() else number


def isolated(text: str) -> str:
    """Return text that a person wrote, for a sentence without markup: its direction does not change the sentence."""
    return f"\N{FIRST STRONG ISOLATE}{plain(text)}\N{POP DIRECTIONAL ISOLATE}"


def moment_mark(moment: datetime | None, words: str) -> SafeString:
    """Return ``words`` as a ``<time>`` element. Its title and its attribute have the exact time."""
    if moment is None:
        return format_html('<span class="telroi-soft">{}</span>', "–")
    exact = timezone.localtime(moment).isoformat(sep=" ", timespec="seconds")
    return format_html('<time class="telroi-moment" datetime="{}" title="{}">{}</time>', exact, exact, words)


def time_mark(moment: datetime | None, *, now: datetime) -> SafeString:
    """Return ``moment_words`` as a ``<time>`` element, or a dash without a moment."""
    return moment_mark(moment, moment_words(moment, now=now) if moment else "")


def page_address(model: type[Model], pk: object, *, site: AdminSite, request: HttpRequest) -> str:
    """Return the URL of the row's page, or ``""`` if ``site`` has none or the user may not view it."""
    # A link to a page that rejects the user is a dead end.
    if pk is None or not may_view(model, request, site):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=(quote(str(pk)),), current_app=site.name)
    except NoReverseMatch:
        return ""


def linked(words: str, url: str) -> SafeString:
    """Return ``words`` as a link, or as text if ``url`` is empty. ``<bdi>`` isolates their text direction."""
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, words) if url else format_html("<bdi>{}</bdi>", words)
