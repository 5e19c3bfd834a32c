"""Claiming a call: count it and change the state of its number, before the call is placed.

A claim is a conditional UPDATE of the number's row, with the version that was read. If several processes claim at the
same time, one of them changes the row. The others change no row and get VersionConflict. Rows are locked in the order
number, attempt, control: all calls share the control rows, so they are locked last, just before the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, transaction
from django.db.models import Case, F, Q, Value, When
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, KeyInUse
from django_telroi.domain.number_limits import current_limit, with_call, without_call
from django_telroi.domain.phone import Phone
from django_telroi.domain.states import UNFINISHED, Judge, Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.redaction import Secret
from django_telroi.services.calls.request import CallRequest
from django_telroi.services.shared.backend_calls import return_call_slot, take_call_slot
from django_telroi.services.shared.number_state import State
from django_telroi.services.shared.secrets import digest_of, new_code, site_makes_code
from django_telroi.services.shared.site_control import (
    count_for_the_day,
    ensure_day_row,
    needs_key_probe,
    refuse_full_day,
    try_claim_key_probe,
    uncount_for_the_day,
)
from django_telroi.services.shared.transactions import DATABASE_LOST, atomic_unless_in_doubt, renew_connection
from django_telroi.services.shared.writes import (
    NumberChange,
    VersionConflict,
    can_write_together,
    change_moments,
    insert_row,
    insert_with_parent,
)

logger = logging.getLogger("django_telroi")

RECHECK_AFTER = timedelta(seconds=15)


class VerifiedMeanwhile(Exception):
    """The attempt that this call would replace was verified in the meantime."""


class AlreadyStarted(Exception):
    """Another attempt already has the requested public id."""


def claim_start(request: CallRequest, state: State, *, attempt: VerificationAttempt, key: KeyInUse, using: str) -> None:
    """Count the call and save its attempt in one transaction.

    The transaction uses no cache, because a cache that does not answer would keep the number's row locked for seconds.

    Raises VersionConflict, AlreadyStarted, VerifiedMeanwhile or SiteLimitReached, and then nothing was written. Raises
    CommitInDoubt if the connection broke at the commit.
    """
    before = state.phone.moments if state.phone else ()
    old = request.supersedes
    replaced = without_call(before, old.counted_at) if old and old.status == Status.QUEUED else before
    if replaced == before:
        refuse_full_day(state)
    ensure_day_row(state, using=using)
    attempt.pk = None  # a retry after a lock error inserts a new row
    change = _change_number(request.phone, state, with_call(replaced, state.now))
    if _writes_only_two_rows(request, state, attempt, key=key, using=using):
        _write_together(request, attempt, change, using=using)
        return
    with atomic_unless_in_doubt(using):
        attempt.phone = change.write(using=using)
        if old:
            _link_older_attempts(request, old, attempt.uuid, now=state.now, using=using)
        try:
            insert_row(attempt, using=using)
        except IntegrityError:
            if request.attempt_uuid is None:
                raise
            raise AlreadyStarted from None
        if attempt.status == Status.DIALING:
            claim_key_probe(state, key=key, using=using)
        # The row of the day comes last, because every call of the site waits while it is locked.
        if old and replaced != before:
            uncount_for_the_day(old.counted_at, using=using)
        count_for_the_day(state, using=using)


def is_claimed(attempt: VerificationAttempt, *, using: str) -> bool:
    """Return whether the claim was committed, after CommitInDoubt.

    If the database cannot be reached now either, return True for a queued attempt only. A queued attempt that was
    committed will be called, so the caller must not report a failure. A call that this process would place is not
    placed, so the caller can report that.
    """
    renew_connection(using, before=connections[using].connection)
    logger.warning("claim_in_doubt attempt=%s", attempt.pk)
    try:
        return VerificationAttempt.objects.using(using).filter(pk=attempt.pk, uuid=attempt.uuid).exists()
    except DATABASE_LOST:
        return attempt.status == Status.QUEUED


@contextmanager
def call_slot(backend: Backend) -> Iterator[None]:
    """Take a slot of the key's budget for one call, and return it if the claim fails.

    The budget is in a cache. The slot is taken before the transaction, so no row stays locked while the cache answers.
    Raises ApiRefused if there is no slot now.
    """
    take_call_slot(backend)
    try:
        yield
    except BaseException:
        return_call_slot(backend)
        raise


def make_code(state: State, *, length: int, key: KeyInUse) -> Secret | None:
    """Return a new code for a call that is claimed now, or None if the provider makes it.

    A code is made at the claim and not at the request. So the code of a queued call is in no row and no message.
    """
    return new_code(length) if site_makes_code(state.control, key=key, now=state.now) else None


def judge_of(code: str | None) -> Judge:
    """Return who judges a claimed call, before the provider has answered. ``code``: as ``make_code`` returned it."""
    return Judge.TELROI if code is None else Judge.UNDECIDED


@sensitive_variables()
def claim_queued(attempt: VerificationAttempt, state: State, *, code: str | None, key: KeyInUse, using: str) -> None:
    """Change a queued attempt to ``dialing``, and count its call from now instead of from its request.

    ``code``: the code that the call reads out, or None for a code of the provider.

    Raises VersionConflict if the number, the attempt or the key's pause changed since ``state`` was read.
    """
    phone = state.phone
    if phone is None:
        raise VersionConflict
    moments = with_call(without_call(phone.moments, attempt.counted_at), state.now)
    with transaction.atomic(using=using):
        change = change_moments(phone, moments, last_call_at=state.now, held_until=phone.held_until)
        attempt.phone = change.write(using=using)
        fields = _transition_to_dialing(attempt, code=code, now=state.now, using=using)
        claim_key_probe(state, key=key, using=using)
    # After the commit: a retry after a lock error needs the moment from which the call counted before.
    for name, value in fields.items():
        setattr(attempt, name, value)


def lease_end(now: datetime) -> datetime:
    """Return when the lease of a call ends that is claimed at ``now``: after the total timeout plus 15 s."""
    return now + conf.lease()


def recheck_at(now: datetime) -> datetime:
    """Return when a call that is enqueued at ``now``, and is still queued then, is enqueued again."""
    return now + RECHECK_AFTER


def claim_key_probe(state: State, *, key: KeyInUse, using: str) -> None:
    """Claim the single probe call with a rejected key, if the key needs one.

    Raises VersionConflict if another process claimed the probe.
    """
    if needs_key_probe(state.control, key=key) and not try_claim_key_probe(
        state.control, key=key, now=state.now, using=using
    ):
        raise VersionConflict


def _change_number(phone: Phone, state: State, moments: Sequence[datetime]) -> NumberChange:
    """Return the change of the number's row, or its new row, for a call that is counted now."""
    if state.phone:
        return change_moments(state.phone, moments, last_call_at=state.now, held_until=state.phone.held_until)
    row = PhoneNumber(
        number=phone.number,
        last4=phone.last4,
        region=phone.region,
        last_call_at=state.now,
        created_at=state.now,
    )
    row.moments = moments
    limit = current_limit(conf.policy(), moments, held_until=None)
    if limit:
        row.next_call_at, row.limited_by = limit.until, limit.rule
    return NumberChange(row)


