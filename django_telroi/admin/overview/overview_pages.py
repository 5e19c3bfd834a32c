"""The overview of all calls, as a page and as a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_safe

from django_telroi.admin.overview.attacks import attack_notices, may_block
from django_telroi.admin.overview.formats import links_for, site_url
from django_telroi.admin.overview.overview_parts import Page
from django_telroi.admin.overview.ranking_tables import kinds_shown, named, ranking_tables
from django_telroi.admin.shared.export import csv_response
from django_telroi.admin.shared.lists import OVERVIEW
from django_telroi.admin.shared.log_entries import log_export
from django_telroi.services.statistics.figures import CurrentCounts, current_counts, statistics_of
from django_telroi.services.statistics.periods import Group, Outcome, Period, Statistics

HEAD = ("part", "name", "measure", "value")
REST = "(all others)"

Row = tuple[str, str, str, object]


def csv_of(
    figures: Statistics, current: CurrentCounts, *, request: HttpRequest, shows_attempts: bool
) -> StreamingHttpResponse:
    """Return a CSV download. Its file name has the period and its end.

    ``shows_attempts``: the user may view attempts, so the file ranks users, addresses and numbers as the page does.
    """
    name = f"telroi-overview-{figures.period}-{figures.until:%Y%m%dT%H%M%SZ}.csv"
    return csv_response(name, HEAD, csv_rows_of(figures, current, shows_attempts=shows_attempts), request=request)


def csv_rows_of(figures: Statistics, current: CurrentCounts, *, shows_attempts: bool) -> Iterator[Row]:
    """Yield the rows of the CSV file, in the order of the page. Shares are from 0 to 1, times are ISO 8601."""
    # Long form, one figure a line. A spreadsheet can filter and pivot it, and a new figure changes no column.
    yield "period", figures.period, "since", _moment(figures.since)
    yield "period", figures.period, "until", _moment(figures.until)
    yield from _group("all", "", figures.total)
    yield "all", "", "median_seconds", _round(figures.median_seconds)
    yield "all", "", "unknown_share", _round(figures.unknown_share)
    yield "all", "", "refused", figures.refused
    yield from _current(current)
    for bar in figures.bars:
        for outcome in Outcome:
            yield "calls", _moment(bar.start), outcome, bar.counts.get(outcome, 0)
    yield from _rankings(figures, shows_attempts=shows_attempts)
    for group in figures.regions:
        yield from _group("region", group.name, group)
    for group in figures.purposes:
        yield from _group("purpose", group.name, group)
    for group in figures.keys:
        yield from _group("key", group.name, group)
    for refused in figures.refusals:
        yield "refusals", refused.code, "times", refused.times
    for alerted in figures.alerts:
        yield "alerts", alerted.kind, "times", alerted.times


def _rankings(figures: Statistics, *, shows_attempts: bool) -> Iterator[Row]:
    """Yield the rankings with the names of the page: numbers are masked."""
    yield "rankings", "", "since", _moment(figures.ranked_since)
    for kind in kinds_shown(shows_attempts=shows_attempts):
        part = f"{kind} with most calls"
        for ranked, shown in named(kind, figures):
            # Without "+", which would begin a formula in a spreadsheet.
            name = shown.removeprefix("+")
            yield part, name, "requested", ranked.calls
            yield part, name, "requested before", ranked.calls_before
            yield part, name, "placed", ranked.placed
            yield part, name, "verified", ranked.verified
            yield part, name, "verified_share", _round(ranked.share)
            if ranked.cost is not None:
                yield part, name, "estimated_cost", _round(ranked.cost)


def _current(current: CurrentCounts) -> Iterator[Row]:
    for rule, count in current.limited.items():
        yield "numbers limited now", rule, "numbers", count
    yield "waiting now", "", "requests", current.waiting
    for pumped in current.pumped:
        # Without "+", which would begin a formula in a spreadsheet.
        name = pumped.destination.removeprefix("+")
        yield "pumped in the last hour", name, "calls", pumped.calls
        yield "pumped in the last hour", name, "verified", pumped.verified


def _group(part: str, name: str, group: Group) -> Iterator[Row]:
    name = REST if group.is_rest else name
    yield part, name, "requested", group.calls
    yield part, name, "placed", group.placed
    yield part, name, "verified", group.verified
    yield part, name, "verified_share", _round(group.share)


def _moment(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


EXPORT = f"{OVERVIEW}_export"
PERIOD_NAMES = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.MONTH: gettext_lazy("30 days"),
}


class OverviewPages(admin.ModelAdmin):  # type: ignore[type-arg]
    """The views of the overview. They belong to the admin of numbers, so each AdminSite with numbers has them."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("overview/", view(require_safe(self.overview_view)), name=OVERVIEW),
            path("overview/csv/", view(require_safe(self.overview_csv_view)), name=EXPORT),
            *super().get_urls(),
        ]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("django_telroi.view_overview"):
            raise PermissionDenied
        # Without the second permission the page has no link to the file.
        period = _period_in(request)
        may_export = request.user.has_perm("django_telroi.export_attempts")
        url = reverse(f"admin:{EXPORT}", current_app=self.admin_site.name)
        links, current = links_for(request, self.admin_site), current_counts()
        numbers_url = site_url(self.admin_site, "phonenumber_changelist") if self.has_view_permission(request) else ""
        page = Page(statistics_of(period), current, links, numbers_url=numbers_url)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Overview"),
            "opts": self.opts,
            "media": self.media,
            "page": page,
            "rankings": ranking_tables(page.figures, links),
            "attacks": attack_notices(current.pumped, request=request, site=self.admin_site, now=current.now),
            "destinations_url": site_url(self.admin_site, "destinations") if may_block(request) else "",
            "periods": [(each.value, name, each is period) for each, name in PERIOD_NAMES.items()],
            "export_url": f"{url}?period={period}" if may_export else "",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_telroi/overview.html", context)

    def overview_csv_view(self, request: HttpRequest) -> StreamingHttpResponse:
        # Both: the file has the figures of the page, and leaves the site as any export does.
        if not request.user.has_perms(["django_telroi.view_overview", "django_telroi.export_attempts"]):
            raise PermissionDenied
        shows_attempts = bool(links_for(request, self.admin_site).address)
        period = _period_in(request)
        figures = statistics_of(period)
        if request.method == "GET":
            exported = pgettext("admin log", "Exported the overview as CSV: %(period)s")
            log_export(request, exported % {"period": PERIOD_NAMES[period]})
        return csv_of(figures, current_counts(), request=request, shows_attempts=shows_attempts)


def _period_in(request: HttpRequest) -> Period:
    """Return the period in the URL, or a day if it is missing or invalid."""
    try:
        return Period(request.GET.get("period", ""))
    except ValueError:
        return Period.DAY
