"""Which attempt an event of Telroi's is about."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.hints import SETTLING

SETTLEABLE = frozenset({Status.DIALING, Status.UNKNOWN})
"""Nobody knows yet, or any more, what became of the call."""

CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Between Telroi's clock and the database's, in either direction."""
NO_CLOCK_IS_SO_FAR_AHEAD = timedelta(days=1)

TELROI_PLACES_WITHIN = timedelta(seconds=20)
"""Telroi gives up on its carrier 15 to 20 s after a request arrived."""


def attempt_of(event: WebhookEvent, *, now: datetime, using: str) -> VerificationAttempt | None:
    """The attempt with the event's id; or the one whose answer was lost, if it can be only that one.

    ``now`` is the database's.
    """
    return _with_its_id(event, using=using) or _without_an_id(event, now=now, using=using)


def _with_its_id(event: WebhookEvent, *, using: str) -> VerificationAttempt | None:
    if event.id is None:
        return None
    return _attempts(using).filter(telroi_id=event.id).first()


def _attempts(using: str) -> QuerySet[VerificationAttempt]:
    """With their numbers, for whoever settles them."""
    return VerificationAttempt.objects.using(using).select_related("phone")


def _without_an_id(event: WebhookEvent, *, now: datetime, using: str) -> VerificationAttempt | None:
    """Of two that it could be it is neither: a wrong id would have the code judged for another call.

    A call whose code the caller chose is another system's: this site lets Telroi choose.
    """
    at = event.created_at
    if event.client_supplied:
        return None
    if event.id is None or event.to is None or at is None or at > now + NO_CLOCK_IS_SO_FAR_AHEAD:
        return None
    longest = max(conf.code_ttl(), _longest_placing()) + CLOCKS_DIFFER_BY
    called = (
        _attempts(using)
        .filter(
            phone__number=event.to,
            telroi_id=None,
            dialed_at__lte=at + CLOCKS_DIFFER_BY,
            created_at__gt=at - longest - conf.queue_deadline(),  # where the index begins to read
        )
        .exclude(status__in=(Status.FAILED, Status.QUEUED))
    )
    placing = [attempt for attempt in called if _may_be_placing(attempt, at)]
    if event.name in SETTLING:
        return placing[0] if len(placing) == 1 else None
    takes_codes = [attempt for attempt in called if at <= attempt.expires_at + CLOCKS_DIFFER_BY]
    candidates = [each for each in takes_codes if each.status in SETTLEABLE or each in placing] or takes_codes
    return candidates[0] if len(candidates) == 1 else None


def _may_be_placing(attempt: VerificationAttempt, at: datetime) -> bool:
    """Whether Telroi can have placed this call at the moment ``at`` of its own clock.

    An attempt that is over counts too, and one whose codes live shorter than this: its event may come a day late, when
    another call to the number is open.
    """
    claimed = attempt.dialed_at
    return claimed is not None and at <= claimed + _longest_placing() + CLOCKS_DIFFER_BY


def _longest_placing() -> timedelta:
    """From a call's claim to the moment of its event: sent in the last second, placed in the last second."""
    return timedelta(seconds=conf.timeouts().total) + TELROI_PLACES_WITHIN
