"""Which attempt an event of Telroi's is about."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Status
from django_telroi.models import DbNow, VerificationAttempt

SETTLEABLE = frozenset({Status.DIALING, Status.UNKNOWN})
"""Nobody knows yet, or any more, what became of the call."""

CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Less than the 60 s that Telroi keeps between two calls to a number, and so never long enough for another call."""
NO_CLOCK_IS_SO_FAR_AHEAD = timedelta(days=1)


def attempt_of(event: WebhookEvent, *, using: str) -> VerificationAttempt | None:
    """The attempt with the event's id; or the one whose answer was lost, if it can be only that one.

    ``read_at`` is then the database's now.
    """
    return _with_its_id(event, using=using) or _without_an_id(event, using=using)


def _with_its_id(event: WebhookEvent, *, using: str) -> VerificationAttempt | None:
    if event.id is None:
        return None
    return VerificationAttempt.objects.using(using).annotate(read_at=DbNow()).filter(telroi_id=event.id).first()


def _without_an_id(event: WebhookEvent, *, using: str) -> VerificationAttempt | None:
    """Of two that it could be it is neither: a wrong id would have the code judged for another call."""
    at = event.created_at
    if event.id is None or event.to is None or at is None or at > timezone.now() + NO_CLOCK_IS_SO_FAR_AHEAD:
        return None
    called = (
        VerificationAttempt.objects.using(using)
        .annotate(read_at=DbNow())
        .filter(
            phone__number=event.to,
            telroi_id=None,
            dialed_at__lte=at + CLOCKS_DIFFER_BY,
            expires_at__gte=at,
            created_at__gt=at - conf.code_ttl() - conf.queue_deadline(),  # where the index begins to read
        )
    )
    rung = list(called.exclude(status__in=(Status.FAILED, Status.QUEUED)))
    candidates = [attempt for attempt in rung if _may_be_meant(attempt, at)] or rung
    return candidates[0] if len(candidates) == 1 else None


def _may_be_meant(attempt: VerificationAttempt, at: datetime) -> bool:
    """An attempt that is over stands in another's way only as long as its call can have been in the placing."""
    if attempt.status in SETTLEABLE:
        return True
    return attempt.dialed_at is not None and at <= attempt.dialed_at + conf.lease()
