"""Lists of a table that grows without end: a page is one SELECT, and nothing is ever counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from django_telroi.admin.lists import CheapList

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
