"""What the calls of a period came to, counted by the database in a few grouped reads. Nothing is written here."""

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
"""Of so many verified calls the median is taken."""
MOST_GROUPS = 12
"""So many lines regions and purposes have, most calls first; the last is the rest where there are more."""
KEPT_SECONDS = 300
SHAPE = 2
"""Part of the cache's key: raise it when the classes of ``period`` change, so that nobody reads another's shape."""


def statistics_of(period: Period, *, now: datetime | None = None) -> Statistics:
    """The figures of ``period``, by the current time zone. More than a day is kept for five minutes in the default
    cache; ``until`` tells how old it is. A given ``now`` is always counted."""
    zone = timezone.get_current_timezone()
    if period is Period.DAY or now:
        return count_statistics(period, zone=zone, now=now)
    key = f"django_telroi:figures:{SHAPE}:{period}:{timezone.get_current_timezone_name()}"
    try:
        kept = cache.get(key)
        if not isinstance(kept, Statistics):
            kept = count_statistics(period, zone=zone)
            cache.set(key, kept, KEPT_SECONDS)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001 - each cache raises errors of its own, and staff look when things are down
        logger.warning("figures_not_kept error=%s", type(error).__name__)
        kept = count_statistics(period, zone=zone)
    return kept


def count_statistics(period: Period, *, zone: tzinfo, now: datetime | None = None) -> Statistics:
    """Count them, whatever is kept."""
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


# What Telroi accepted. A call of unknown outcome that a code settled was placed as well, whatever the reply was.
_WITH_TEST_KEY = Q(livemode=False)
_PLACED = Count(Coalesce("placed_at", "verified_at"), filter=~_WITH_TEST_KEY)


def outcome_at(now: datetime) -> Case:
    """An attempt's Outcome as an expression; what is overdue at ``now`` is counted as what it has become."""
    in_queue = Q(status=Status.QUEUED, created_at__gt=now - conf.queue_deadline())
    in_time = Q(status__in=(Status.DIALING, Status.PLACED), due_at__gt=now)
    return Case(
        When(_WITH_TEST_KEY, then=Value(Outcome.TEST_KEY.value)),
        When(status=Status.VERIFIED, then=Value(Outcome.VERIFIED.value)),
        When(status=Status.FAILED, then=Value(Outcome.FAILED.value)),
        When(in_queue | in_time, then=Value(Outcome.OPEN.value)),
        # Telroi judged the codes of a locked one, so there was a call.
        When(
            ~Q(status=Status.LOCKED) & Q(dialed_at__isnull=False, placed_at__isnull=True),
            then=Value(Outcome.UNKNOWN.value),
        ),
        default=Value(Outcome.NOT_VERIFIED.value),
    )


def _bars_and_regions(
    attempts: QuerySet[VerificationAttempt], starts: tuple[datetime, ...], *, now: datetime
) -> tuple[tuple[Bar, ...], tuple[Group, ...]]:
    """Both from one read: over a month it looks at every row of it."""
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
    """A site may name purposes as it likes, one for each order even: only the biggest leave the database."""
    is_verified = Count("pk", filter=Q(status=Status.VERIFIED) & ~_WITH_TEST_KEY)
    rows = attempts.order_by().values_list("purpose").annotate(calls=Count("pk"), placed=_PLACED, right=is_verified)
    biggest = [Group(*row) for row in rows.order_by("-calls", "purpose")[: MOST_GROUPS + 1]]
    return _with_rest(biggest, total)


def _with_rest(groups: list[Group], total: Group) -> tuple[Group, ...]:
    """The biggest, and where they are not all, one line for the rest of ``total``."""
    if len(groups) <= MOST_GROUPS:
        return tuple(groups)
    named = groups[: MOST_GROUPS - 1]
    known = summed(named)
    rest = (total.calls - known.calls, total.placed - known.placed, total.verified - known.verified)
    return (*named, Group("", *rest, is_rest=True))