def _writes_only_two_rows(
    request: CallRequest, state: State, attempt: VerificationAttempt, *, key: KeyInUse, using: str
) -> bool:
    return (
        attempt.status == Status.DIALING
        and request.supersedes is None
        and not needs_key_probe(state.control, key=key)
        and conf.calls_per_day_total() is None
        and can_write_together(PhoneNumber, VerificationAttempt, using=using)
    )


def _write_together(request: CallRequest, attempt: VerificationAttempt, change: NumberChange, *, using: str) -> None:
    """Write number and attempt in one statement, with the errors of the two statements in a transaction.

    BEGIN, the second statement and COMMIT would be three more round trips. Most starts write nothing else.

    If the connection breaks, the row may exist, but its primary key is unknown, and another request may have inserted
    the same public id. So the call is not placed. That is why a queued call is not written here: a worker would place
    it.
    """
    try:
        is_written = insert_with_parent(
            attempt, change.row, "phone", where=change.where, fields=change.fields, using=using
        )
    except IntegrityError as error:
        diagnosis: Any = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "table_name", None) == PhoneNumber._meta.db_table:
            raise VersionConflict from None
        if request.attempt_uuid is None:
            raise
        raise AlreadyStarted from None
    if not is_written:
        raise VersionConflict


def _link_older_attempts(
    request: CallRequest, old: VerificationAttempt, newer: UUID, *, now: datetime, using: str
) -> None:
    """Link the old attempt to the newer one, inside the claim of the newer call.

    A queued attempt becomes ``superseded``. An attempt whose call rang or may ring stays open, and only gets the link.

    Attempts before ``old`` are linked to the newer call only if ``old`` certainly did not ring. Otherwise they stay
    linked to ``old``, because they are closed as soon as its call is known to ring. An attempt that an earlier try of
    the same request was linked to is linked to this one, because that try certainly did not ring.

    Raises VerifiedMeanwhile if the old attempt was verified since it was read. No call is needed then.
    """
    linked = Q(pk=old.pk) & ~Q(status=Status.VERIFIED)
    if old.dialed_at is None or old.status == Status.FAILED:
        linked |= Q(followed_by=old.uuid, status__in=UNFINISHED)
    if request.silent_tries:
        linked |= Q(followed_by__in=request.silent_tries, status__in=UNFINISHED)
    is_queued = Q(status=Status.QUEUED)
    older = VerificationAttempt.objects.using(using).filter(linked, phone_id=old.phone_id)
    # ``status`` comes last: MariaDB assigns from left to right, and the other columns depend on the old status.
    updated = older.update(
        followed_by=newer,
        closed_at=Case(When(is_queued, then=Value(now)), default=F("closed_at")),
        due_at=Case(When(is_queued, then=Value(None)), default=F("due_at")),
        status=Case(When(is_queued, then=Value(str(Status.SUPERSEDED))), default=F("status")),
    )
    if not updated:
        raise VerifiedMeanwhile


@sensitive_variables()
def _transition_to_dialing(
    attempt: VerificationAttempt, *, code: str | None, now: datetime, using: str
) -> dict[str, object]:
    """Write the fields of a call that is claimed at ``now``, and return them. Raises VersionConflict."""
    queued = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.QUEUED)
    fields: dict[str, object] = {
        "status": Status.DIALING,
        "dialed_at": now,
        "expires_at": now + conf.code_ttl(),
        "due_at": lease_end(now),
    }
    if attempt.judge != Judge.CALLER:
        fields["judge"] = judge_of(code)
        fields["code_digest"] = digest_of(attempt.uuid, attempt.number, code) if code else ""
    if not queued.update(**fields):
        raise VersionConflict
    return fields
