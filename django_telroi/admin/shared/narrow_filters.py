"""Filters of the attempts that links of the overview select: who asked, which prefix, which outcome, which moments.

All but the address and the key are visible only while a link selected them, as ``LinkedFilter`` is. ``attempts_query``
makes the links, so a figure and its list use the same names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from django_telroi import conf
from django_telroi.admin.shared.chips import moment_words
from django_telroi.admin.shared.filters import Choice, ChoiceFilter, FormFilter
from django_telroi.admin.shared.number_lookups import calls_to_prefix, longer_than_shown, may_view_full_numbers
from django_telroi.domain.destinations import end_of_prefix, is_prefix, read_destination
from django_telroi.domain.phone import FIRST_DIGITS
from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services.requester import plain
from django_telroi.services.statistics.figures import outcome_at
from django_telroi.services.statistics.periods import Outcome
from django_telroi.services.statistics.rankings import of_reviewers

BETWEEN = "--"
"""Separates two moments, as in an interval of ISO 8601 in a URL."""
MAX_KEYS_OFFERED = 50


class SelectedFilter(ChoiceFilter):
    """A filter without choices of its own. It is visible only while a link selected a value."""

    def offered(self) -> list[Choice]:
        value = self.value()
        return [] if value is None else [(str(value), self.label_of(str(value)))]

    def label_of(self, value: str) -> str:
        """Return the label of the selected value. An override must run no query."""
        return value


class UserFilter(SelectedFilter):
    """Filter by a user, by primary key."""

    title = gettext_lazy("user")
    parameter_name = "user"

    def label_of(self, value: str) -> str:
        return pgettext("filter of a list", "one user")

    def matching(self, value: str) -> Q:
        key: Any = VerificationAttempt._meta.get_field("user").target_field
        try:
            found = key.to_python(value)
            key.run_validators(found)  # rejects an integer that is too large for the column, in any spelling
        except ValidationError:
            raise ValueError(value) from None
        return Q(user=found)


class KeyFilter(ChoiceFilter):
    """Filter by the names in ``API_KEYS``. The link on an attempt's page selects any other name."""

    title = gettext_lazy("key")
    parameter_name = "key_name__exact"

    def offered(self) -> list[Choice]:
        if not conf.has_named_keys():
            return []
        try:
            names = conf.key_names()
        except Exception:  # noqa: BLE001 - a function of the site may raise anything, and the list is useful without
            return []
        return [(name, plain(name)) for name in names[:MAX_KEYS_OFFERED]]

    def matching(self, value: str) -> Q:
        return Q(key_name=value)


class AddressFilter(FormFilter):
    """Filter by the requester's address."""

    title = gettext_lazy("requester's address")
    parameter_name = "address"
    field_type = "text"
    field_label = pgettext_lazy("filter of a list", "IP address")

    def offered(self) -> list[Choice]:
        return []

    def has_output(self) -> bool:
        return True

    def matching(self, value: str) -> Q:
        return Q(requester_ip=str(ip_address(value.strip())))


class PrefixFilter(SelectedFilter):
    """Filter by the first digits of the number. At most ten, so that no number is in a URL.

    Lists show the last four digits. So without the permission to view full numbers a prefix has at most seven digits
    and finds only numbers of which at least two digits stay hidden. Otherwise the filter would confirm digit by digit.
    """

    title = pgettext_lazy("filter of a list", "prefix")
    parameter_name = "prefix"
    MAX_DIGITS = 10

    def label_of(self, value: str) -> str:
        return f"+{value.lstrip('+')[: self.MAX_DIGITS]}"

    def matching(self, value: str) -> Q:
        prefix = read_destination(value)
        if not is_prefix(prefix) or len(prefix) > self.MAX_DIGITS + 1:
            raise ValueError(value)
        if len(prefix) == FIRST_DIGITS + 1:
            return Q(prefix=prefix)
        if is_number_sealed():
            return calls_to_prefix(prefix)
        end = end_of_prefix(prefix)
        return Q(phone__number__gte=prefix) & (Q(phone__number__lt=end) if end else Q())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = super().queryset(request, queryset)
        if self.value() is None or may_view_full_numbers(request):
            return found
        try:
            digits = len(read_destination(str(self.value())).removeprefix("+"))
        except ValueError:
            return found.none()
        return longer_than_shown(found, digits=digits) if digits <= FIRST_DIGITS else found.none()


