"""Signs of toll fraud: destinations that are called often, whose codes are hardly ever typed.

Toll fraud calls many numbers of one rented range, which have the same first digits, and no person types the codes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet

from django_telroi.domain.destinations import is_prefix
from django_telroi.domain.states import Status
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.statistics.rankings import of_reviewers

logger = logging.getLogger("django_telroi")

WINDOW = timedelta(hours=1)
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
        created_at__gt=moment - WINDOW, created_at__lte=moment, dialed_at__isnull=False
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
    """Return such destinations. If there are any, raise the alert ``pumping`` at most once an hour and log them."""
    pumped = pumped_destinations(now=now, using=using)
    if pumped and raise_alert(Alert.PUMPING, now=now or database_now(using), using=using):
        for each in pumped:
            # Without the plus sign, as in the field of the other lines.
            destination = each.destination.removeprefix("+")
            logger.error("pumping destination=%s calls=%s verified=%s", destination, each.calls, each.verified)
    return pumped
