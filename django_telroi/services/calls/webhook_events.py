"""Webhook events: find the attempt of an event, record the event once, and settle a call whose answer was lost.

An event that comes while the call is ``dialing`` is kept. ``attempts/call_reports.py`` settles the call by it later:
after a lost answer (``calls/place.py``), or after the end of the lease (``attempts/find.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from hashlib import sha256

from django.db import IntegrityError, connections, transaction
from django.db.models import Count
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.domain.states import Judge, Status
from django_telroi.log_fields import about_key
from django_telroi.models import AttemptEvent, DbNow, EventKind, PhoneNumber, VerificationAttempt
from django_telroi.services.attempts.call_reports import COMPLETED, SETTLING, SIGNALS, CallReport
from django_telroi.services.attempts.find import close_superseded_calls, settle_overdue
from django_telroi.services.attempts.transitions import send_after_commit, transition
from django_telroi.services.calls.place import LATEST_REQUEST
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.outcomes import report_settled_call
from django_telroi.services.shared.statements import ATTEMPT, EVENT, NUMBER, Select
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias
from django_telroi.services.shared.writes import VersionConflict, insert_row

logger = logging.getLogger("django_telroi")


TOO_OLD = timedelta(hours=24)
"""Telroi stops its retries after 85 minutes. A much older event is a replay."""

TIMES_TO_MATCH = 3
"""Between the SELECT and the write, another process may give the attempt its id or erase it."""

VERIFIED = "otp.verified"


class EventEffect(StrEnum):
    """What an event changed."""

    PLACED = "placed"
    """A call whose answer was lost is now ``placed``."""
    FAILED = "failed"
    """A call whose answer was lost is now ``failed``."""
    NOTED = "noted"
    """Recorded on the attempt's timeline. The status did not change."""
    UNMATCHED = "unmatched"
    """No attempt matches, or more than one."""
    REPEATED = "repeated"
    """The same event was recorded before."""
    TOO_OLD = "too_old"
    """Older than 24 hours, so it was not recorded."""


@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def record_event(
    event: WebhookEvent, *, key_names: Collection[str] = (conf.DEFAULT_KEY,), now: datetime | None = None
) -> EventEffect:
    """Record a webhook event once, and let it settle an attempt that is ``unknown``.

    ``event``: its signature must have been verified. ``key_names``: the names of the keys whose secret signed it. Only
    attempts with these keys are changed. ``now`` replaces the database's clock.

    For an attempt that is ``dialing``, the event is kept. It settles the attempt later if Telroi's answer is lost. An
    event changes nothing else, and it **never verifies a number**: Telroi sends ``otp.verified`` for wrong codes too.
    Events may come in any order and more than once.

    Returns an EventEffect. Raises Unavailable if the event cannot be written.
    """
    with about_key(conf.key_label(" ".join(key_names))):
        effect, attempt = _record(_of_keys(event, key_names), key_names=key_names, now=now, using=write_alias())
        logger.info("webhook event=%s effect=%s attempt=%s", event.name or "unreadable", effect, attempt and attempt.pk)
    return effect


def _of_keys(event: WebhookEvent, key_names: Collection[str]) -> WebhookEvent:
    """Return the event with a digest of these keys. Otherwise a forged copy would suppress the event of another key."""
    if tuple(key_names) == (conf.DEFAULT_KEY,):
        return event
    about = " ".join([*sorted(key_names), event.digest])
    return replace(event, digest=sha256(about.encode()).hexdigest())


def last_event_at() -> datetime | None:
    """Return when the latest recorded webhook came, None if there is none."""
    events = AttemptEvent.objects.using(write_alias()).filter(kind=EventKind.WEBHOOK)
    return events.order_by("-at").values_list("at", flat=True).first()


