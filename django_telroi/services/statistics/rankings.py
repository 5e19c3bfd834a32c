"""Who causes the calls of a period: users, addresses, prefixes and numbers, and which destinations show toll fraud.

Toll fraud calls many numbers of one rented range, which have the same first digits, and no person types the codes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import BooleanField, Case, Count, Min, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from django_telroi import conf
from django_telroi.domain.destinations import is_prefix
from django_telroi.domain.states import Status
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.reviewers import REVIEWER_ID
from django_telroi.services.statistics.periods import Ranked, Ranking

logger = logging.getLogger("django_telroi")


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
    """Return the condition for attempts with a number of an app reviewer. They do not count as calls.

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


PUMPING_WINDOW = timedelta(hours=1)
LEAST_CALLS = 30
"""An alert needs this many calls, because a low share of few calls may be chance."""
LEAST_CALLS_OF_REGION = 100
LEAST_PERCENT_VERIFIED = 20
LEAST_PERCENT_ELSEWHERE = 40
"""A region is pumped only if the codes of other regions are typed. Otherwise the site's own page may be broken, and a
site that calls one region would stop itself."""
MAX_PREFIXES = 10


@dataclass(frozen=True)
class PumpedDestination:
    """The calls of the last hour to a prefix of seven digits, such as ``+2348031``, or to a region, such as ``NG``."""

    destination: str
    calls: int
    verified: int
    region: str = field(default="", compare=False)
    """The region of the numbers of a prefix. Seven digits have one."""

    @property
    def is_prefix(self) -> bool:
        return is_prefix(self.destination)


def pumped_destinations(
    *, now: datetime | None = None, since: datetime | None = None, using: str
) -> tuple[PumpedDestination, ...]:
    """Return prefixes and then regions with signs of toll fraud, most calls first.

    A prefix: 30 or more calls, of which under 20 % were verified. A region: 100 or more calls outside these prefixes,
    of which under 20 % were verified, while 40 % of the calls to other regions were. ``since`` shortens the hour.

    Two queries use the index on ``created_at`` and read one hour of attempts. Failed and queued attempts and calls with
    a test key are not counted: a failed call costs nothing, and with a test key no phone rings.
    """
    moment = now or DbNow()
    calls = VerificationAttempt.objects.using(using).filter(
        created_at__gt=moment - PUMPING_WINDOW, created_at__lte=moment, dialed_at__isnull=False
    )
    if since:
        calls = calls.filter(created_at__gt=since)
    billed = calls.exclude(status=Status.FAILED).exclude(livemode=False).exclude(of_reviewers()).order_by()
    prefixes = _pumped_prefixes(billed)
    return (*prefixes, *_pumped_regions(billed, without=prefixes))


def _pumped_prefixes(billed: QuerySet[VerificationAttempt]) -> tuple[PumpedDestination, ...]:
    prefixes = billed.exclude(prefix="").values_list("prefix")
    counted = prefixes.annotate(calls=_CALLS, verified=_VERIFIED, of_region=Min("region"))
    frequent = counted.filter(calls__gte=LEAST_CALLS).order_by("-calls")
    candidates = (PumpedDestination(*row) for row in frequent)
    return tuple(each for each in candidates if _is_low(each.verified, each.calls))[:MAX_PREFIXES]


def _pumped_regions(
    billed: QuerySet[VerificationAttempt], *, without: tuple[PumpedDestination, ...]
) -> tuple[PumpedDestination, ...]:
    # Where the numbers of one prefix are pumped, the other numbers of its region are not blocked with them.
    billed = billed.exclude(prefix__in=[each.destination for each in without])
    regions = [
        PumpedDestination(*row)
        for row in billed.values_list("region").annotate(calls=_CALLS, verified=_VERIFIED).order_by("-calls")
    ]
    calls, verified = sum(each.calls for each in regions), sum(each.verified for each in regions)

    def is_pumped(region: PumpedDestination) -> bool:
        elsewhere = calls - region.calls
        is_fine_elsewhere = (
            elsewhere >= LEAST_CALLS and 100 * (verified - region.verified) >= LEAST_PERCENT_ELSEWHERE * elsewhere
        )
        is_frequent = bool(region.destination) and region.calls >= LEAST_CALLS_OF_REGION
        return is_frequent and is_fine_elsewhere and _is_low(region.verified, region.calls)

    return tuple(filter(is_pumped, regions))


_CALLS = Count("pk")
_VERIFIED = Count("pk", filter=Q(status=Status.VERIFIED))


def _is_low(verified: int, calls: int) -> bool:
    return 100 * verified < LEAST_PERCENT_VERIFIED * calls


def alert_pumping(*, now: datetime | None = None, using: str) -> tuple[PumpedDestination, ...]:
    """Return the destinations with signs of toll fraud. If there are any, raise the alert ``pumping`` at most once an
    hour, and log them."""
    pumped = pumped_destinations(now=now, using=using)
    if pumped and send_alert(Alert.PUMPING, now=now or database_now(using), using=using):
        for each in pumped:
            # Without the plus sign, as in the field of the other lines.
            destination = each.destination.removeprefix("+")
            logger.error("pumping destination=%s calls=%s verified=%s", destination, each.calls, each.verified)
    return pumped
