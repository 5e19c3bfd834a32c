"""Which regions a large table has, without reading it."""

from __future__ import annotations

from typing import Any

import phonenumbers
from django.contrib import admin
from django.core.cache import cache
from django.db import connections
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_telroi.admin.chips import flag

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


class RegionFilter(admin.SimpleListFilter):
    """The regions that there are, by their codes."""

    title = gettext_lazy("region")
    parameter_name = "region__exact"
    NONE = "-"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        regions = set(known_regions(model_admin.get_queryset(request)))
        asked = request.GET.get(self.parameter_name, "")
        if asked in phonenumbers.SUPPORTED_REGIONS:
            regions.add(asked)
        named = [(region, f"{flag(region)} {region}") for region in sorted(regions) if region]
        return [*named, (self.NONE, _("none"))] if "" in regions or asked == self.NONE else named

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value()
        return queryset if value is None else queryset.filter(region="" if value == self.NONE else value)
