"""The filters of the admin's lists. They use indexed columns, and their choices need no query, or a cached one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.cache import cache
from django.db import connections
from django.db.models import BooleanField, Case, Model, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_telroi import conf
from django_telroi.admin.shared.chips import region_choices
from django_telroi.admin.shared.meanings import ERROR_NAMES
from django_telroi.domain.phone import supported_regions
from django_telroi.domain.states import Status
from django_telroi.models.attempt import STATUS_NAMES
from django_telroi.services.attempts.transitions import error_condition, status_condition
from django_telroi.services.requester import plain

Choice = tuple[str, str]


MAX_DIGITS_OF_A_KEY = 18
"""19 digits may exceed a bigint, for which a database raises an error."""


class OfferedFilter(admin.SimpleListFilter, ABC):
    """A filter with fixed choices, which need no query. A selected value is always added, so that it is visible."""

    @abstractmethod
    def offered(self) -> list[Choice]:
        """Return the choices as pairs of a value and a label."""

    @abstractmethod
    def matching_rows(self, value: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the ``rows`` that match ``value``. Raises ValueError if the value is invalid."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[Choice]:
        offered, selected = self.offered(), self.value()
        unknown = selected is not None and selected not in {value for value, _words in offered}
        return [*offered, (selected, plain(selected))] if unknown and selected is not None else offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the matching rows. An invalid value matches none, because all rows would look like a result."""
        selected = self.value()
        if selected is None:
            return queryset
        try:
            return self.matching_rows(selected, queryset)
        except ValueError:
            return queryset.none()


class ChoiceFilter(OfferedFilter):
    """A filter whose choices are conditions."""

    @abstractmethod
    def matching(self, value: str) -> Q:
        """Return the condition for ``value``. Raises ValueError if the value is invalid."""

    def matching_rows(self, value: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(self.matching(value))


class FormFilter(ChoiceFilter):
    """A filter with links for its choices and a form field for other values.

    The field belongs to a form elsewhere on the page (``form_id``), because other admin themes put all filters into one
    form, and forms cannot be nested. ``telroi_filter_forms`` renders the forms.
    """

    template = "admin/django_telroi/form_filter.html"
    field_type = ""
    field_label: str | Promise = ""

    def options(self) -> list[Choice]:
        """Return the options of the ``<select>``, if ``field_type`` is ``select``."""
        return []

    @property
    def form_id(self) -> str:
        return f"telroi-filter-{self.parameter_name}"

    def kept(self, changelist: ChangeList) -> list[Choice]:
        """Return the values of the other filters, for hidden fields, because a GET form replaces the whole query."""
        return [(name, each) for name, each in _pairs(changelist.filter_params) if name != self.parameter_name]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield from super().choices(changelist)
        # The template shows the field for this item.
        yield {"form": self, "value": self.value() or "", "options": self.options()}


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in params.items():
        for value in values if isinstance(values, list) else [values]:
            yield name, value


class LinkedFilter(ChoiceFilter):
    """Filter by one number. It is visible only if a link from the number's page selected it."""

    title = gettext_lazy("number")
    parameter_name = "phone__id__exact"

    def offered(self) -> list[Choice]:
        return [] if self.value() is None else [(str(self.value()), _("one number"))]

    def matching(self, value: str) -> Q:
        is_key = value.isdecimal() and len(value) <= MAX_DIGITS_OF_A_KEY
        return Q(phone__id=int(value)) if is_key else Q(pk__in=())


class StatusFilter(ChoiceFilter):
    """Filter by the current status. Overdue attempts count with their final status, even if it is not saved yet."""

    title = gettext_lazy("status")
    parameter_name = "status__exact"

    def offered(self) -> list[Choice]:
        return [(status.value, str(name)) for status, name in STATUS_NAMES.items()]

    def matching(self, value: str) -> Q:
        """Return the condition; for expired attempts as a CASE.

        With a plain OR, SQLite and MariaDB would read and sort all expired attempts. With the CASE they read from the
        newest row and stop when a page is full.
        """
        has_status = status_condition(Status(value), now=timezone.now())
        if value != Status.EXPIRED:
            return has_status
        return Q(
            Case(When(has_status, then=Value(value=True)), default=Value(value=False), output_field=BooleanField())
        )


class ErrorFilter(ChoiceFilter):
    """Filter by the current error."""

    title = gettext_lazy("error")
    parameter_name = "error_code__exact"

    def offered(self) -> list[Choice]:
        return [(str(code), str(name)) for code, name in ERROR_NAMES.items()]

    def matching(self, value: str) -> Q:
        return error_condition(value, now=timezone.now())


class PurposeFilter(ChoiceFilter):
    """Filter by the purposes in ``PURPOSES``. The link in a row selects any other purpose."""

    title = gettext_lazy("purpose")
    parameter_name = "purpose__exact"

    def offered(self) -> list[Choice]:
        purposes = conf.purposes()
        # With one purpose there is nothing to choose, and Django hides a filter without choices.
        return [(purpose, purpose_name(purpose)) for purpose in purposes] if len(purposes) > 1 else []

    def matching(self, value: str) -> Q:
        return Q(purpose=value)


def purpose_name(purpose: str) -> str:
    return plain(purpose) or _("none")


class RegionFilter(FormFilter):
    """Filter by the regions in ``ALLOWED_REGIONS``. The link on an attempt's page selects any other region."""

    title = gettext_lazy("region")
    parameter_name = "region__exact"
    field_type = "select"
    field_label = gettext_lazy("Region")

    def offered(self) -> list[Choice]:
        return []

    def has_output(self) -> bool:
        return True

    def options(self) -> list[Choice]:
        allowed = conf.calling_rules().allowed_regions
        chosen = {self.value() or ""} & supported_regions()
        return region_choices(supported_regions() if allowed is None else allowed | chosen)

    def matching(self, value: str) -> Q:
        return Q(region=value)


class ModeFilter(ChoiceFilter):
    """Filter by the kind of key that placed the call: live or test."""

    title = gettext_lazy("live or test")
    parameter_name = "livemode__exact"

    def offered(self) -> list[Choice]:
        return [("1", _("live")), ("0", _("test key"))]

    def matching(self, value: str) -> Q:
        # ``IN``, because Django writes ``livemode=False`` as ``NOT livemode``, for which SQLite does not use the index.
        return Q(livemode__in=[value == "1"]) if value in {"0", "1"} else Q(pk__in=())


class DayFilter(FormFilter):
    """Filter by days in the active time zone. A range is used, because a function on the column prevents its index."""

    moment = "created_at"
    """The column that is compared."""
    title = gettext_lazy("day")
    parameter_name = "day"
    field_type = "date"
    field_label = gettext_lazy("Day")

    def offered(self) -> list[Choice]:
        return [
            ("today", _("today")),
            ("yesterday", _("yesterday")),
            ("week", _("last 7 days")),
        ]

    def matching(self, value: str) -> Q:
        first, last = _days(value, today=timezone.localdate())
        start, end = _midnight(first), _midnight(last + timedelta(days=1))
        return Q((f"{self.moment}__gte", start), (f"{self.moment}__lt", end))


def _days(value: str, *, today: date) -> tuple[date, date]:
    """Return the first and the last day. Raises ValueError for an invalid value."""
    named = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1), today - timedelta(days=1)),
        "week": (today - timedelta(days=6), today),
    }
    if value in named:
        return named[value]
    day = date.fromisoformat(value)
    if not 2000 <= day.year <= 2999:  # all time zones and databases support these years
        raise ValueError(f"the year {day.year} is out of range")
    return day, day


