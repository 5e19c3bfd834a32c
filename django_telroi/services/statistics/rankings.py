"""Who causes the calls of a period: users, requesters' addresses, prefixes and numbers, those with most calls first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, Case, Count, Min, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.reviewer_numbers import REVIEWER_ID
from django_telroi.services.statistics.periods import Ranked, Ranking

MAX_RANKED = 10
MAX_ATTEMPTS = 100_000
"""Only this many attempts are ranked, the newest. A large site has more in a day, and each query reads them all."""

WITH_TEST_KEY = Q(livemode=False)
# Telroi accepted these calls. A call of unknown outcome counts as placed if its code was right.
PLACED = Count(Coalesce("placed_at", "verified_at"), filter=~WITH_TEST_KEY)
VERIFIED = Count("pk", filter=Q(status=Status.VERIFIED) & ~WITH_TEST_KEY)

Prices = Mapping[str, float]
"""``CALL_PRICES``: the price of a call by region. They are read once for each page, because a list may be long."""


def of_reviewers() -> Q:
    """Return the condition for attempts with a number of an app reviewer. They are no calls, and no figure has them.

    A site without ``REVIEWER_SECRET_NUMBERS`` has none. There the condition is empty, because no index of the figures
    has the column.
    """
    return Q(telroi_id__startswith=REVIEWER_ID) if conf.reviewer_numbers() else Q(pk__in=())


def cost_of(region: str, placed: int, prices: Prices) -> float | None:
    """Return the estimated cost of placed calls to a region, or None without prices."""
    return placed * prices.get(region, prices.get(conf.OTHER_REGIONS, 0.0)) if prices else None


@dataclass(frozen=True)
class Span:
    """The attempts that are ranked: from ``since`` to ``until``. ``before``: where the same time before them begins."""

    before: datetime
    since: datetime
    until: datetime

    @property
    def is_current(self) -> Q:
        return Q(created_at__gte=self.since, created_at__lte=self.until)

    @property
    def is_before(self) -> Q:
        return Q(created_at__gte=self.before, created_at__lt=self.since)


def ranked_span(attempts: QuerySet[VerificationAttempt], *, since: datetime, until: datetime) -> Span:
    """Return the period, shortened to its newest ``MAX_ATTEMPTS`` attempts."""
    newest = attempts.filter(created_at__gte=since, created_at__lte=until).order_by("-created_at")
    for moment in newest.values_list("created_at", flat=True)[MAX_ATTEMPTS : MAX_ATTEMPTS + 1]:
        since = moment
    return Span(before=since - (until - since), since=since, until=until)


def rankings_of(
    attempts: QuerySet[VerificationAttempt], span: Span, *, prices: Prices
) -> Mapping[Ranking, tuple[Ranked, ...]]:
    """Return the rankings of the span. Each takes two queries: the keys with most calls, and what is known of these."""
    every = attempts.order_by()
    return {
        Ranking.USERS: _of_requesters(every, "user_id", span, prices),
        Ranking.ADDRESSES: _of_requesters(every, "requester_ip", span, prices),
        Ranking.PREFIXES: _of_numbers(every.exclude(prefix=""), "prefix", span, prices),
        Ranking.NUMBERS: _of_numbers(every, "phone_id", span, prices),
    }


def _of_requesters(
    attempts: QuerySet[VerificationAttempt], column: str, span: Span, prices: Prices
) -> tuple[Ranked, ...]:
    """Rank users or addresses. Each may call several regions, so their costs are summed by region."""
    known = attempts.filter(span.is_current, **{f"{column}__isnull": False})
    counted = known.values_list(column).annotate(calls=Count("pk"), placed=PLACED, right=VERIFIED)
    # Not ordered by the key too: an address is sorted differently by each database, and ties do not matter here.
    top = list(counted.order_by("-calls")[:MAX_RANKED])
    costs, calls_before = Counter[object](), Counter[object]()
    of_top = attempts.filter(span.is_current | span.is_before, **{f"{column}__in": [row[0] for row in top]})
    rows = of_top.annotate(is_before=_flag(span.is_before)).values_list(column, "region", "is_before")
    for key, region, is_before, calls, placed in rows.annotate(calls=Count("pk"), placed=PLACED):
        if is_before:
            calls_before[key] += calls
        else:
            costs[key] += cost_of(region, placed, prices) or 0.0  # type: ignore[assignment]
    return tuple(
        Ranked(str(key), calls, placed, right, cost=costs[key] if prices else None, calls_before=calls_before[key])
        for key, calls, placed, right in top
    )


def _of_numbers(attempts: QuerySet[VerificationAttempt], column: str, span: Span, prices: Prices) -> tuple[Ranked, ...]:
    """Rank numbers, or prefixes of numbers. Seven digits and one number have one region."""
    counted = attempts.filter(span.is_current).values_list(column)
    counted = counted.annotate(calls=Count("pk"), placed=PLACED, right=VERIFIED, of_region=Min("region"))
    top = list(counted.order_by("-calls")[:MAX_RANKED])
    of_top = attempts.filter(span.is_before, **{f"{column}__in": [row[0] for row in top]})
    calls_before = dict(of_top.values_list(column).annotate(calls=Count("pk")))
    return tuple(
        Ranked(
            str(key),
            calls,
            placed,
            right,
            cost=cost_of(region, placed, prices),
            calls_before=calls_before.get(key, 0),
        )
        for key, calls, placed, right, region in top
    )


def _flag(condition: Q) -> Case:
    return Case(When(condition, then=Value(value=True)), default=Value(value=False), output_field=BooleanField())