class SpanFilter(SelectedFilter):
    """Filter by two moments in ISO 8601, both included, as the periods of the overview are."""

    title = pgettext_lazy("filter of a list", "requested between")
    parameter_name = "span"

    def label_of(self, value: str) -> str:
        try:
            moments = moments_in(value)
        except ValueError:
            return value
        return " – ".join(moment_words(moment, now=timezone.now()) for moment in moments)

    def matching(self, value: str) -> Q:
        since, until = moments_in(value)
        return Q(created_at__gte=since, created_at__lte=until)


def moments_in(value: str) -> tuple[datetime, datetime]:
    """Return the two moments of a span. Raises ValueError for any other text."""
    since, until = (datetime.fromisoformat(part) for part in value.split(BETWEEN))
    if None in (since.tzinfo, until.tzinfo) or not all(2000 <= each.year <= 2999 for each in (since, until)):
        raise ValueError(value)
    # In UTC, because PostgreSQL accepts no offset of almost a day.
    return since.astimezone(UTC), until.astimezone(UTC)


class CountedResult(StrEnum):
    """Values of ``OutcomeFilter`` that combine several outcomes, as some figures of the overview do."""

    PLACED = "placed"
    DIALED = "dialed"


RESULT_NAMES = {
    Outcome.VERIFIED.value: gettext_lazy("verified"),
    Outcome.NOT_VERIFIED.value: gettext_lazy("not verified"),
    Outcome.FAILED.value: gettext_lazy("failed"),
    Outcome.UNKNOWN.value: gettext_lazy("outcome unknown"),
    Outcome.OPEN.value: gettext_lazy("still open"),
    Outcome.TEST_KEY.value: gettext_lazy("with a test key"),
    CountedResult.PLACED.value: pgettext_lazy("outcome of calls", "accepted by the provider"),
    CountedResult.DIALED.value: pgettext_lazy("outcome of calls", "dialed and not failed"),
}


class OutcomeFilter(SelectedFilter):
    """Filter by what the overview counts: an outcome, or placed calls."""

    title = pgettext_lazy("filter of a list", "outcome")
    parameter_name = "outcome"

    def label_of(self, value: str) -> str:
        return str(RESULT_NAMES.get(value, value))

    def matching(self, value: str) -> Q:
        return self._result(value) & ~of_reviewers()

    def _result(self, value: str) -> Q:
        with_test_key = Q(livemode=False)
        if value == CountedResult.PLACED:
            return ~with_test_key & (Q(placed_at__isnull=False) | Q(verified_at__isnull=False))
        if value == CountedResult.DIALED:
            return Q(dialed_at__isnull=False) & ~Q(status="failed") & ~with_test_key
        return Q(outcome_now=Outcome(value).value)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().queryset(request, queryset.alias(outcome_now=outcome_at(timezone.now())))


NARROW_FILTERS = (UserFilter, AddressFilter, PrefixFilter, SpanFilter, OutcomeFilter)


def attempts_query(*, since: datetime, until: datetime, **filters: str) -> str:
    """Return the query string of the list of exactly these attempts.

    ``filters``: values by parameter, such as ``prefix="+2348031"`` or ``outcome="placed"``.
    """
    span = BETWEEN.join(each.astimezone(UTC).isoformat().replace("+00:00", "Z") for each in (since, until))
    return urlencode({**filters, SpanFilter.parameter_name: span})
