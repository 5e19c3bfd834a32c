"""Lists that cost the same for a hundred rows as for a million."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Tool:
    """A link beside the title of a list."""

    url: str
    label: str | Promise
    name: str = ""


OVERVIEW = "django_telroi_phonenumber_overview"


def overview_tools(request: HttpRequest, *, site: str) -> list[Tool]:
    """The link to the overview, for whoever may see it; ``site`` is the name of the AdminSite."""
    if not request.user.has_perm("django_telroi.view_overview"):
        return []
    try:
        return [Tool(url=reverse(f"admin:{OVERVIEW}", current_app=site), label=_("Overview"), name="overview")]
    except NoReverseMatch:
        return []  # a site without the list of numbers has no overview


def without_nul(asked: QueryDict) -> QueryDict:
    """The same without the one character that PostgreSQL takes in no text, and breaks off at."""
    clean = asked.copy()
    for name, values in asked.lists():
        clean.setlist(name, [str(value).replace("\0", "") for value in values])
    return clean


class CheapList(admin.ModelAdmin):  # type: ignore[type-arg]
    """No full count, no counts beside filters, no way to ask for every row at once; and the marks' stylesheet.

    What the page of a row needs besides the row is read once, in ``prepare_page``.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0

    class Media:
        css = {"all": ["telroi/admin.css"]}

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """Links beside the title, for whoever is asking."""
        return overview_tools(request, site=self.admin_site.name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.GET = without_nul(request.GET)  # type: ignore[assignment]
        tools = {"telroi_tools": self.list_tools(request)}
        return super().changelist_view(request, {**tools, **(extra_context or {})})

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        """Add what the page of a row is drawn from besides the row."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - as Django calls it
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            self.prepare_page(request, obj, context)
        return super().render_change_form(request, context, add, change, form_url, obj)
