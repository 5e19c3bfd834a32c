"""Base classes of the admin: lists that are fast with a million rows, and read-only pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext


@dataclass(frozen=True)
class Tool:
    """A link beside the title of a list."""

    url: str
    label: str | Promise
    name: str = ""


OVERVIEW = "django_telroi_phonenumber_overview"


def overview_tools(request: HttpRequest, *, site: str) -> list[Tool]:
    """Return the link to the overview, or no link without the permission. ``site`` is the name of the AdminSite."""
    if not request.user.has_perm("django_telroi.view_overview"):
        return []
    try:
        return [Tool(url=reverse(f"admin:{OVERVIEW}", current_app=site), label=_("Overview"), name="overview")]
    except NoReverseMatch:
        return []  # an AdminSite without the list of numbers has no overview


def without_nul(query: QueryDict) -> QueryDict:
    """Return ``query`` without NUL characters. PostgreSQL rejects a query with one."""
    clean = query.copy()
    for name, values in query.lists():
        clean.setlist(name, [str(value).replace("\0", "") for value in values])
    return clean


class CheapList(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list without counts of all rows or of filters, and without "show all". It also adds our stylesheet.

    Override ``prepare_page`` to add context to the page of a row.
    """

    list_per_page = 50  # a screen or two, and half as slow to render as Django's 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0

    class Media:
        css = {"all": ["telroi/admin.css"]}

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """Return the links beside the title that the user may open."""
        return overview_tools(request, site=self.admin_site.name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Before Django reads the query: its filters pass any text to the database.
        request.GET = without_nul(request.GET)  # type: ignore[assignment]
        tools = {"telroi_tools": self.list_tools(request)}
        return super().changelist_view(request, {**tools, **(extra_context or {})})

    def prepare_page(self, request: HttpRequest, row: Any, context: dict[str, Any]) -> None:
        """Add to ``context`` what the template of the row's page needs. It is called once for each page."""

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


class ReadOnly:
    """Rejects adding, changing and deleting for all users, superusers included. Only services write.

    ``linked_lookups`` are lookups that our links use although no filter offers them.
    """

    linked_lookups: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow only the lookups of the filters. With ``startswith`` a number could be guessed digit by digit."""
        filters = getattr(self, "list_filter", ())
        if lookup in self.linked_lookups or lookup in {getattr(each, "parameter_name", None) for each in filters}:
            return True
        offered = {each if isinstance(each, str) else each[0] for each in filters if not isinstance(each, type)}
        return lookup.partition("__")[0] in offered

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Allow only the id. A list by number would show it."""
        return to_field == "id"


FARTHEST_ROW = 10_000
"""The last row that pages reach, because the database reads all rows that it skips. Filters reach older rows."""


class UncountedChangeList(ChangeList):
    """Reads one row more than a page shows, instead of counting all rows.

    If that row exists, ``has_more`` is True and ``result_count`` is a lower bound. Otherwise it is exact.
    """

    has_more: bool

    def get_filters(self, request: HttpRequest) -> Any:
        """Return Django's filters. A parameter that is not allowed redirects to the list, as a page too far does."""
        try:
            return super().get_filters(request)
        except DisallowedModelAdminLookup as error:
            # Django's answer would be a bare 400. Staff may have typed the parameter.
            words = pgettext("message", "The list has no such filter. It shows all rows.")
            messages.warning(request, words)
            raise IncorrectLookupParameters from error

    def get_results(self, request: HttpRequest) -> None:
        start = (self.page_num - 1) * self.list_per_page
        # Django shows the first page instead for this error.
        if not 0 <= start < FARTHEST_ROW:
            raise IncorrectLookupParameters
        rows: Sequence[Model] = list(self.queryset[start : start + self.list_per_page + 1])
        # Django redirects to the first page. The first page itself may be empty.
        if start and not rows:
            raise IncorrectLookupParameters
        self.has_more = len(rows) > self.list_per_page
        self.result_list = rows[: self.list_per_page]
        self.result_count = start + len(self.result_list)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all = False
        self.multi_page = self.has_more or start > 0
        # Django's template draws its links from a paginator, which needs a length. It gets the rows that are known to
        # exist.
        reachable = min(start + len(rows), FARTHEST_ROW)
        self.paginator = Paginator(range(reachable), self.list_per_page)


class OneColumnChangeList(UncountedChangeList):
    """Sorts by one column at a time, in the order of its index."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the column and the id, both in the same direction, so that one index scan gives the order."""
        # Django appends the id in descending order to any column. No index has such a mixed order, so the database
        # would sort all rows.
        first, *_rest = super().get_ordering(request, queryset)
        if str(first).lstrip("-") in {"pk", "id"}:
            return [first]
        return [first, "-pk" if str(first).startswith("-") else "pk"]

    def get_ordering_field_columns(self) -> dict[int, Literal["desc", "asc"]]:
        columns = super().get_ordering_field_columns()
        return dict(list(columns.items())[:1]) if self.params.get(ORDER_VAR) else columns


class FixedOrderChangeList(UncountedChangeList):
    """Always uses the default order. A URL cannot sort by another column."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return list(self.model_admin.get_ordering(request))


class UncountedList(CheapList):
    """A list with a fixed order, for which there is an index."""

    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FixedOrderChangeList
