"""Statistics of a period, from a few grouped queries. They change no row."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from statistics import median

from django.core.cache import cache
from django.db import Error
from django.db.models import Case, Count, Max, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from django_telroi import conf
from django_telroi.backends import get_backend, key_of
from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured
from django_telroi.models import (
    AttemptEvent,
    CallControl,
    EventKind,
    PhoneNumber,
    RefusalTally,
    VerificationAttempt,
)
from django_telroi.services.shared.number_state import database_now, read_state
from django_telroi.services.shared.site_control import Pause, pause_for
from django_telroi.services.shared.transactions import write_alias
from django_telroi.services.statistics.periods import (
    HOUR,
    AlertCount,
    Bar,
    Earlier,
    Group,
    Outcome,
    Period,
    RefusalCount,
    Statistics,
    bucket_of,
    cut,
    sum_groups,
)
from django_telroi.services.statistics.rankings import (
    PLACED,
    VERIFIED,
    WITH_TEST_KEY,
    Prices,
    PumpedDestination,
    cost_of,
    of_reviewers,
    pumped_destinations,
    ranked_span,
    rankings_of,
)

logger = logging.getLogger("django_telroi")

NEWEST = 1_000
"""The median is computed from this many verified calls, the newest."""
MAX_GROUPS = 12
"""The maximum number of regions and of purposes, those with most calls first. If there are more, the last one combines
the rest."""
MAX_PAUSES = 100
CACHE_SECONDS = 300
SHAPE = 5
"""Part of the cache key. Increase it if the classes of ``periods`` change, so that no old object is read."""


def statistics_of(period: Period, *, now: datetime | None = None) -> Statistics:
    """Return the statistics of ``period`` in the current time zone.

    Periods longer than a day are cached for five minutes in the default cache. ``until`` in the result is when they
    were counted. With ``now``, they are always counted.
    """
    zone = timezone.get_current_timezone()
    if period is Period.DAY or now:
        return count_statistics(period, zone=zone, now=now)
    shape = f"{SHAPE}k" if conf.has_named_keys() else SHAPE  # the page of one key has no figures by key
    key = f"django_telroi:figures:{shape}:{period}:{timezone.get_current_timezone_name()}"
    try:
        statistics = cache.get(key)
        if not isinstance(statistics, Statistics):
            statistics = count_statistics(period, zone=zone)
            cache.set(key, statistics, CACHE_SECONDS)
    except Error:  # of the database, perhaps by ``DatabaseCache``: the statistics cannot be counted either
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
    every = VerificationAttempt.objects.using(using).exclude(of_reviewers())
    attempts = every.filter(created_at__gte=since, created_at__lte=until)
    before, prices = since - period.length, conf.call_prices()
    ranked = ranked_span(every.all(), since=since, until=until)
    bars, regions = _bars_and_regions(attempts, starts, now=until, prices=prices)
    total = sum_groups(regions)
    purposes = _biggest(attempts, "purpose", total)
    keys = _biggest(attempts, "key_name", total) if conf.has_named_keys() else ()
    earlier_attempts = every.filter(created_at__gte=before, created_at__lt=since)
    earlier_regions, unknown = _earlier_regions(earlier_attempts, now=until, prices=prices)
    return Statistics(
        period=period,
        since=since,
        until=until,
        bars=bars,
        regions=regions,
        purposes=purposes,
        refusals=_refusals(since, until, using=using),
        alerts=_alerts(since, until, using=using),
        median_seconds=_median_seconds(attempts),
        before=sum_groups(earlier_regions),
        earlier=Earlier(
            unknown=unknown,
            median_seconds=_median_seconds(earlier_attempts),
            regions={group.name: group.calls for group in earlier_regions},
            purposes=_earlier_purposes(earlier_attempts, purposes, earlier_regions),
            refusals={each.code: each.times for each in _refusals(before, since - HOUR, using=using)},
            keys=_calls_of(earlier_attempts, "key_name", keys),
        ),
        ranked_since=ranked.since,
        rankings=rankings_of(every.all(), ranked, prices=prices),
        keys=keys,
    )


def outcome_at(now: datetime) -> Case:
    """Return the Outcome of an attempt as an expression. Overdue rows count as what they have become at ``now``."""
    in_queue = Q(status=Status.QUEUED, created_at__gt=now - conf.queue_deadline())
    in_time = Q(status__in=(Status.DIALING, Status.PLACED), due_at__gt=now)
    return Case(
        When(WITH_TEST_KEY, then=Value(Outcome.TEST_KEY.value)),
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
    attempts: QuerySet[VerificationAttempt], starts: tuple[datetime, ...], *, now: datetime, prices: Prices
) -> tuple[tuple[Bar, ...], tuple[Group, ...]]:
    """Return both from one query, because it reads all rows of the period."""
    groups = attempts.order_by().annotate(bucket=bucket_of("created_at", starts), outcome=outcome_at(now))
    rows = groups.values_list("bucket", "outcome", "region").annotate(calls=Count("pk"), placed=PLACED)
    bars: list[Counter[Outcome]] = [Counter() for _ in starts]
    calls, placed, verified = Counter[str](), Counter[str](), Counter[str]()
    for bucket, outcome, region, count, placed_count in rows:
        bars[bucket][Outcome(outcome)] += count
        calls[region] += count
        placed[region] += placed_count
        verified[region] += count if outcome == Outcome.VERIFIED else 0
    regions = [
        Group(region, count, placed[region], verified[region], cost=cost_of(region, placed[region], prices))
        for region, count in calls.most_common()
    ]
    return tuple(map(Bar, starts, map(dict, bars))), _with_rest(regions, sum_groups(regions))


def _biggest(attempts: QuerySet[VerificationAttempt], column: str, total: Group) -> tuple[Group, ...]:
    """Return the purposes or keys with most calls. A site may have any number, so the database sorts and cuts."""
    rows = attempts.order_by().values_list(column).annotate(calls=Count("pk"), placed=PLACED, right=VERIFIED)
    biggest = [Group(*row) for row in rows.order_by("-calls", column)[: MAX_GROUPS + 1]]
    return _with_rest(biggest, total)


def _with_rest(groups: list[Group], total: Group) -> tuple[Group, ...]:
    """Return the groups. If they are more than ``MAX_GROUPS``, combine the smallest ones: ``total`` minus the rest."""
    if len(groups) <= MAX_GROUPS:
        return tuple(groups)
    named = groups[: MAX_GROUPS - 1]  # the rest takes the last place
    named_total = sum_groups(named)
    rest = (total.calls - named_total.calls, total.placed - named_total.placed, total.verified - named_total.verified)
    has_costs = total.cost is not None and named_total.cost is not None
    cost = total.cost - named_total.cost if has_costs else None  # type: ignore[operator]
    return (*named, Group("", *rest, is_rest=True, cost=cost))


def _earlier_regions(
    attempts: QuerySet[VerificationAttempt], *, now: datetime, prices: Prices
) -> tuple[list[Group], int]:
    """Return the regions of the period before, and how many calls of it have an unknown outcome."""
    unknown = Count("pk", filter=Q(outcome=Outcome.UNKNOWN.value))
    rows = attempts.order_by().annotate(outcome=outcome_at(now)).values_list("region")
    counted = list(rows.annotate(calls=Count("pk"), placed=PLACED, right=VERIFIED, unknown=unknown))
    groups = [
        Group(region, calls, placed, verified, cost=cost_of(region, placed, prices))
        for region, calls, placed, verified, _unknown in counted
    ]
    return groups, sum(row[-1] for row in counted)


def _earlier_purposes(
    attempts: QuerySet[VerificationAttempt], purposes: tuple[Group, ...], regions: list[Group]
) -> Mapping[str, int]:
    """Return the calls of the period before for these purposes. A site with one purpose needs no query."""
    names = [group.name for group in purposes if not group.is_rest]
    if len(names) <= 1 and len(conf.purposes()) <= 1:
        return dict.fromkeys(names, sum(group.calls for group in regions))
    return _calls_of(attempts, "purpose", purposes)


def _calls_of(attempts: QuerySet[VerificationAttempt], column: str, groups: tuple[Group, ...]) -> Mapping[str, int]:
    """Return the calls of each of these groups. Without groups there is no query."""
    names = [group.name for group in groups if not group.is_rest]
    if not names:
        return {}
    of_groups = attempts.order_by().filter(**{f"{column}__in": names})
    return dict(of_groups.values_list(column).annotate(calls=Count("pk")))


def _refusals(since: datetime, until: datetime, *, using: str) -> tuple[RefusalCount, ...]:
    """Return the refusals by code. They are stored by hour, so the whole hour in which the period began is included."""
    # Stored by hour, because a site under attack may refuse thousands of starts, and each would be a row.
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
    moments = verified.exclude(WITH_TEST_KEY).values_list("created_at", "verified_at")[:NEWEST]
    seconds = [(end - start).total_seconds() for start, end in moments if end]
    return median(seconds) if seconds else None


@dataclass(frozen=True)
class CurrentCounts:
    """The counts at ``now``.

    ``limited``: how many numbers may not be called, by limit. ``waiting``: how many calls are queued. ``pumped``: the
    prefixes and regions of the alert ``pumping``. ``pauses``: the pause of each key that is paused, by its name.
    """

    now: datetime
    limited: Mapping[str, int]
    waiting: int
    control: CallControl
    pauses: Mapping[str, Pause]
    pumped: tuple[PumpedDestination, ...] = ()


def current_counts(*, now: datetime | None = None) -> CurrentCounts:
    """Return the current counts. They are not cached: five queries by index."""
    using = write_alias()
    state = read_state(None, using=using, now=now)
    numbers = PhoneNumber.objects.using(using).filter(next_call_at__gt=state.now)
    queued = VerificationAttempt.objects.using(using).filter(
        status=Status.QUEUED, created_at__gt=state.now - conf.queue_deadline()
    )
    return CurrentCounts(
        now=state.now,
        limited=dict(numbers.order_by().values_list("limited_by").annotate(Count("pk"))),
        waiting=queued.count(),
        control=state.control,
        pauses=_pauses(state.control, now=state.now, using=using),
        pumped=pumped_destinations(now=state.now, using=using),
    )


def _pauses(control: CallControl, *, now: datetime, using: str) -> Mapping[str, Pause]:
    """Return the pause of each key that is paused and usable. A site with one key needs no other query."""
    controls = {conf.DEFAULT_KEY: control}
    if conf.has_named_keys():
        paused = CallControl.objects.using(using).filter(paused_until__gt=now).order_by("name")[:MAX_PAUSES]
        controls = {row.name: row for row in paused}
    return {name: pause for name, row in controls.items() if (pause := _pause(name, row, now=now))}


def _pause(name: str, control: CallControl, *, now: datetime) -> Pause | None:
    """Return the pause of this key. None if the key is not usable."""
    if control.paused_until is None:
        return None
    try:
        return pause_for(control, key=key_of(get_backend(name)), now=now)
    except Misconfigured:
        return None
