"""Consecutive wrong codes over all calls: counted for the user of an attempt, or for the number of one without a user.

So wrong codes of strangers never lock out a person who is logged in. A count is written in the
transaction that uses the try, and ended in the one that verifies the attempt. See docs/howto/limits.rst.

All transactions lock rows in one order: the number, the attempt, the user's count. The attempt comes before the user's
count, because most users have no row yet. If fifty requests insert it at once and roll back, MariaDB and MySQL let them
wait for each other until they find deadlocks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from secrets import randbits
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import F

from django_telroi import conf, signals
from django_telroi.domain import number_limits
from django_telroi.models import PhoneNumber, UserWrongCodes, VerificationAttempt
from django_telroi.services.shared.deletes import delete_at_once
from django_telroi.services.shared.number_state import State, remember_state, remembered_state
from django_telroi.services.shared.statements import update_row
from django_telroi.services.shared.transactions import after_commit, repeat_on_lock_error
from django_telroi.services.shared.writes import VersionConflict

logger = logging.getLogger("django_telroi")

T = TypeVar("T")
CodeCountRow = PhoneNumber | UserWrongCodes

ENDED: Mapping[str, Any] = {"wrong_codes": 0, "last_wrong_code_at": None}
"""The columns of a count that is over."""

VERSION_BITS = 62
"""As many as a column for 64 bits with a sign holds, and room to count."""


class _NotWritten(Exception):
    """The attempt changed since it was read, so its wrong code does not count."""


def counter_of(attempt: VerificationAttempt) -> CodeCountRow:
    """Return the row that counts the wrong codes of this attempt: that of its user, or of its number.

    A user without a row gets an unsaved one.
    """
    if attempt.user_id is None:
        return attempt.phone
    state = remembered_state(attempt)
    if state is None or state.user_codes is None:
        return UserWrongCodes(user_id=attempt.user_id)
    return state.user_codes


def wait_end_of(counter: CodeCountRow | None, *, now: datetime) -> datetime | None:
    """Return until when new calls are refused because of these wrong codes, or None."""
    if counter is None or not counter.wrong_codes:
        return None
    last_at = counter.last_wrong_code_at
    return number_limits.wrong_code_wait_until(conf.wrong_codes(), counter.wrong_codes, last_at, now=now)


def wait_end_of_state(state: State) -> datetime | None:
    """Return until when a start of the requester in ``state`` is refused because of wrong codes, or None."""
    return wait_end_of(state.phone if state.user_id is None else state.user_codes, now=state.now)


def left_before_wait(attempt: VerificationAttempt) -> int | None:
    """Return how many more wrong codes lead to a wait, from the figure ``warn`` of ``WRONG_CODES`` on. Else None."""
    return number_limits.codes_before_wait(conf.wrong_codes(), counter_of(attempt).wrong_codes)


def count_and_write(
    attempt: VerificationAttempt,
    write: Callable[[], T | None],
    *,
    now: datetime,
    using: str,
    counts: Callable[[], bool] | None = None,
) -> T | None:
    """Count one wrong code and call ``write``, in one transaction. Returns what ``write`` returns.

    ``write`` saves the use of the try. If it returns None, the attempt has changed and nothing is counted. ``counts``
    returns whether the code was not counted before; it is asked while the row of the count is locked.
    """
    # First with the count that was read. If another request changed it, with the row locked.
    for is_locked in (counts is not None, True, True):
        with suppress(VersionConflict):
            step = partial(_count_once, attempt, write, counts, is_locked=is_locked, now=now, using=using)
            try:
                written, change = repeat_on_lock_error(step, using=using)
            except _NotWritten:
                return None
            if change:
                _remember(attempt, change)
                if change.begins_lock:
                    _signal_lock(attempt, now=now, using=using)
            return written
    raise VerificationAttempt.DoesNotExist  # the number was erased, or the user was deleted


@dataclass(frozen=True)
class _CountChange:
    """The new ``fields`` of the row ``before``. ``begins_lock``: with them a lock begins."""

    before: CodeCountRow
    fields: Mapping[str, Any]
    begins_lock: bool = False


def _count_once(
    attempt: VerificationAttempt,
    write: Callable[[], T | None],
    counts: Callable[[], bool] | None,
    *,
    is_locked: bool,
    now: datetime,
    using: str,
) -> tuple[T, _CountChange | None]:
    try:
        with _unchanged_on_error(attempt), transaction.atomic(using=using):
            counter = _lock_counter(attempt, using=using) if is_locked else counter_of(attempt)
            change = _one_more(counter, attempt, now=now) if counts is None or counts() else None
            if change and isinstance(counter, PhoneNumber):
                _save(change, using=using)
            written = write()
            if written is None:
                raise _NotWritten
            if change and isinstance(counter, UserWrongCodes):
                _save(change, using=using)
            return written, change
    except IntegrityError:
        if attempt.user_id is None:
            raise
        raise VersionConflict from None  # another request inserted the user's row, or the user was deleted


@contextmanager
def _unchanged_on_error(attempt: VerificationAttempt) -> Iterator[None]:
    """Give the object its old values again if its new ones are rolled back, so that ``write`` can be repeated."""
    before = attempt.__dict__.copy()
    try:
        yield
    except Exception:
        attempt.__dict__.update(before)
        raise


def _lock_counter(attempt: VerificationAttempt, *, using: str) -> CodeCountRow:
    """Lock the row of the count and return it as it is now. Before the row of a user, the attempt is locked."""
    if attempt.user_id is not None:
        lock_attempt(attempt.pk, using=using)
    return _locked(counter_of(attempt), using=using)


def lock_attempt(pk: int, *, using: str) -> None:
    """Lock the row of an attempt, and change nothing. The UPDATE locks it on every database."""
    VerificationAttempt.objects.using(using).filter(pk=pk).update(asked=F("asked"))


def _one_more(counter: CodeCountRow, attempt: VerificationAttempt, *, now: datetime) -> _CountChange:
    fields: dict[str, Any] = {
        "wrong_codes": counter.wrong_codes + 1,
        "last_wrong_code_at": now,
        # For a number, a claim that read the row before is refused too. A user's row is deleted by a right code and
        # inserted by the next wrong one: with a random version, it is not taken for the row that was deleted.
        "version": randbits(VERSION_BITS) if counter._state.adding else counter.version + 1,
    }
    if isinstance(counter, UserWrongCodes):
        key = str(attempt.phone_id)
        fields["by_number"] = {**counter.by_number, key: counter.by_number.get(key, 0) + 1}
    lock = conf.wrong_codes().lock
    # A lock that is over begins again with the next wrong code.
    was_locked = counter.wrong_codes >= lock and wait_end_of(counter, now=now) is not None
    return _CountChange(counter, fields, begins_lock=counter.wrong_codes + 1 >= lock and not was_locked)


def _save(change: _CountChange, *, using: str) -> None:
    """Write the change if the row still has the version that was read. A user's row without wrong codes is deleted.

    Raises VersionConflict or IntegrityError.
    """
    row = change.before
    where = {"pk": row.pk, "version": row.version}
    if row._state.adding:
        UserWrongCodes(user_id=row.pk, **change.fields).save(force_insert=True, using=using)
    elif isinstance(row, UserWrongCodes) and not change.fields["wrong_codes"]:
        if not delete_at_once(UserWrongCodes.objects.using(using).filter(**where)):
            raise VersionConflict
    elif not update_row(type(row), where, change.fields, using=using):
        raise VersionConflict


def _locked(counter: CodeCountRow, *, using: str) -> CodeCountRow:
    """Lock the row and return it as it is now. An unsaved row of a user is returned if there is still none.

    The UPDATE locks it on every database. The locking read sees what other transactions committed, also in a
    transaction of the caller at REPEATABLE READ.
    """
    model: Any = type(counter)
    rows = model.objects.using(using).filter(pk=counter.pk)
    if not rows.update(version=F("version")):
        if isinstance(counter, PhoneNumber):
            raise VersionConflict
        return UserWrongCodes(user_id=counter.pk)
    row: CodeCountRow = rows.select_for_update().get()
    return row


def _remember(attempt: VerificationAttempt, change: _CountChange) -> None:
    """Give the objects in memory the new count, so that the answer needs no query."""
    counter, state = counter_of(attempt), remembered_state(attempt)
    for name, value in change.fields.items():
        setattr(counter, name, value)
    counter._state.adding = False
    if state and isinstance(counter, UserWrongCodes):
        remember_state(attempt, replace(state, user_codes=counter))


def _signal_lock(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    count = counter_of(attempt).wrong_codes
    logger.warning("too_many_wrong_codes attempt=%s count=%d", attempt.pk, count)
    send = partial(
        signals.too_many_wrong_codes.send_robust,
        sender=VerificationAttempt,
        attempt=attempt,
        number=attempt.masked_number,
        count=count,
        until=now + number_limits.LOCK_LENGTH,
    )
    after_commit(send, using=using)


def ends_counts(attempt: VerificationAttempt) -> bool:
    """Return whether a right code of this attempt ends a count of its number or of its user."""
    counter = counter_of(attempt)
    is_of_user = isinstance(counter, UserWrongCodes) and str(attempt.phone_id) in counter.by_number
    return bool(attempt.phone.wrong_codes) or is_of_user


def end_count_of_number(attempt: VerificationAttempt, *, using: str) -> None:
    """End the wrong codes of the number after its right code. Call it before the attempt is written."""
    if attempt.phone.wrong_codes:
        rows = PhoneNumber.objects.using(using).filter(pk=attempt.phone_id)
        rows.update(**ENDED, version=F("version") + 1)


def end_count_of_user(attempt: VerificationAttempt, *, using: str) -> None:
    """End the user's wrong codes for this number after its right code. Call it after the attempt is written."""
    counter, key = counter_of(attempt), str(attempt.phone_id)
    if isinstance(counter, UserWrongCodes) and key in counter.by_number:
        try:
            _save(_without_number(counter, key), using=using)
        except VersionConflict:
            row = _locked(counter, using=using)
            if isinstance(row, UserWrongCodes) and key in row.by_number:
                _save(_without_number(row, key), using=using)


def forget_ended_counts(attempt: VerificationAttempt) -> None:
    """Remove the counts that were ended from the objects in memory. Call it after the transaction."""
    counter, key, state = counter_of(attempt), str(attempt.phone_id), remembered_state(attempt)
    if state and isinstance(counter, UserWrongCodes) and key in counter.by_number:
        fields = _without_number(counter, key).fields
        left = UserWrongCodes(user_id=counter.pk, **fields) if fields["wrong_codes"] else None
        if left:
            left._state.adding = False
        remember_state(attempt, replace(state, user_codes=left))
    for name, nothing in ENDED.items():
        setattr(attempt.phone, name, nothing)


def _without_number(row: UserWrongCodes, key: str) -> _CountChange:
    others = {other: count for other, count in row.by_number.items() if other != key}
    left = sum(others.values())
    last_at = row.last_wrong_code_at if left else None
    fields = {"by_number": others, "wrong_codes": left, "last_wrong_code_at": last_at, "version": row.version + 1}
    return _CountChange(row, fields)


def reset_user(user_id: Any, *, using: str) -> bool:
    """End all wrong codes of a user. Returns whether there were any."""
    return bool(delete_at_once(UserWrongCodes.objects.using(using).filter(user_id=user_id)))
