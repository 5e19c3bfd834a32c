"""The filters of the list of numbers. Each uses an index, or reads only numbers that were called recently."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
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
from django_telroi.admin.shared.filters import Choice, ChoiceFilter, OfferedFilter
from django_telroi.admin.shared.number_lookups import is_of_blocked
from django_telroi.domain.number_limits import Rule
from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import blocked_destinations


class StateFilter(OfferedFilter):
    """Filter by the state in the chip, computed with the current settings."""

    title = gettext_lazy("state")
    parameter_name = "state"
    RULES = {
        "limited": frozenset(Rule),
        "cooldown": frozenset({Rule.COOLDOWN}),
        "full": frozenset({Rule.HOURLY_LIMIT, Rule.DAILY_LIMIT}),
        "held": frozenset({Rule.HELD}),
    }

    def offered(self) -> list[Choice]:
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
        # As the chip: while calls are stopped, no number is free.
        if self.value() == FREE and read_control(request).stopped_at:
            return queryset.none()
        return super().queryset(request, queryset)

    def matching_rows(self, value: str, rows: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        policy, now = conf.policy(), timezone.now()
        if value == BLOCKED:
            return rows.filter(blocked_at__isnull=False)
        if value == WRONG_CODES:
            return rows.filter(is_barred(now), blocked_at__isnull=True)
        if value == FREE:
            # As the chip: where a prefix or region is blocked, no number is free.
            is_blocked = (
                is_of_blocked(blocked_destinations(now=now)) if is_number_sealed() else Exists(blocks_of_row(now=now))
            )
            reachable = rows.filter(~is_blocked)
            return with_status(reachable, [FREE], policy=policy, now=now)
        if value not in self.RULES:
            raise ValueError(value)
        # First the few numbers that a rule can limit, by index. The exact status is computed for these only.
        rules = self.RULES[value]
        near = rows.filter(near_limit_condition(rules, policy=policy, now=now))
        return with_status(near, rules, policy=policy, now=now)


class YesNoFilter(ChoiceFilter):
    """A filter with two choices. ``yes`` and ``no`` are their values in the URL."""

    yes, no = "yes", "no"

    def offered(self) -> list[Choice]:
        return [(self.yes, _("Yes")), (self.no, _("No"))]

    def is_yes(self, value: str) -> bool:
        """Return whether ``value`` is the one for "yes". Raises ValueError if it is neither."""
        return (self.no, self.yes).index(value) == 1


class BlockedFilter(YesNoFilter):
    """Filter by whether staff blocked the number."""

    title = gettext_lazy("blocked")
    parameter_name = "blocked_at__isempty"
    yes, no = "0", "1"

    def matching(self, value: str) -> Q:
        return Q(blocked_at__isnull=not self.is_yes(value))


class VerifiedFilter(YesNoFilter):
    """Filter by whether an account has the number as a verified phone."""

    title = gettext_lazy("verified phone of an account")
    parameter_name = "verified"

    def matching(self, value: str) -> Q:
        is_verified = Q(Exists(VerifiedPhone.objects.filter(number=OuterRef("number"))))
        return is_verified if self.is_yes(value) else ~is_verified
