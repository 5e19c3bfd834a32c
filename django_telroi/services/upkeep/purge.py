"""Deletion of old rows in batches, without loading them.

A purge stores no progress, because the remaining rows show it. If a purge is killed, the next one continues. Two
purges at once share the work. Limits are stored in the number's own row, so a deleted attempt never loosens a limit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.deletion import get_candidate_relations_to_delete

from django_telroi import conf
from django_telroi.domain.number_limits import DAY
from django_telroi.models import (
    AttemptEvent,
    BlockedDestination,
    PhoneNumber,
    RefusalTally,
    SupportNote,
    UserWrongCodes,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.models.sealed import has_several_forms
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.deletes import delete_at_once
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import (
    refuse_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


def delete_rows(rows: QuerySet[Any]) -> int:
    """Delete the rows with one DELETE and return their number. Rows that refer to them must be deleted first.

    No signals are sent. If models of the site refer to the rows, Django loads the rows and applies ``on_delete``.
    """
    if is_referenced_by_other_apps(rows.model):
        return rows.delete()[1].get(rows.model._meta.label, 0)
    return delete_at_once(rows)


def is_referenced_by_other_apps(model: type[Model]) -> bool:
    ours = set(apps.get_app_config("django_telroi").get_models())
    return any(relation.related_model not in ours for relation in get_candidate_relations_to_delete(model._meta))


M = TypeVar("M", bound=Model)

LARGEST_BATCH = 5000
"""Rows. A batch is one transaction, and its locks must last less than a second."""
TIMES_A_BATCH_IS_REPEATED = 3


@dataclass(frozen=True)
class Purged:
    """How many rows were deleted, or would be deleted with ``dry_run``."""

    attempts: int = 0
    events: int = 0
    refusals: int = 0
    numbers: int = 0
    notes: int = 0

    @property
    def total(self) -> int:
        return self.attempts + self.events + self.refusals + self.numbers + self.notes

    def __add__(self, more: Purged) -> Purged:
        return Purged(
            attempts=self.attempts + more.attempts,
            events=self.events + more.events,
            refusals=self.refusals + more.refusals,
            numbers=self.numbers + more.numbers,
            notes=self.notes + more.notes,
        )


@typed_arguments
@unavailable_without_database()
def purge(
    *,
    now: datetime | None = None,
    batch_size: int = LARGEST_BATCH,
    dry_run: bool = False,
    progress: Callable[[Purged], None] | None = None,
) -> Purged:
    """Delete attempts, events, notes and refusal counts older than ``RETENTION_DAYS``, and numbers that are not needed.

    A number is needed while it has a limit, a hold, a block, a lock, an attempt, an event, a note or a verified phone.
    Verified phones are never deleted. Blocks of destinations that ended a day ago are deleted too, and the wrong codes
    of users of whom the last one is older than ``RETENTION_DAYS``. ``batch_size`` is at most
    5,000 rows. ``progress`` is called after each batch with the totals so far. ``dry_run`` only counts. ``now``
    replaces the database's clock, for tests.

    Returns the number of rows. Raises InsideTransaction inside a caller's transaction, because all batches would become
    one long transaction. Raises Unavailable if the database fails; the next purge continues.
    """
    using = write_alias()
    refuse_callers_transaction(using)
    now = now or database_now(using)
    retention = conf.retention()
    run = PurgeRun(
        now=now,
        kept_since=now - retention if retention else None,
        size=max(1, min(batch_size, LARGEST_BATCH)),
        using=using,
    )
    purged = Purged()
    for batch in run.count() if dry_run else run.delete_in_batches():
        purged += batch
        if progress:
            progress(purged)
    if not dry_run:
        logger.info(
            "purged attempts=%d events=%d refusals=%d notes=%d numbers=%d",
            *(purged.attempts, purged.events, purged.refusals, purged.notes, purged.numbers),
        )
    return purged


@dataclass(frozen=True)
class PurgeRun:
    """One run of ``purge``. Rows from ``kept_since`` on are kept. None keeps attempts, events, notes and refusals."""

    now: datetime
    kept_since: datetime | None
    size: int
    using: str

    def delete_in_batches(self) -> Iterator[Purged]:
        """Delete one batch after the other, and yield the counts of each."""
        # Attempts first: that also deletes their events and notes. Numbers last: each of these keeps its number.
        if self.kept_since:
            yield from self._delete(self._old(VerificationAttempt, "created_at"), "created_at", self._delete_attempts)
            yield from self._delete(self._old(AttemptEvent, "at"), "at", self._delete_events)
            yield from self._delete(self._old(SupportNote, "created_at"), "created_at", self._delete_notes)
            yield from self._delete(self._old(RefusalTally, "hour"), "hour", self._delete_refusals)
            # A lock lasts a day, and ``RETENTION_DAYS`` is one day at least.
            UserWrongCodes.objects.using(self.using).filter(last_wrong_code_at__lt=self.kept_since).delete()
        # Their number is small and no person waits for them, so they are not counted.
        delete_at_once(BlockedDestination.objects.using(self.using).filter(until__lt=self.now - DAY))
        for window in self._windows():
            yield self._delete_with_retry(partial(self._delete_numbers, window))

    def count(self) -> Iterator[Purged]:
        """Yield the counts of the rows that would be deleted."""
        if self.kept_since:
            of_old_attempts = Q(attempt__created_at__lt=self.kept_since)
            events = AttemptEvent.objects.using(self.using).filter(of_old_attempts | Q(at__lt=self.kept_since))
            yield Purged(attempts=self._old(VerificationAttempt, "created_at").count())
            yield Purged(events=events.count())
            notes = SupportNote.objects.using(self.using).filter(of_old_attempts | Q(created_at__lt=self.kept_since))
            yield Purged(notes=notes.count())
            yield Purged(refusals=self._old(RefusalTally, "hour").count())
        for window in self._windows():
            yield Purged(numbers=self._not_needed(window).count())

    def _old(self, model: type[M], moment: str) -> QuerySet[M]:
        return model._default_manager.using(self.using).filter(**{f"{moment}__lt": self.kept_since})

    def _delete(self, old: QuerySet[Any], moment: str, delete: Callable[[Sequence[int]], Purged]) -> Iterator[Purged]:
        """Delete in batches, oldest rows first. Each batch starts where the last one ended, to skip deleted rows."""
        ordered = old.order_by(moment).values_list("pk", moment)
        rows = ordered
        while batch := list(rows[: self.size]):
            yield self._delete_with_retry(partial(delete, [pk for pk, _ in batch]))
            # Without this filter, PostgreSQL would read the index entries of all deleted rows again for each batch.
            # ``gte``, because rows with the same moment may be left.
            rows = ordered.filter(**{f"{moment}__gte": batch[-1][1]})

    def _delete_attempts(self, ids: Sequence[int]) -> Purged:
        attempts = VerificationAttempt.objects.using(self.using).filter(pk__in=ids)
        events = AttemptEvent.objects.using(self.using).filter(attempt__in=ids)
        notes = SupportNote.objects.using(self.using).filter(attempt__in=ids)
        # Without loading the rows, Django applies no ``on_delete``. So the rows that refer to the attempts come first.
        with transaction.atomic(using=self.using):
            deleted_events, deleted_notes = delete_rows(events), delete_rows(notes)
            VerifiedPhone.objects.using(self.using).filter(attempt__in=ids).update(attempt=None)
            return Purged(events=deleted_events, notes=deleted_notes, attempts=delete_rows(attempts))

    def _delete_events(self, ids: Sequence[int]) -> Purged:
        return Purged(events=delete_rows(AttemptEvent.objects.using(self.using).filter(pk__in=ids)))

    def _delete_notes(self, ids: Sequence[int]) -> Purged:
        return Purged(notes=delete_rows(SupportNote.objects.using(self.using).filter(pk__in=ids)))

    def _delete_refusals(self, ids: Sequence[int]) -> Purged:
        return Purged(refusals=delete_rows(RefusalTally.objects.using(self.using).filter(pk__in=ids)))

    def _delete_numbers(self, window: tuple[int, int]) -> Purged:
        """Delete the numbers that are still not needed. The DELETE repeats the filter, so a changed row is kept.

        If an attempt, event or note is added meanwhile, the database rejects the batch with an IntegrityError, and the
        batch is tried again.
        """
        ids = list(self._not_needed(window).values_list("pk", flat=True))
        not_needed = PhoneNumber.objects.using(self.using).filter(self._without_limits(), pk__in=ids)
        with transaction.atomic(using=self.using):
            return Purged(numbers=delete_rows(not_needed))

    def _windows(self) -> Iterator[tuple[int, int]]:
        """Yield slices of the numbers by primary key, each as (first, last)."""
        # Most numbers stay. To find a batch of those that are not needed, each query would read many that stay.
        ids = PhoneNumber.objects.using(self.using).order_by("pk").values_list("pk", flat=True)
        last = 0
        while window := list(ids.filter(pk__gt=last)[: self.size]):
            last = window[-1]
            yield window[0], last

    def _not_needed(self, window: tuple[int, int]) -> QuerySet[PhoneNumber]:
        if has_several_forms():
            # A verified phone may have its number in another form than the number's row, and would not be found.
            return PhoneNumber.objects.using(self.using).none()
        attempts = VerificationAttempt.objects.using(self.using).filter(phone=OuterRef("pk"))
        events = AttemptEvent.objects.using(self.using).filter(phone=OuterRef("pk"))
        notes = SupportNote.objects.using(self.using).filter(phone=OuterRef("pk"))
        if self.kept_since:  # older rows are deleted before, except in a dry run
            attempts = attempts.filter(created_at__gte=self.kept_since)
            events = events.filter(at__gte=self.kept_since)
            notes = notes.filter(created_at__gte=self.kept_since)
        accounts = VerifiedPhone.objects.using(self.using).filter(number=OuterRef("number"))
        return PhoneNumber.objects.using(self.using).filter(
            self._without_limits(),
            *(~Exists(rows) for rows in (attempts, events, notes, accounts)),
            pk__range=window,
        )

    def _without_limits(self) -> Q:
        """Return a filter for rows without block, hold, lock or counted calls. A cooldown may be longer than a day."""
        idle_since = self.now - max(DAY, conf.policy().cooldown)
        return (
            Q(blocked_at=None)
            & (Q(held_until=None) | Q(held_until__lte=self.now))
            & (Q(last_call_at=None) | Q(last_call_at__lt=idle_since))
            & (Q(last_wrong_code_at=None) | Q(last_wrong_code_at__lt=self.now - DAY))
        )

    def _delete_with_retry(self, delete: Callable[[], Purged]) -> Purged:
        """Delete a batch. Try again if a row that refers to a deleted one was added meanwhile."""
        for _ in range(TIMES_A_BATCH_IS_REPEATED):
            with suppress(IntegrityError):
                return repeat_on_lock_error(delete, using=self.using)
        return repeat_on_lock_error(delete, using=self.using)
