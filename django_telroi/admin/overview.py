"""The overview: who is spending, does it work, and is somebody attacking us."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from django_telroi.admin.lists import OVERVIEW
from django_telroi.admin.overview_csv import csv_of
from django_telroi.admin.overview_parts import Page
from django_telroi.services.figures import figures
from django_telroi.services.period import Period
from django_telroi.services.rightnow import right_now

EXPORT = f"{OVERVIEW}_export"
PERIOD_NAMES = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.MONTH: gettext_lazy("30 days"),
}


class OverviewPages(admin.ModelAdmin):  # type: ignore[type-arg]
    """Hangs the overview on the list of numbers, so that every AdminSite with the one has the other."""

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
        page = Page(figures(period), right_now())
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
        return csv_of(figures(_period_in(request)), right_now(), request=request)

    def _export_url(self, request: HttpRequest, period: Period) -> str:
        if not request.user.has_perm("django_telroi.export_attempts"):
            return ""
        return f"{reverse(f'admin:{EXPORT}', current_app=self.admin_site.name)}?period={period}"


def _period_in(request: HttpRequest) -> Period:
    """Of an address that names none of ours, a day."""
    try:
        return Period(request.GET.get("period", ""))
    except ValueError:
        return Period.DAY
