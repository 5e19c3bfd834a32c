"""Number pumping: many calls to a range of numbers that somebody earns by, and hardly any of them verified."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.db.models.functions import Substr

from django_telroi.domain.states import Status
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.alerts import Alert, raise_alert
from django_telroi.services.state import read_state

WINDOW = timedelta(hours=1)
FIRST_DIGITS = 7
LEAST_CALLS = 30
LEAST_PERCENT_VERIFIED = 20
MOST_PREFIXES = 10

logger = logging.getLogger("django_telroi")


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
    if pumped and raise_alert(Alert.PUMPING, now=now or read_state("", using=using).now, using=using):
        for each in pumped:
            logger.error("pumping prefix=%s calls=%s verified=%s", each.prefix, each.calls, each.verified)
    return pumped
