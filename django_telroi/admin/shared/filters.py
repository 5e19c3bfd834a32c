"""Filters whose choices cost no query, over columns that have an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import phonenumbers
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
from django_telroi.admin.shared.chips import country_flag
from django_telroi.admin.shared.meanings import ERROR_NAMES
from django_telroi.domain.states import Status
from django_telroi.models.attempt import STATUS_NAMES
from django_telroi.services.attempts.transitions import has_error_at, has_status_at
from django_telroi.services.requester import plain

Choice = tuple[str, str]


class ChoiceFilter(admin.SimpleListFilter, ABC):
    """Choices that are known without a look at the table. What is chosen is always among them, so that it shows."""

    @abstractmethod
    def offered(self) -> list[Choice]:
        """The choices, each value with its words."""

    @abstractmethod
    def matching(self, value: str) -> Q:
        """The rows of a value. Raises ValueError for one that makes no sense."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[Choice]:
        offered, chosen = self.offered(), self.value()
        unknown = chosen is not None and chosen not in {value for value, _words in offered}
        return [*offered, (chosen, plain(chosen))] if unknown and chosen is not None else offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What makes no sense finds nothing: better than all, which would look like an answer."""
        chosen = self.value()
        if chosen is None:
            return queryset
        try:
            return queryset.filter(self.matching(chosen))
        except ValueError:
            return queryset.none()


class FormFilter(ChoiceFilter):
    """Choices as links, and a field for a value that is not among them."""

    template = "admin/django_telroi/form_filter.html"
    field_type = ""
    field_label: str | Promise = ""

    def options(self) -> list[Choice]:
        """What a ``<select>`` offers."""
        return []

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield from super().choices(changelist)
        # The template stops at it: the form's part of the filter, with everything else that is chosen.
        kept = [(name, each) for name, each in _kept(changelist.filter_params) if name != self.parameter_name]
        yield {"form": self, "kept": kept, "value": self.value() or "", "options": self.options()}


def _kept(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in params.items():
        for value in values if isinstance(values, list) else [values]:
            yield name, value


class LinkedFilter(ChoiceFilter):
    """Shown only where a link narrowed the list to one number."""

    title = gettext_lazy("number")
    parameter_name = "phone__id__exact"

    def offered(self) -> list[Choice]:
        return [] if self.value() is None else [(str(self.value()), _("one number"))]

    def matching(self, value: str) -> Q:
        return Q(phone__id=int(value)) if value.isdecimal() and len(value) < 19 else Q(pk__in=())


class StatusFilter(ChoiceFilter):
    """By what attempts have become, whether somebody wrote it down or not."""

    title = gettext_lazy("status")
    parameter_name = "status__exact"

    def offered(self) -> list[Choice]:
        return [(status.value, str(name)) for status, name in STATUS_NAMES.items()]

    def matching(self, value: str) -> Q:
        """As a CASE for what is expired: of a plain OR, SQLite and MariaDB would sort all that expired in the ledger's
        life, while a walk from the newest soon has a page of them."""
        stands = has_status_at(Status(value), now=timezone.now())
        if value != Status.EXPIRED:
            return stands
        return Q(Case(When(stands, then=Value(value=True)), default=Value(value=False), output_field=BooleanField()))


class ErrorFilter(ChoiceFilter):
    title = gettext_lazy("error")
    parameter_name = "error_code__exact"

    def offered(self) -> list[Choice]:
        return [(str(code), str(name)) for code, name in ERROR_NAMES.items()]

    def matching(self, value: str) -> Q:
        return has_error_at(value, now=timezone.now())


class PurposeFilter(ChoiceFilter):
    """The purposes of the setting; a row's own purpose leads to the others."""

    title = gettext_lazy("purpose")
    parameter_name = "purpose__exact"

    def offered(self) -> list[Choice]:
        purposes = conf.purposes()
        return [(purpose, purpose_name(purpose)) for purpose in purposes] if len(purposes) > 1 else []

    def matching(self, value: str) -> Q:
        return Q(purpose=value)


def purpose_name(purpose: str) -> str:
    return plain(purpose) or _("none")


class RegionFilter(FormFilter):
    """The field offers the regions that the site calls; an attempt's own page leads to any other."""

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
        chosen = {self.value() or ""} & phonenumbers.SUPPORTED_REGIONS
        regions = sorted(phonenumbers.SUPPORTED_REGIONS if allowed is None else allowed | chosen)
        return [(region, f"{country_flag(region)} {region}") for region in regions]

    def matching(self, value: str) -> Q:
        return Q(region=value)


class ModeFilter(ChoiceFilter):
    """Which kind of key placed the call."""

    title = gettext_lazy("live or test")
    parameter_name = "livemode__exact"

    def offered(self) -> list[Choice]:
        return [("1", _("live")), ("0", _("test key"))]

    def matching(self, value: str) -> Q:
        return Q(livemode={"1": True, "0": False}[value]) if value in {"0", "1"} else Q(pk__in=())


class DayFilter(FormFilter):
    """Whole days in the active time zone, as a range of moments: no function stands before the column."""

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
        return Q(created_at__gte=_midnight(first), created_at__lt=_midnight(last + timedelta(days=1)))


def _days(value: str, *, today: date) -> tuple[date, date]:
    """The first and the last of the days that are meant. Raises ValueError."""
    named = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1), today - timedelta(days=1)),
        "week": (today - timedelta(days=6), today),
    }
    if value in named:
        return named[value]
    day = date.fromisoformat(value)
    if not 2000 <= day.year <= 2999:  # no zone and no database has trouble with these
        raise ValueError(f"the year {day.year} is out of range")
    return day, day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


SECONDS_KNOWN = 300


def known_regions(rows: QuerySet[Any]) -> list[str]:
    """What ``regions_in`` said at most five minutes ago: a new region comes seldom, and is in the list at once."""
    name = f"django_telroi.regions.{rows.db}.{rows.model._meta.label_lower}"
    known: list[str] | None = cache.get(name)
    if known is None:
        known = regions_in(rows)
        cache.set(name, known, SECONDS_KNOWN)
    return known


def regions_in(rows: QuerySet[Any]) -> list[str]:
    """The regions of a model's table, by jumps over the index from one to the next: one short query.

    Written in SQL because ``DISTINCT`` reads every row. Django has no recursive query.
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
    """The regions that there are, by their codes."""

    title = gettext_lazy("region")
    parameter_name = "region__exact"
    NONE = "-"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        regions = set(known_regions(model_admin.get_queryset(request)))
        asked = request.GET.get(self.parameter_name, "")
        if asked in phonenumbers.SUPPORTED_REGIONS:
            regions.add(asked)
        named = [(region, f"{country_flag(region)} {region}") for region in sorted(regions) if region]
        return [*named, (self.NONE, _("none"))] if "" in regions or asked == self.NONE else named

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value()
        return queryset if value is None else queryset.filter(region="" if value == self.NONE else value)