def _record(
    event: WebhookEvent, *, key_names: Collection[str], now: datetime | None, using: str
) -> tuple[EventEffect, VerificationAttempt | None]:
    for retries_left in reversed(range(TIMES_TO_MATCH)):
        db_now, came_before, attempt = _read(event, key_names, using=using)
        moment = now or db_now
        if event.created_at and event.created_at < moment - TOO_OLD:
            return EventEffect.TOO_OLD, None
        if came_before:
            break
        attempt = attempt or _attempt_without_id(event, key_names, now=moment, using=using)
        try:
            return (
                _record_matched(event, attempt, now=moment, using=using)
                if attempt
                else _record_unmatched(event, now=moment, using=using)
            )
        except (IntegrityError, VersionConflict, VerificationAttempt.DoesNotExist):
            # Usually the same event was recorded at the same moment. The next round finds its digest.
            if not retries_left:
                raise
    return EventEffect.REPEATED, None


def _read(
    event: WebhookEvent, key_names: Collection[str], *, using: str
) -> tuple[datetime, bool, VerificationAttempt | None]:
    """Return the time of the database, whether the event was recorded before, and the attempt with the event's id.

    The database's clock is used, because host clocks may differ: one process would settle by an event that another one
    skips as too old.
    """
    select = _select(using, len(key_names))
    db_now, times, attempt, phone = select.read([event.digest, event.id, *key_names], using=using)
    if attempt:
        attempt.phone = phone
    return db_now, times > 0, attempt


@cache
def _select(using: str, keys: int) -> Select:
    """Return the SELECT of ``_read``. Its parameters are the event's digest, the call's id, and the names of the keys.

    Only attempts with these keys are found: the owner of one workspace knows its secret, and could forge events about
    the calls of another one.
    """
    quote = connections[using].ops.quote_name
    events, attempts, phones = (
        quote(model._meta.db_table) for model in (AttemptEvent, VerificationAttempt, PhoneNumber)
    )
    compiler = VerificationAttempt.objects.using(using).query.get_compiler(using)
    repeats = f"SELECT COUNT(*) FROM {events} {EVENT} WHERE {EVENT}.{quote('digest')} = %s"
    of_event = f"{ATTEMPT}.{quote('telroi_id')} = %s"
    of_keys = f"{ATTEMPT}.{quote('key_name')} IN ({', '.join(['%s'] * keys) or 'NULL'})"
    return Select.of(
        [(compiler.compile(DbNow())[0], DbNow()), (f"({repeats})", Count("pk"))],
        {VerificationAttempt: ATTEMPT, PhoneNumber: NUMBER},
        "FROM (SELECT 1 AS one) AS always"
        f" LEFT JOIN {attempts} {ATTEMPT} ON {of_event} AND {of_keys}"
        f" LEFT JOIN {phones} {NUMBER} ON {NUMBER}.{quote('id')} = {ATTEMPT}.{quote('phone_id')}"
        f" ORDER BY {ATTEMPT}.{quote('id')} LIMIT 1",
        using=using,
    )


def _record_unmatched(
    event: WebhookEvent, *, now: datetime, using: str
) -> tuple[EventEffect, VerificationAttempt | None]:
    """Record an event without an attempt. Its id lets staff ask Telroi. Its number is not stored, as it is not ours."""
    write = partial(_create_event, event, None, detail=event.id or "", now=now, using=using)
    repeat_on_lock_error(write, using=using)
    return EventEffect.UNMATCHED, None


def _record_matched(
    event: WebhookEvent, attempt: VerificationAttempt, *, now: datetime, using: str
) -> tuple[EventEffect, VerificationAttempt | None]:
    if attempt.status in SETTLEABLE:
        settle_overdue(attempt, now=now, using=using)
    if attempt.status == Status.DIALING and attempt.telroi_id is None and event.name in SETTLING:
        repeat_on_lock_error(partial(_record_hint, event, attempt, now=now, using=using), using=using)
        return EventEffect.NOTED, attempt
    changes: Mapping[str, object] = {}
    if attempt.status in SETTLEABLE:
        changes = _report_of(event).fields(attempt, now=now)
    write = partial(_write_event, event, attempt, changes, now=now, using=using)
    if not repeat_on_lock_error(write, using=using):
        return EventEffect.NOTED, attempt
    status = Status(attempt.status)
    report_settled_call(attempt, using=using)
    send_after_commit(SIGNALS[status], attempt, using=using)
    close_superseded_calls(attempt, now=now, using=using)
    return EventEffect(status), attempt


