"""Statistics of a period, from a few grouped queries. They change no row."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median

from django.core.cache import cache
from django.db import Error
from django.db.models import Case, Count, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce, Substr
from django.utils import timezone

from django_telroi import conf
from django_telroi.backends import get_backend
from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured
from django_telroi.models import (
    AttemptEvent,
    CallControl,
    DbNow,
    EventKind,
    PhoneNumber,
    RefusalTally,
    VerificationAttempt,
)
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.number_state import database_now, read_state
from django_telroi.services.shared.site_control import Pause, pause_for
from django_telroi.services.shared.transactions import write_alias
from django_telroi.services.statistics.periods import (
    AlertCount,
    Bar,
    Group,
    Outcome,
    Period,
    RefusalCount,
    Statistics,
    bucket_of,
    cut,
    summed,
)

logger = logging.getLogger("django_telroi")

NEWEST = 5000
"""The median is computed from this many verified calls, the newest."""
MOST_GROUPS = 12
"""The maximum number of regions and of purposes, those with most calls first. If there are more, the last one combines
the rest."""
CACHE_SECONDS = 300
SHAPE = 2
"""Part of the cache key. Increase it if the classes of ``periods`` change, so that no old object is read."""


def statistics_of(period: Period, *, now: datetime | None = None) -> Statistics:
    """Return the statistics of ``period`` in the current time zone.

    Periods longer than a day are cached for five minutes in the default cache. ``until`` in the result is when they
    were counted. With ``now``, they are always counted.
    """
    zone = timezone.get_current_timezone()
    if period is Period.DAY or now:
        return count_statistics(period, zone=zone, now=now)
    key = f"django_telroi:figures:{SHAPE}:{period}:{timezone.get_current_timezone_name()}"
    try:
        statistics = cache.get(key)
        if not isinstance(statistics, Statistics):
            statistics = count_statistics(period, zone=zone)
            cache.set(key, statistics, CACHE_SECONDS)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001 - each cache has its own errors, and staff need this page when it fails
        logger.warning("figures_not_kept error=%s", type(error).__name__)
        statistics = count_statistics(period, zone=zone)
    return statistics


def count_statistics(period: Period, *, zone: tzinfo, now: datetime | None = None) -> Statistics:
    """Count the statistics without the cache."""
    using = write_alias()
    until = now or database_now(using)
    since = until - period.length
    starts = cut(since, until, next_edge=period.next_edge, zone=zone)
    attempts = VerificationAttempt.objects.using(using).filter(created_at__gte=since, created_at__lte=until)
    bars, regions = _bars_and_regions(attempts, starts, now=until)
    return Statistics(
        period=period,
        since=since,
        until=until,
        bars=bars,
        regions=regions,
        purposes=_purposes(attempts, summed(regions)),
        refusals=_refusals(since, until, using=using),
        alerts=_alerts(since, until, using=using),
        median_seconds=_median_seconds(attempts),
    )


# Telroi accepted these calls. A call of unknown outcome counts as placed if its code was right.
_WITH_TEST_KEY = Q(livemode=False)
_PLACED = Count(Coalesce("placed_at", "verified_at"), filter=~_WITH_TEST_KEY)


def outcome_at(now: datetime) -> Case:
    """Return the Outcome of an attempt as an expression. Overdue rows count as what they have become at ``now``."""
    in_queue = Q(status=Status.QUEUED, created_at__gt=now - conf.queue_deadline())
    in_time = Q(status__in=(Status.DIALING, Status.PLACED), due_at__gt=now)
    return Case(
        When(_WITH_TEST_KEY, then=Value(Outcome.TEST_KEY.value)),
        When(status=Status.VERIFIED, then=Value(Outcome.VERIFIED.value)),
        When(status=Status.FAILED, then=Value(Outcome.FAILED.value)),
        When(in_queue | in_time, then=Value(Outcome.OPEN.value)),
        # Telroi judged the codes of a locked attempt, so its call was placed.
        When(
            ~Q(status=Status.LOCKED) & Q(dialed_at__isnull=False, placed_at__isnull=True),
            then=Value(Outcome.UNKNOWN.value),
        ),
        default=Value(Outcome.NOT_VERIFIED.value),
    )


def _bars_and_regions(
    attempts: QuerySet[VerificationAttempt], starts: tuple[datetime, ...], *, now: datetime
) -> tuple[tuple[Bar, ...], tuple[Group, ...]]:
    """Return both from one query, because it reads all rows of the period."""
    groups = attempts.order_by().annotate(bucket=bucket_of("created_at", starts), outcome=outcome_at(now))
    rows = groups.values_list("bucket", "outcome", "region").annotate(calls=Count("pk"), placed=_PLACED)
    bars: list[Counter[Outcome]] = [Counter() for _ in starts]
    calls, placed, verified = Counter[str](), Counter[str](), Counter[str]()
    for bucket, outcome, region, count, placed_count in rows:
        bars[bucket][Outcome(outcome)] += count
        calls[region] += count
        placed[region] += placed_count
        verified[region] += count if outcome == Outcome.VERIFIED else 0
    regions = [Group(region, count, placed[region], verified[region]) for region, count in calls.most_common()]
    return tuple(map(Bar, starts, map(dict, bars))), _with_rest(regions, summed(regions))


def _purposes(attempts: QuerySet[VerificationAttempt], total: Group) -> tuple[Group, ...]:
    """Return the purposes with most calls. A site may have any number of purposes, so the database sorts and cuts."""
    is_verified = Count("pk", filter=Q(status=Status.VERIFIED) & ~_WITH_TEST_KEY)
    rows = attempts.order_by().values_list("purpose").annotate(calls=Count("pk"), placed=_PLACED, right=is_verified)
    biggest = [Group(*row) for row in rows.order_by("-calls", "purpose")[: MOST_GROUPS + 1]]
    return _with_rest(biggest, total)


def _with_rest(groups: list[Group], total: Group) -> tuple[Group, ...]:
    """Return the groups. If they are more than ``MOST_GROUPS``, combine the smallest ones: ``total`` minus the rest."""
    if len(groups) <= MOST_GROUPS:
        return tuple(groups)
    named = groups[: MOST_GROUPS - 1]
    named_total = summed(named)
    rest = (total.calls - named_total.calls, total.placed - named_total.placed, total.verified - named_total.verified)
    return (*named, Group("", *rest, is_rest=True))


def _refusals(since: datetime, until: datetime, *, using: str) -> tuple[RefusalCount, ...]:
    """Return the refusals by code. They are stored by hour, so the whole hour in which the period began is included."""
    first_hour = since.replace(minute=0, second=0, microsecond=0)
    tallies = RefusalTally.objects.using(using).filter(hour__gte=first_hour, hour__lte=until)
    rows = tallies.order_by().values_list("code").annotate(refused=Sum("count"))
    return tuple(RefusalCount(*row) for row in rows.order_by("-refused", "code"))


def _alerts(since: datetime, until: datetime, *, using: str) -> tuple[AlertCount, ...]:
    alerts = AttemptEvent.objects.using(using).filter(kind=EventKind.ALERT, at__gte=since, at__lte=until)
    rows = alerts.order_by().values_list("detail").annotate(times=Count("pk"), last_at=Max("at"))
    return tuple(AlertCount(*row) for row in rows.order_by("-last_at"))


def _median_seconds(attempts: QuerySet[VerificationAttempt]) -> float | None:
    """Return the median seconds from request to right code, of the newest calls. Reading all would take too long."""
    verified = attempts.filter(status=Status.VERIFIED, verified_at__isnull=False).order_by("-created_at")
    moments = verified.exclude(_WITH_TEST_KEY).values_list("created_at", "verified_at")[:NEWEST]
    seconds = [(end - start).total_seconds() for start, end in moments if end]
    return median(seconds) if seconds else None


@dataclass(frozen=True)
class CurrentCounts:
    """The counts at ``now``.

    ``limited``: how many numbers may not be called, by limit. ``waiting``: how many calls are queued. ``pumped``: the
    prefixes of the alert ``pumping``.
    """

    now: datetime
    limited: Mapping[str, int]
    waiting: int
    control: CallControl
    pause: Pause | None
    pumped: tuple[PumpedPrefix, ...] = ()


def current_counts(*, now: datetime | None = None) -> CurrentCounts:
    """Return the current counts. They are not cached: four queries by index."""
    using = write_alias()
    state = read_state("", using=using, now=now)
    numbers = PhoneNumber.objects.using(using).filter(next_call_at__gt=state.now)
    queued = VerificationAttempt.objects.using(using).filter(
        status=Status.QUEUED, created_at__gt=state.now - conf.queue_deadline()
    )
    return CurrentCounts(
        now=state.now,
        limited=dict(numbers.order_by().values_list("limited_by").annotate(Count("pk"))),
        waiting=queued.count(),
        control=state.control,
        pause=_pause(state.control, now=state.now),
        pumped=pumped_prefixes(now=state.now, using=using),
    )


def _pause(control: CallControl, *, now: datetime) -> Pause | None:
    """Return the pause of the key in use. None if the key is not usable."""
    try:
        return pause_for(control, key_digest=get_backend().key_digest, now=now)
    except Misconfigured:
        return None


WINDOW = timedelta(hours=1)
FIRST_DIGITS = 7
LEAST_CALLS = 30
LEAST_PERCENT_VERIFIED = 20
MOST_PREFIXES = 10


@dataclass(frozen=True)
class PumpedPrefix:
    """The calls of the last hour to numbers with the same first seven digits (E.164, without ``+``)."""

    prefix: str
    calls: int
    verified: int


def pumped_prefixes(*, now: datetime | None = None, using: str) -> tuple[PumpedPrefix, ...]:
    """Return prefixes with signs of toll fraud, most calls first: 30 or more calls, of which under 20 % were verified.

    The query uses the index on ``created_at`` and reads one hour of attempts. Failed and queued attempts and calls with
    a test key are not counted.
    """
    moment = now or DbNow()
    calls = VerificationAttempt.objects.using(using).filter(
        created_at__gt=moment - WINDOW, created_at__lte=moment, dialed_at__isnull=False
    )
    billed = calls.exclude(status=Status.FAILED).exclude(livemode=False)
    prefixes = billed.order_by().values_list(Substr("phone__number", 2, FIRST_DIGITS))
    counted = prefixes.annotate(calls=Count("pk"), verified=Count("pk", filter=Q(status=Status.VERIFIED)))
    frequent = counted.filter(calls__gte=LEAST_CALLS).order_by("-calls")
    candidates = (PumpedPrefix(*row) for row in frequent)
    return tuple(each for each in candidates if 100 * each.verified < LEAST_PERCENT_VERIFIED * each.calls)[
        :MOST_PREFIXES
    ]


def alert_pumping(*, now: datetime | None = None, using: str) -> tuple[PumpedPrefix, ...]:
    """Return such prefixes. If there are any, raise the alert ``pumping`` at most once an hour and log them."""
    pumped = pumped_prefixes(now=now, using=using)
    if pumped and raise_alert(Alert.PUMPING, now=now or database_now(using), using=using):
        for each in pumped:
            logger.error("pumping prefix=%s calls=%s verified=%s", each.prefix, each.calls, each.verified)
    return pumped
