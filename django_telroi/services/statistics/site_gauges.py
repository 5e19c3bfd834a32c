"""The current state of a site, for gauges: its queue, its limited numbers, its switch and the budget of its key."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min

from django_telroi import conf
from django_telroi.backends import get_backend, uses_telroi
from django_telroi.backends.budget import requests_left, share_of
from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.redaction import kind_of
from django_telroi.services.shared.number_state import read_state
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias
from django_telroi.services.statistics.figures import outcome_at
from django_telroi.services.statistics.periods import Outcome
from django_telroi.services.statistics.rankings import of_reviewers

logger = logging.getLogger("django_telroi")

RECENT = timedelta(hours=1)
MAX_KEYS = 100
"""With more keys none is read, because each costs two commands of the cache and a label of the metrics."""


@dataclass(frozen=True)
class SiteGauges:
    """The state of the site at one moment.

    ``queued``: calls that wait for a worker. ``oldest``: seconds that the oldest of them has waited, 0 without one.
    ``limited``: numbers that cannot be called now because of a limit. ``budget``: requests that each window of a
    key's budget allows, None without Telroi's API. ``budget_left``: how many the current one still allows, by the name
    of the key. Empty with more than ``MAX_KEYS`` keys, and without the keys that cannot be read.
    """

    queued: int
    oldest: float
    limited: int
    is_stopped: bool
    budget: int | None
    budget_left: Mapping[str, int]


@unavailable_without_database()
def read_site_gauges() -> SiteGauges:
    """Return the gauges, from three statements and two reads of the cache. Raises Unavailable without the database."""
    using = write_alias()
    state = read_state(None, using=using)
    # Past its deadline a call expires with the next sweep or look. No worker places it any more.
    placeable = {"status": Status.QUEUED, "created_at__gt": state.now - conf.queue_deadline()}
    queue = VerificationAttempt.objects.using(using).filter(**placeable).aggregate(Count("pk"), Min("created_at"))
    oldest = queue["created_at__min"]
    left = _budgets_left()
    return SiteGauges(
        queued=queue["pk__count"],
        oldest=max(0.0, (state.now - oldest).total_seconds()) if oldest else 0.0,
        limited=PhoneNumber.objects.using(using).filter(next_call_at__gt=state.now).count(),
        is_stopped=state.control.stopped_at is not None,
        budget=share_of(conf.key_requests_per_minute()).requests if left else None,
        budget_left=left,
    )


@unavailable_without_database()
def count_recent_calls() -> Mapping[Outcome, int]:
    """Return the calls that were requested in the last hour, by their outcome now. Raises Unavailable.

    It reads all attempts of this hour, so it is for a command and not for a request.
    """
    using = write_alias()
    now = read_state(None, using=using).now
    recent = VerificationAttempt.objects.using(using).filter(created_at__gte=now - RECENT).exclude(of_reviewers())
    rows = recent.order_by().annotate(outcome=outcome_at(now)).values_list("outcome").annotate(calls=Count("pk"))
    counted = Counter({Outcome(outcome): calls for outcome, calls in rows})
    return {outcome: counted[outcome] for outcome in Outcome}


def _budgets_left() -> Mapping[str, int]:
    if not uses_telroi():
        return {}
    try:
        names = conf.key_names()
    except Exception as error:  # noqa: BLE001 - a function of the site may raise anything
        logger.error("telemetry_failed error=%s", kind_of(error))
        return {}
    left = {name: _budget_left(name) for name in names} if len(names) <= MAX_KEYS else {}
    return {name: requests for name, requests in left.items() if requests is not None}


def _budget_left(key_name: str) -> int | None:
    try:
        key_digest = get_backend(key_name).key_digest
    except Misconfigured:
        return None
    return requests_left(key_digest, requests_per_minute=conf.key_requests_per_minute())
