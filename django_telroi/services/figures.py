"""What the calls of a period came to, counted by the database in a few grouped reads. Nothing is written here."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, tzinfo
from statistics import median

from django.core.cache import cache
from django.db import Error
from django.db.models import Case, Count, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, EventKind, RefusalTally, VerificationAttempt
from django_telroi.services.buckets import bucket_of, cut
from django_telroi.services.period import Alerted, Bar, Figures, Group, Outcome, Period, Refused, summed
from django_telroi.services.state import read_state
from django_telroi.services.transactions import write_alias

NEWEST = 5000
"""Of so many verified calls the median is taken."""
MOST_GROUPS = 12
"""So many lines regions and purposes have, most calls first; the last is the rest where there are more."""
KEPT_SECONDS = 300
SHAPE = 2
"""Part of the cache's key: raise it when the classes of ``period`` change, so that nobody reads another's shape."""

logger = logging.getLogger("django_telroi")


def figures(period: Period, *, now: datetime | None = None) -> Figures:
    """The figures of ``period``, by the current time zone. More than a day is kept for five minutes in the default
    cache; ``until`` tells how old it is. A given ``now`` is always counted."""
    zone = timezone.get_current_timezone()
    if period is Period.DAY or now:
        return count_figures(period, zone=zone, now=now)
    key = f"django_telroi:figures:{SHAPE}:{period}:{timezone.get_current_timezone_name()}"
    try:
        kept = cache.get(key)
        if not isinstance(kept, Figures):
            kept = count_figures(period, zone=zone)
            cache.set(key, kept, KEPT_SECONDS)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001 - each cache raises errors of its own, and staff look when things are down
        logger.warning("figures_not_kept error=%s", type(error).__name__)
        kept = count_figures(period, zone=zone)
    return kept


def count_figures(period: Period, *, zone: tzinfo, now: datetime | None = None) -> Figures:
    """Count them, whatever is kept."""
    using = write_alias()
    until = now or read_state("", using=using).now
    since = until - period.length
    starts = cut(since, until, next_edge=period.next_edge, zone=zone)
    attempts = VerificationAttempt.objects.using(using).filter(created_at__gte=since, created_at__lte=until)
    bars, regions = _bars_and_regions(attempts, starts, now=until)
    return Figures(
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


def _refusals(since: datetime, until: datetime, *, using: str) -> tuple[Refused, ...]:
    """Counted by the hour: those of the hour in which the period began are all in it."""
    first_hour = since.replace(minute=0, second=0, microsecond=0)
    tallies = RefusalTally.objects.using(using).filter(hour__gte=first_hour, hour__lte=until)
    rows = tallies.order_by().values_list("code").annotate(refused=Sum("count"))
    return tuple(Refused(*row) for row in rows.order_by("-refused", "code"))


def _alerts(since: datetime, until: datetime, *, using: str) -> tuple[Alerted, ...]:
    alerts = AttemptEvent.objects.using(using).filter(kind=EventKind.ALERT, at__gte=since, at__lte=until)
    rows = alerts.order_by().values_list("detail").annotate(times=Count("pk"), last_at=Max("at"))
    return tuple(Alerted(*row) for row in rows.order_by("-last_at"))


def _median_seconds(attempts: QuerySet[VerificationAttempt]) -> float | None:
    """From request to right code, of the newest: the whole of a month would be read for one figure otherwise."""
    verified = attempts.filter(status=Status.VERIFIED, verified_at__isnull=False).order_by("-created_at")
    moments = verified.exclude(_WITH_TEST_KEY).values_list("created_at", "verified_at")[:NEWEST]
    seconds = [(end - start).total_seconds() for start, end in moments if end]
    return median(seconds) if seconds else None
