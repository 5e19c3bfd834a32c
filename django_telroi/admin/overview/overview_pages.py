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
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from django_telroi.admin.overview.overview_parts import Page
from django_telroi.admin.shared.export import csv_response
from django_telroi.admin.shared.lists import OVERVIEW
from django_telroi.services.statistics.figures import CurrentCounts, current_counts, statistics_of
from django_telroi.services.statistics.periods import Group, Outcome, Period, Statistics

HEAD = ("part", "name", "measure", "value")
REST = "(all others)"

Row = tuple[str, str, str, object]


def csv_of(figures: Statistics, current: CurrentCounts, *, request: HttpRequest) -> StreamingHttpResponse:
    """Return a CSV download. Its file name has the period and its end."""
    name = f"telroi-overview-{figures.period}-{figures.until:%Y%m%dT%H%M%SZ}.csv"
    return csv_response(name, HEAD, rows_of(figures, current), request=request)


def rows_of(figures: Statistics, current: CurrentCounts) -> Iterator[Row]:
    """Yield the figures of the page in the same order. Shares are from 0 to 1, times are ISO 8601."""
    yield "period", figures.period, "since", _moment(figures.since)
    yield "period", figures.period, "until", _moment(figures.until)
    yield from _group("all", "", figures.total)
    yield "all", "", "median_seconds", _rounded(figures.median_seconds)
    yield "all", "", "unknown_share", _rounded(figures.unknown_share)
    yield "all", "", "refused", figures.refused
    yield from _current(current)
    for bar in figures.bars:
        for outcome in Outcome:
            yield "calls", _moment(bar.start), outcome, bar.counts.get(outcome, 0)
    for group in figures.regions:
        yield from _group("region", group.name, group)
    for group in figures.purposes:
        yield from _group("purpose", group.name, group)
    for refused in figures.refusals:
        yield "refusals", refused.code, "times", refused.times
    for alerted in figures.alerts:
        yield "alerts", alerted.kind, "times", alerted.times


def _current(current: CurrentCounts) -> Iterator[Row]:
    for rule, count in current.limited.items():
        yield "numbers limited now", rule, "numbers", count
    yield "waiting now", "", "requests", current.waiting
    for pumped in current.pumped:
        yield "pumped in the last hour", pumped.prefix, "calls", pumped.calls
        yield "pumped in the last hour", pumped.prefix, "verified", pumped.verified


def _group(part: str, name: str, group: Group) -> Iterator[Row]:
    name = REST if group.is_rest else name
    yield part, name, "requested", group.calls
    yield part, name, "placed", group.placed
    yield part, name, "verified", group.verified
    yield part, name, "verified_share", _rounded(group.share)


def _moment(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


def _rounded(value: float | None) -> float | None:
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
        period = _period_in(request)
        page = Page(statistics_of(period), current_counts())
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Overview"),
            "opts": self.opts,
            "media": self.media,
            "page": page,
            "periods": [(each.value, name, each is period) for each, name in PERIOD_NAMES.items()],
            "export_url": self._export_url(request, period),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_telroi/overview.html", context)

    def overview_csv_view(self, request: HttpRequest) -> StreamingHttpResponse:
        if not request.user.has_perms(["django_telroi.view_overview", "django_telroi.export_attempts"]):
            raise PermissionDenied
        return csv_of(statistics_of(_period_in(request)), current_counts(), request=request)

    def _export_url(self, request: HttpRequest, period: Period) -> str:
        if not request.user.has_perm("django_telroi.export_attempts"):
            return ""
        return f"{reverse(f'admin:{EXPORT}', current_app=self.admin_site.name)}?period={period}"


def _period_in(request: HttpRequest) -> Period:
    """Return the period in the URL, or a day if it is missing or invalid."""
    try:
        return Period(request.GET.get("period", ""))
    except ValueError:
        return Period.DAY
