"""The last 24 hours of a number, drawn: the calls that count, and when each of them counts no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_telroi.domain.policy import DAY, HOUR

WIDTH, HEIGHT, EDGE = 960, 64, 8
HOURS_BETWEEN_MARKS = 3


@dataclass(frozen=True)
class Slot:
    """A call that counts. ``leaves_hour`` is None once it is older than an hour."""

    at: datetime
    leaves_hour: datetime | None
    leaves_day: datetime


def slots(moments: Sequence[datetime], *, now: datetime) -> list[Slot]:
    """The calls of the last day, newest first, and when each frees its place in the hour and in the day."""
    return [Slot(at, at + HOUR if at + HOUR > now else None, at + DAY) for at in moments if at + DAY > now]


def strip(moments: Sequence[datetime], *, now: datetime) -> SafeString:
    """A strip of 24 hours that ends now, in SVG: its title and description say in words what it shows.

    Nothing in it has a style of its own, so that a strict content security policy holds.
    """
    counted = [slot.at for slot in slots(moments, now=now)]
    return format_html(
        '<svg class="telroi-strip" viewBox="0 0 {width} {height}" role="img" aria-labelledby="telroi-strip-title '
        'telroi-strip-desc" focusable="false"><title id="telroi-strip-title">{title}</title>'
        '<desc id="telroi-strip-desc">{description}</desc>'
        '<rect class="telroi-strip-day" x="{edge}" y="12" width="{inner}" height="40" rx="6"/>'
        '<rect class="telroi-strip-hour" x="{hour}" y="12" width="{hour_width}" height="40" rx="6"/>'
        "{marks}{calls}</svg>",
        width=WIDTH,
        height=HEIGHT,
        title=_("Calls that count, last 24 hours"),
        description=_description(counted),
        edge=EDGE,
        inner=WIDTH - 2 * EDGE,
        hour=_x(now - HOUR, now),
        hour_width=round(WIDTH - EDGE - _x(now - HOUR, now), 1),
        marks=format_html_join(
            "",
            '<line class="telroi-strip-mark" x1="{0}" y1="12" x2="{0}" y2="52"/>',
            ((_x(at, now),) for at in _marks(now)),
        ),
        calls=format_html_join(
            "",
            '<line class="telroi-strip-call" x1="{0}" y1="6" x2="{0}" y2="58"><title>{1}</title></line>',
            ((_x(at, now), date_format(timezone.localtime(at), "TIME_FORMAT")) for at in counted),
        ),
    )


def strip_labels(now: datetime) -> list[str]:
    """What stands below the strip: the time of its beginning, three between, and now."""
    times = [now - timedelta(hours=hours) for hours in (24, 18, 12, 6)]
    return [*(date_format(timezone.localtime(at), "TIME_FORMAT") for at in times), _("now")]


def _description(counted: Sequence[datetime]) -> str:
    if not counted:
        return _("No call counts.")
    words = ngettext("%(count)d call counts, at %(times)s.", "%(count)d calls count, at %(times)s.", len(counted))
    times = ", ".join(date_format(timezone.localtime(at), "TIME_FORMAT") for at in reversed(counted))
    return words % {"count": len(counted), "times": times}


def _marks(now: datetime) -> Iterator[datetime]:
    return (now - timedelta(hours=hours) for hours in range(HOURS_BETWEEN_MARKS, 24, HOURS_BETWEEN_MARKS))


def _x(moment: datetime, now: datetime) -> float:
    """Where a moment of the last day is; what a clock that stepped back put ahead of now is at the end."""
    share = min(1.0, max(0.0, 1 - (now - moment) / DAY))
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)