def _midnight(day: date) -> datetime:
    # Aware in the active zone: a day of 23 or 25 hours, when clocks change, has its real limits.
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


SECONDS_KNOWN = 300


def known_regions(rows: QuerySet[Any]) -> list[str]:
    """Return ``regions_in(rows)``, cached for five minutes. New regions are rare."""
    name = f"django_telroi.regions.{rows.db}.{rows.model._meta.label_lower}"
    # None and [] differ: an empty table is known too.
    known: list[str] | None = cache.get(name)
    if known is None:
        known = regions_in(rows)
        cache.set(name, known, SECONDS_KNOWN)
    return known


def regions_in(rows: QuerySet[Any]) -> list[str]:
    """Return the regions of a model's table. One recursive query jumps over the index from one region to the next.

    ``DISTINCT`` would read every row. It is written in SQL, because Django has no recursive queries.
    """
    using, table = rows.db, rows.model._meta.db_table
    quote = connections[using].ops.quote_name
    table, region = quote(table), quote("region")
    sql = (
        f"WITH RECURSIVE seen(region) AS (SELECT MIN({region}) FROM {table} UNION ALL "
        f"SELECT (SELECT MIN({region}) FROM {table} WHERE {region} > seen.region) FROM seen "
        "WHERE seen.region IS NOT NULL) SELECT region FROM seen WHERE region IS NOT NULL"
    )
    with connections[using].cursor() as cursor:
        cursor.execute(sql)
        return [region for (region,) in cursor.fetchall()]


class CalledRegionFilter(admin.SimpleListFilter):
    """Filter by the regions of the numbers in the table."""

    title = gettext_lazy("region")
    parameter_name = "region__exact"
    NONE = "-"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        # A region that was seen for the first time in these five minutes may be in the URL of a link already.
        regions = set(known_regions(model_admin.get_queryset(request)))
        selected = request.GET.get(self.parameter_name, "")
        if selected in supported_regions():
            regions.add(selected)
        named = region_choices(region for region in regions if region)
        return [*named, (self.NONE, _("none"))] if "" in regions or selected == self.NONE else named

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value()
        return queryset if value is None else queryset.filter(region="" if value == self.NONE else value)