def _record_hint(event: WebhookEvent, attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Record the event of an attempt that is ``dialing``. Raises VersionConflict if the row has changed.

    The UPDATE changes no value but locks the row. A process that makes the row ``unknown`` later sees the event.
    """
    with transaction.atomic(using=using):
        if not transition(attempt, {"status": Status.DIALING}, from_=(Status.DIALING,), using=using, telroi_id=None):
            raise VersionConflict
        _create_event(event, attempt, detail=_report_of(event).detail, now=now, using=using, call_id=event.id)


def _report_of(event: WebhookEvent) -> CallReport:
    return CallReport(event.name, event.id, event.reason, event.client_supplied, event.livemode)


def _write_event(
    event: WebhookEvent, attempt: VerificationAttempt, changes: Mapping[str, object], *, now: datetime, using: str
) -> bool:
    """Write the transition and the event in one transaction. Raises VersionConflict if the row has changed.

    The UPDATE comes first and locks the row. If the INSERT came first, its foreign key would take a shared lock on the
    row, and two processes with shared locks would wait for each other's UPDATE: a deadlock.
    """
    before = " ".join(filter(None, (attempt.status, attempt.error_code)))
    with transaction.atomic(using=using):
        if changes and not transition(attempt, changes, from_=SETTLEABLE, using=using, telroi_id=attempt.telroi_id):
            raise VersionConflict
        detail = f"was {before}" if changes and event.name == COMPLETED else _detail_of(event)
        _create_event(event, attempt, detail=detail, now=now, using=using)
    return bool(changes)


def _create_event(
    event: WebhookEvent,
    attempt: VerificationAttempt | None,
    *,
    detail: str,
    now: datetime,
    using: str,
    call_id: str | None = None,
) -> None:
    recorded = AttemptEvent(
        attempt_id=None if attempt is None else attempt.pk,
        kind=EventKind.WEBHOOK,
        detail=": ".join(filter(None, (event.name or "unreadable", detail)))[:200],
        digest=event.digest,
        at=now,
        call_id=call_id,
    )
    insert_row(recorded, using=using)


def _detail_of(event: WebhookEvent) -> str:
    if event.name == VERIFIED and event.verified is not None:
        return "right code" if event.verified else "wrong code"
    return event.reason


SETTLEABLE = frozenset({Status.DIALING, Status.UNKNOWN})
"""The outcome of the call is not known yet, or was lost."""

CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Allowed difference between Telroi's clock and the database's, in either direction."""

FURTHEST_CLOCK = timedelta(days=1)
"""An event from further in the future is matched by its id only."""

TELROI_PLACES_WITHIN = timedelta(seconds=20)
"""Telroi gives up on its carrier 15 to 20 s after a request arrived."""


def _attempt_without_id(
    event: WebhookEvent, key_names: Collection[str], *, now: datetime, using: str
) -> VerificationAttempt | None:
    """Return the only attempt of the event's number whose answer was lost and whose call can have this event.

    Returns None if two attempts match, because with a wrong id a code would be judged for another call. A call whose
    code Telroi did not choose (``client_supplied``) is ours only if our request carried a code. ``key_names``: only
    attempts with these keys are looked at. ``now`` is the time of the database.
    """
    at = event.created_at
    if event.id is None or event.to is None or at is None or at > now + FURTHEST_CLOCK:
        return None
    longest = max(conf.code_ttl(), _longest_placing()) + CLOCKS_DIFFER_BY
    called = (
        VerificationAttempt.objects.using(using)
        .select_related("phone")
        .filter(
            phone__number=event.to,
            key_name__in=key_names,
            telroi_id=None,
            dialed_at__lte=at + CLOCKS_DIFFER_BY,
            created_at__gt=at - longest - conf.queue_deadline(),  # limits the range of the index scan
        )
        .exclude(status__in=(Status.FAILED, Status.QUEUED))
    )
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
    """Return the longest time from a claim to the call. The request may begin ``LATEST_REQUEST`` after the claim. It
    takes at most our total timeout, and Telroi then takes its own."""
    return timedelta(seconds=LATEST_REQUEST + conf.timeouts().total) + TELROI_PLACES_WITHIN
