"""Finding the attempt that a webhook event is about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import QuerySet

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Judge, Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.call_reports import SETTLING

SETTLEABLE = frozenset({Status.DIALING, Status.UNKNOWN})
"""The outcome of the call is not known yet, or was lost."""

CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Allowed difference between Telroi's clock and the database's, in either direction."""

FURTHEST_CLOCK = timedelta(days=1)
"""An event from further in the future is matched by its id only."""

TELROI_PLACES_WITHIN = timedelta(seconds=20)
"""Telroi gives up on its carrier 15 to 20 s after a request arrived."""


def attempt_of(
    event: WebhookEvent, *, key_names: Collection[str], now: datetime, using: str
) -> VerificationAttempt | None:
    """Return the attempt with the event's id, else the only attempt without an id that the event can be about.

    Returns None if there is no such attempt, or more than one. ``key_names``: only attempts with these keys are looked
    at. ``now`` is the time of the database.
    """
    attempts = _attempts(key_names, using=using)
    return _attempt_by_id(event, attempts) or _attempt_without_id(event, attempts, now=now)


def _attempt_by_id(event: WebhookEvent, attempts: QuerySet[VerificationAttempt]) -> VerificationAttempt | None:
    return None if event.id is None else attempts.filter(telroi_id=event.id).first()


def _attempts(key_names: Collection[str], *, using: str) -> QuerySet[VerificationAttempt]:
    """Return the attempts with these keys, with the rows of their numbers, which a transition needs."""
    # The owner of one workspace knows its secret, and could forge events about the calls of another one.
    return VerificationAttempt.objects.using(using).select_related("phone").filter(key_name__in=key_names)


def _attempt_without_id(
    event: WebhookEvent, attempts: QuerySet[VerificationAttempt], *, now: datetime
) -> VerificationAttempt | None:
    """Return the only attempt of the event's number whose answer was lost and whose call can have this event.

    Returns None if two attempts match, because with a wrong id a code would be judged for another call. A call whose
    code Telroi did not choose (``client_supplied``) is ours only if our request carried a code.
    """
    at = event.created_at
    if event.id is None or event.to is None or at is None or at > now + FURTHEST_CLOCK:
        return None
    longest = max(conf.code_ttl(), _longest_placing()) + CLOCKS_DIFFER_BY
    called = attempts.filter(
        phone__number=event.to,
        telroi_id=None,
        dialed_at__lte=at + CLOCKS_DIFFER_BY,
        created_at__gt=at - longest - conf.queue_deadline(),  # limits the range of the index scan
    ).exclude(status__in=(Status.FAILED, Status.QUEUED))
    if event.client_supplied:
        called = called.exclude(judge=Judge.TELROI)
    placing = [attempt for attempt in called if _may_be_placing(attempt, at)]
    if event.name in SETTLING:
        return placing[0] if len(placing) == 1 else None
    takes_codes = [attempt for attempt in called if at <= attempt.expires_at + CLOCKS_DIFFER_BY]
    candidates = [each for each in takes_codes if each.status in SETTLEABLE or each in placing] or takes_codes
    return candidates[0] if len(candidates) == 1 else None


def _may_be_placing(attempt: VerificationAttempt, at: datetime) -> bool:
    """Return whether Telroi can have placed this call at the time ``at`` of its own clock.

    This includes attempts that are closed or whose code has expired. Their events may come a day late, while another
    call to the number is open.
    """
    claimed = attempt.dialed_at
    return claimed is not None and at <= claimed + _longest_placing() + CLOCKS_DIFFER_BY


def _longest_placing() -> timedelta:
    """Return the longest time from a claim to the call: the request takes our total timeout, then Telroi its own."""
    return timedelta(seconds=conf.timeouts().total) + TELROI_PLACES_WITHIN
