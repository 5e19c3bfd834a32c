"""What Telroi reports by itself: written down once, and used where a call's answer was lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.db.models.functions import Coalesce
from django.views.decorators.debug import sensitive_variables

from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, DbNow, EventKind, VerificationAttempt
from django_telroi.services.arguments import typed_arguments
from django_telroi.services.attempts import settle_overdue
from django_telroi.services.calling_again import close_followed
from django_telroi.services.claims import Overtaken
from django_telroi.services.hints import COMPLETED, SETTLING, SIGNALS, fields_of_report
from django_telroi.services.matching import SETTLEABLE, attempt_of
from django_telroi.services.moves import move, send_after_commit
from django_telroi.services.transactions import repeat_on_lock_error, unavailable_without_database, write_alias

TOO_OLD = timedelta(hours=24)
"""Telroi gives up after 85 minutes; what is much older was kept by somebody and sent again."""

TIMES_TO_MATCH = 3
"""An attempt may get its id, or be erased, between the look at it and the writing."""

VERIFIED = "otp.verified"

logger = logging.getLogger("django_telroi")


class EventEffect(StrEnum):
    """What became of an event."""

    PLACED = "placed"
    """It told that a call went out whose answer was lost."""
    FAILED = "failed"
    """It told that such a call did not."""
    NOTED = "noted"
    """It stands on the attempt's timeline, and changed nothing."""
    UNMATCHED = "unmatched"
    """It is about no attempt of this site, or could be about several."""
    REPEATED = "repeated"
    """It came before."""
    TOO_OLD = "too_old"


@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def record_event(event: WebhookEvent, *, now: datetime | None = None) -> EventEffect:
    """Write down what Telroi reports, once, and let it settle a call that is ``unknown``.

    Beside one that is ``dialing`` it is kept, and settles the call if its own answer is lost. It moves nothing else,
    and **verifies nobody**: ``otp.verified`` comes for wrong codes too. ``event`` must have been authenticated. Order
    does not matter, and neither does how often it comes. ``now`` replaces the database's clock. Raises Unavailable
    where it cannot be written down.
    """
    effect, attempt = _record(event, now=now, using=write_alias())
    logger.info("webhook event=%s effect=%s attempt=%s", event.name or "unreadable", effect, attempt and attempt.pk)
    return effect


def last_event_at() -> datetime | None:
    """When the last webhook came that was written down; None if none ever did."""
    events = AttemptEvent.objects.using(write_alias()).filter(kind=EventKind.WEBHOOK)
    return events.order_by("-at").values_list("at", flat=True).first()


def _record(event: WebhookEvent, *, now: datetime | None, using: str) -> tuple[EventEffect, VerificationAttempt | None]:
    for times_left in reversed(range(TIMES_TO_MATCH)):
        moment, came_before = _clock_and_digest(event, using=using)
        moment = now or moment
        if event.created_at and event.created_at < moment - TOO_OLD:
            return EventEffect.TOO_OLD, None
        if came_before:
            break
        attempt = attempt_of(event, now=moment, using=using)
        try:
            return (
                _settle(event, attempt, now=moment, using=using) if attempt else _keep(event, now=moment, using=using)
            )
        except (IntegrityError, Overtaken, VerificationAttempt.DoesNotExist):
            # Mostly the same body at the same time, which the digest tells in the next round.
            if not times_left:
                raise
    return EventEffect.REPEATED, None


def _clock_and_digest(event: WebhookEvent, *, using: str) -> tuple[datetime, bool]:
    """The database's now, and whether the event came before, in one statement.

    A host's own clock may be wrong: then one process would settle what another passes over as too old.
    """
    same = AttemptEvent.objects.using(using).filter(digest=event.digest)
    # Of no row the maximum is NULL, and the clock is read all the same.
    read = same.aggregate(now=Coalesce(Max(DbNow()), DbNow()), times=Count("pk"))
    return read["now"], bool(read["times"])


def _keep(event: WebhookEvent, *, now: datetime, using: str) -> tuple[EventEffect, VerificationAttempt | None]:
    """It belongs to no attempt. Its id is kept so that staff can ask Telroi; its number is nobody's business."""
    write = partial(_note, event, None, words=event.id or "", now=now, using=using)
    repeat_on_lock_error(write, using=using)
    return EventEffect.UNMATCHED, None


def _settle(
    event: WebhookEvent, attempt: VerificationAttempt, *, now: datetime, using: str
) -> tuple[EventEffect, VerificationAttempt | None]:
    if attempt.status in SETTLEABLE:
        settle_overdue(attempt, now=now, using=using)
    if attempt.status == Status.DIALING and attempt.telroi_id is None and event.name in SETTLING:
        repeat_on_lock_error(partial(_keep_hint, event, attempt, now=now, using=using), using=using)
        return EventEffect.NOTED, attempt
    moved: Mapping[str, object] = {}
    if attempt.status in SETTLEABLE:
        moved = fields_of_report(event.name, event.id, event.reason, attempt, now=now)
    write = partial(_write, event, attempt, moved, now=now, using=using)
    if not repeat_on_lock_error(write, using=using):
        return EventEffect.NOTED, attempt
    status = Status(attempt.status)
    send_after_commit(SIGNALS[status], attempt, using=using)
    close_followed(attempt, now=now, using=using)
    return EventEffect(status), attempt


def _keep_hint(event: WebhookEvent, attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """The event beside a call that is being placed. Raises Overtaken where the row is not any more what it was.

    The UPDATE changes nothing and locks the row, so that whoever makes it ``unknown`` sees the hint afterwards.
    """
    with transaction.atomic(using=using):
        if not move(attempt, {"status": Status.DIALING}, from_=(Status.DIALING,), using=using, telroi_id=None):
            raise Overtaken
        _note(event, attempt, words=event.reason, now=now, using=using, call_id=event.id)


def _write(
    event: WebhookEvent, attempt: VerificationAttempt, moved: Mapping[str, object], *, now: datetime, using: str
) -> bool:
    """The move and the event, or neither. Raises Overtaken where the row is not any more what it was.

    The row is locked first, for the event's key to it would lock it too, and two of those wait for each other.
    """
    before = " ".join(filter(None, (attempt.status, attempt.error_code)))
    with transaction.atomic(using=using):
        if moved and not move(attempt, moved, from_=SETTLEABLE, using=using, telroi_id=attempt.telroi_id):
            raise Overtaken
        words = f"was {before}" if moved and event.name == COMPLETED else _words(event)
        _note(event, attempt, words=words, now=now, using=using)
    return bool(moved)


def _note(
    event: WebhookEvent,
    attempt: VerificationAttempt | None,
    *,
    words: str,
    now: datetime,
    using: str,
    call_id: str | None = None,
) -> None:
    AttemptEvent.objects.using(using).create(
        attempt_id=None if attempt is None else attempt.pk,
        kind=EventKind.WEBHOOK,
        detail=": ".join(filter(None, (event.name or "unreadable", words)))[:200],
        digest=event.digest,
        at=now,
        call_id=call_id,
    )


def _words(event: WebhookEvent) -> str:
    if event.name == VERIFIED and event.verified is not None:
        return "right code" if event.verified else "wrong code"
    return event.reason
