"""The filters of the list of numbers. Each uses an index, or reads only numbers that were called recently."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_telroi import conf
from django_telroi.admin.actions.kill_switch import read_control
from django_telroi.admin.numbers.number_status import (
    BLOCKED,
    FREE,
    WRONG_CODES,
    blocks_of_row,
    is_barred,
    near_limit_condition,
    with_status,
)
from django_telroi.admin.shared.number_lookups import is_of_blocked
from django_telroi.domain.number_limits import Rule
from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import blocked_destinations


class StateFilter(admin.SimpleListFilter):
    """Filter by the state in the chip, computed with the current settings."""

    title = gettext_lazy("state")
    parameter_name = "state"
    RULES = {
        "limited": frozenset(Rule),
        "cooldown": frozenset({Rule.COOLDOWN}),
        "full": frozenset({Rule.HOURLY_LIMIT, Rule.DAILY_LIMIT}),
        "held": frozenset({Rule.HELD}),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [
            (FREE, _("Free")),
            ("limited", _("Limited now")),
            ("cooldown", _("Cooling down")),
            ("full", _("Hour or day full")),
            ("held", _("Held by the provider")),
            (WRONG_CODES, _("Too many wrong codes")),
            (BLOCKED, _("Blocked")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        state, policy, now = self.value(), conf.policy(), timezone.now()
        if state == BLOCKED:
            return queryset.filter(blocked_at__isnull=False)
        if state == WRONG_CODES:
            return queryset.filter(is_barred(now), blocked_at__isnull=True)
        if state == FREE:
            # As the chip: while calls are stopped, and where a prefix or region is blocked, no number is free.
            if read_control(request).stopped_at:
                return queryset.none()
            is_blocked = (
                is_of_blocked(blocked_destinations(now=now)) if is_number_sealed() else Exists(blocks_of_row(now=now))
            )
            reachable = queryset.filter(~is_blocked)
            return with_status(reachable, [FREE], policy=policy, now=now)
        if state in self.RULES:
            # First the few numbers that a rule can limit, by index. The exact status is computed for these only.
            rules = self.RULES[state]
            near = queryset.filter(near_limit_condition(rules, policy=policy, now=now))
            return with_status(near, rules, policy=policy, now=now)
        return queryset


class BlockedFilter(admin.SimpleListFilter):
    """Filter by whether staff blocked the number."""

    title = gettext_lazy("blocked")
    parameter_name = "blocked_at__isempty"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("0", _("Yes")), ("1", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        return queryset if self.value() is None else queryset.filter(blocked_at__isnull=self.value() == "1")


class VerifiedFilter(admin.SimpleListFilter):
    """Filter by whether an account has the number as a verified phone."""

    title = gettext_lazy("verified phone of an account")
    parameter_name = "verified"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        phones = VerifiedPhone.objects.filter(number=OuterRef("number"))
        if self.value() == "yes":
            return queryset.filter(Exists(phones))
        return queryset.filter(~Exists(phones)) if self.value() == "no" else queryset
