"""Webhook events: finding the attempt of an event, recording it once, and settling a call whose answer was lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import Coalesce
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, DbNow, EventKind, VerificationAttempt
from django_telroi.services.attempts.find import close_older_calls, settle_overdue
from django_telroi.services.attempts.transitions import send_after_commit, transition
from django_telroi.services.attempts.unknown_calls import COMPLETED, SETTLING, SIGNALS, fields_of_report
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.number_state import VersionConflict
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias

logger = logging.getLogger("django_telroi")

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


TOO_OLD = timedelta(hours=24)
"""Telroi gives up after 85 minutes; what is much older was kept by somebody and sent again."""

TIMES_TO_MATCH = 3
"""An attempt may get its id, or be erased, between the look at it and the writing."""

VERIFIED = "otp.verified"


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
        except (IntegrityError, VersionConflict, VerificationAttempt.DoesNotExist):
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
    close_older_calls(attempt, now=now, using=using)
    return EventEffect(status), attempt


def _keep_hint(event: WebhookEvent, attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """The event beside a call that is being placed. Raises VersionConflict where the row is not any more what it was.

    The UPDATE changes nothing and locks the row, so that whoever makes it ``unknown`` sees the hint afterwards.
    """
    with transaction.atomic(using=using):
        if not transition(attempt, {"status": Status.DIALING}, from_=(Status.DIALING,), using=using, telroi_id=None):
            raise VersionConflict
        _note(event, attempt, words=event.reason, now=now, using=using, call_id=event.id)


def _write(
    event: WebhookEvent, attempt: VerificationAttempt, moved: Mapping[str, object], *, now: datetime, using: str
) -> bool:
    """The move and the event, or neither. Raises VersionConflict where the row is not any more what it was.

    The row is locked first, for the event's key to it would lock it too, and two of those wait for each other.
    """
    before = " ".join(filter(None, (attempt.status, attempt.error_code)))
    with transaction.atomic(using=using):
        if moved and not transition(attempt, moved, from_=SETTLEABLE, using=using, telroi_id=attempt.telroi_id):
            raise VersionConflict
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
