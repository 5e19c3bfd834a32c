"""Lists that stay fast at a million rows, and pages that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_telroi.domain.phone import mask


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


def on_one_line(number: str) -> str:
    """The masked number, which no narrow column breaks."""
    return mask(number).replace(" ", "\N{NO-BREAK SPACE}")


def masked_mark(number: str) -> SafeString:
    """The masked number on one line, which reads from left to right in every language."""
    return format_html('<bdi class="telroi-number" dir="ltr">{}</bdi>', on_one_line(number))


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions: only services write.

    ``linked_lookups`` are look-ups that no filter offers but a link of ours uses, spelled out, by id.
    """

    linked_lookups: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: with any look-up at all a number could be guessed digit by digit."""
        filters = getattr(self, "list_filter", ())
        if lookup in self.linked_lookups or lookup in {getattr(each, "parameter_name", None) for each in filters}:
            return True
        offered = {each if isinstance(each, str) else each[0] for each in filters if not isinstance(each, type)}
        return lookup.partition("__")[0] in offered

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Rows go by their id alone: a list that went by number would show it."""
        return to_field == "id"


FARTHEST_ROW = 10_000
"""How far back pages go. To skip rows the database reads them; a filter or the export leads further."""


class UncountedChangeList(ChangeList):
    """Reads one row more than a page shows, to know whether another page follows.

    ``result_count`` is exact on the last page; before it, it is the least that there can be, and ``has_more`` is set.
    """

    has_more: bool

    def get_results(self, request: HttpRequest) -> None:
        start = (self.page_num - 1) * self.list_per_page
        if not 0 <= start < FARTHEST_ROW:
            raise IncorrectLookupParameters
        rows: Sequence[Model] = list(self.queryset[start : start + self.list_per_page + 1])
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
        reachable = min(start + len(rows), FARTHEST_ROW)
        self.paginator = Paginator(range(reachable), self.list_per_page)


class OneColumnChangeList(UncountedChangeList):
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


class FixedOrderChangeList(UncountedChangeList):
    """An uncounted list that no address sorts by one of its columns."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return list(self.model_admin.get_ordering(request))


class UncountedList(CheapList):
    """A list in the one order that its indexes have."""

    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FixedOrderChangeList