def _refusals(since: datetime, until: datetime, *, using: str) -> tuple[RefusalCount, ...]:
    """Counted by the hour: those of the hour in which the period began are all in it."""
    first_hour = since.replace(minute=0, second=0, microsecond=0)
    tallies = RefusalTally.objects.using(using).filter(hour__gte=first_hour, hour__lte=until)
    rows = tallies.order_by().values_list("code").annotate(refused=Sum("count"))
    return tuple(RefusalCount(*row) for row in rows.order_by("-refused", "code"))


def _alerts(since: datetime, until: datetime, *, using: str) -> tuple[AlertCount, ...]:
    alerts = AttemptEvent.objects.using(using).filter(kind=EventKind.ALERT, at__gte=since, at__lte=until)
    rows = alerts.order_by().values_list("detail").annotate(times=Count("pk"), last_at=Max("at"))
    return tuple(AlertCount(*row) for row in rows.order_by("-last_at"))


def _median_seconds(attempts: QuerySet[VerificationAttempt]) -> float | None:
    """From request to right code, of the newest: the whole of a month would be read for one figure otherwise."""
    verified = attempts.filter(status=Status.VERIFIED, verified_at__isnull=False).order_by("-created_at")
    moments = verified.exclude(_WITH_TEST_KEY).values_list("created_at", "verified_at")[:NEWEST]
    seconds = [(end - start).total_seconds() for start, end in moments if end]
    return median(seconds) if seconds else None


@dataclass(frozen=True)
class CurrentCounts:
    """``limited`` counts the numbers that may not be called at ``now``, by the rule that says so; ``waiting`` the
    requests in the queue, ``pumped`` names the prefixes that the alert ``pumping`` is about."""

    now: datetime
    limited: Mapping[str, int]
    waiting: int
    control: CallControl
    pause: Pause | None
    pumped: tuple[PumpedPrefix, ...] = ()


def current_counts(*, now: datetime | None = None) -> CurrentCounts:
    """Read afresh each time: four small searches by index."""
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
    """That of the key in use; without a usable key there is none to pause."""
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
    """The calls of the last hour to numbers that begin with the same seven digits (E.164, without ``+``)."""

    prefix: str
    calls: int
    verified: int


def pumped_prefixes(*, now: datetime | None = None, using: str) -> tuple[PumpedPrefix, ...]:
    """Where money is pumped away right now, the most calls first: 30 or more, of which under 20 % were verified.

    Read by the index on ``created_at``: an hour of attempts, whatever the table holds. Failed and queued attempts were
    no calls, and neither were those with a test key.
    """
    moment = now or DbNow()
    calls = VerificationAttempt.objects.using(using).filter(
        created_at__gt=moment - WINDOW, created_at__lte=moment, dialed_at__isnull=False
    )
    billed = calls.exclude(status=Status.FAILED).exclude(livemode=False)
    prefixes = billed.order_by().values_list(Substr("phone__number", 2, FIRST_DIGITS))
    counted = prefixes.annotate(calls=Count("pk"), verified=Count("pk", filter=Q(status=Status.VERIFIED)))
    busy = counted.filter(calls__gte=LEAST_CALLS).order_by("-calls")
    found = (PumpedPrefix(*row) for row in busy)
    return tuple(each for each in found if 100 * each.verified < LEAST_PERCENT_VERIFIED * each.calls)[:MOST_PREFIXES]


def alert_pumping(*, now: datetime | None = None, using: str) -> tuple[PumpedPrefix, ...]:
    """Raise the alert ``pumping`` where there is any, at most once an hour; the log names the prefixes."""
    pumped = pumped_prefixes(now=now, using=using)
    if pumped and raise_alert(Alert.PUMPING, now=now or database_now(using), using=using):
        for each in pumped:
            logger.error("pumping prefix=%s calls=%s verified=%s", each.prefix, each.calls, each.verified)
    return pumped
