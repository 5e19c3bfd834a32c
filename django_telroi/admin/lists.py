"""Lists that cost the same for a hundred rows as for a million."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than ``MOST_COUNTED`` rows; ``has_more`` says that there are more."""

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
        return len(rows)

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        return self._counted > MOST_COUNTED


class BoundedChangeList(ChangeList):
    """Sorted by one column at a time, the way its index runs."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The row's id decides between equals, in the column's own direction: an index is read one way or the other."""
        first, *_rest = super().get_ordering(request, queryset)
        if str(first).lstrip("-") in {"pk", "id"}:
            return [first]
        return [first, "-pk" if str(first).startswith("-") else "pk"]

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        columns = super().get_ordering_field_columns()
        return dict(list(columns.items())[:1]) if self.params.get(ORDER_VAR) else columns


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


class CheapList(admin.ModelAdmin):  # type: ignore[type-arg]
    """No full count, no counts beside filters, no way to ask for every row at once; and the marks' stylesheet."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0

    class Media:
        css = {"all": ["telroi/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """Links beside the title, for whoever is asking."""
        return overview_tools(request, site=self.admin_site.name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        tools = {"telroi_tools": self.list_tools(request)}
        return super().changelist_view(request, {**tools, **(extra_context or {})})
