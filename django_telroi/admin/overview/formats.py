"""Formatted figures of the overview, and the links from each figure to its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi import conf
from django_telroi.admin.shared.chips import left_to_right
from django_telroi.admin.shared.narrow_filters import attempts_query
from django_telroi.admin.shared.registered import may_view
from django_telroi.models import VerificationAttempt

CENTS_BELOW = 1000
"""From this cost on, cents are noise."""


def figure(value: float, *, decimals: int = 0) -> str:
    """Format a number. It is rounded first, because Django truncates the decimals."""
    return str(number_format(round(value, decimals), decimals, use_l10n=True, force_grouping=True))


def percent(share: float | None) -> str:
    return "–" if share is None else left_to_right(_("%(share)s%%") % {"share": figure(100 * share, decimals=1)})


def seconds_words(seconds: float | None) -> str:
    # With a space at which no line breaks.
    return "–" if seconds is None else (_("%(count)s s") % {"count": figure(seconds)}).replace(" ", "\u00a0")


def money(cost: float | None) -> str:
    """Format an estimated cost with the currency of the site, or return ``""`` without prices."""
    if cost is None:
        return ""
    amount = figure(cost, decimals=2 if cost < CENTS_BELOW else 0)
    currency = conf.call_price_currency()
    words = {"amount": amount, "currency": currency}
    return pgettext("estimated cost", "≈ %(amount)s %(currency)s") % words if currency else f"≈ {amount}"


@dataclass(frozen=True)
class Figure:
    """A formatted figure. ``url``: the list of exactly the attempts that it counts, or ``""``."""

    text: str
    url: str = ""

    @property
    def mark(self) -> SafeString:
        # Not an included template, which takes ten times as long, for some hundred figures.
        return format_html('<a href="{}">{}</a>', self.url, self.text) if self.url else format_html("{}", self.text)


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the page. ``note`` explains what it is a part of, ``before`` is the period before."""

    label: str
    value: str
    note: str = ""
    url: str = ""
    before: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row of a table of calls: by region, by purpose, or of a ranking.

    ``is_number``: the name is a number or a prefix, which is shown on one line and left to right in every language.
    ``warning``: why the share stands out, or ``""``. ``cost`` and ``before`` are ``""`` in tables without them.
    """

    name: str
    calls: Figure
    placed: Figure
    verified: Figure
    share: str
    bar: SafeString
    cost: str = ""
    before: str = ""
    warning: str = ""
    is_number: bool = False


@dataclass(frozen=True)
class AttemptLinks:
    """Makes links to the attempts of a period. ``address``: the URL of their list, empty if the user may not see it."""

    address: str = ""

    def to(self, since: datetime, until: datetime, **filters: str) -> str:
        return f"{self.address}?{attempts_query(since=since, until=until, **filters)}" if self.address else ""


def links_for(request: HttpRequest, site: AdminSite) -> AttemptLinks:
    """Return the links for this user on this admin site. A link to a page with 403 would be a dead end."""
    if not may_view(VerificationAttempt, request, site):
        return AttemptLinks()
    return AttemptLinks(site_url(site, "verificationattempt_changelist"))


def site_url(site: AdminSite, page: str, arguments: Sequence[object] = ()) -> str:
    """Return the URL of a page of this app on ``site``, ``""`` if the site does not have it."""
    try:
        return reverse(f"admin:django_telroi_{page}", args=arguments, current_app=site.name)
    except NoReverseMatch:
        return ""
