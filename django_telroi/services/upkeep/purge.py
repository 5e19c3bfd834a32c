"""Deleting many rows without loading them."""

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
from django_telroi.domain.policy import DAY
from django_telroi.models import AttemptEvent, PhoneNumber, RefusalTally, VerificationAttempt, VerifiedPhone
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import (
    refuse_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


def delete_rows(rows: QuerySet[Any]) -> int:
    """One DELETE; what points at the rows must be gone. Sends no signals. Returns how many rows it were.

    Where models of the site point at them, Django loads the rows and does with the site's own what their ``on_delete``
    says.
    """
    if is_pointed_at_by_others(rows.model):
        return rows.delete()[1].get(rows.model._meta.label, 0)
    return rows._raw_delete(rows.db) or 0  # None where no row can match


def is_pointed_at_by_others(model: type[Model]) -> bool:
    ours = set(apps.get_app_config("django_telroi").get_models())
    return any(relation.related_model not in ours for relation in get_candidate_relations_to_delete(model._meta))


M = TypeVar("M", bound=Model)

LARGEST_BATCH = 5000
TIMES_A_BATCH_IS_REPEATED = 3


@dataclass(frozen=True)
class Purged:
    """How many rows went, or with ``dry_run`` would go."""

    attempts: int = 0
    events: int = 0
    refusals: int = 0
    numbers: int = 0

    @property
    def total(self) -> int:
        return self.attempts + self.events + self.refusals + self.numbers

    def __add__(self, more: Purged) -> Purged:
        return Purged(
            attempts=self.attempts + more.attempts,
            events=self.events + more.events,
            refusals=self.refusals + more.refusals,
            numbers=self.numbers + more.numbers,
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
    """Delete attempts, events and refusals older than ``RETENTION_DAYS``, and the numbers that nothing needs any more.

    A number is needed by a limit, a hold, a block, an attempt, an event, or an account that verified it. Verified
    phones always stay. ``progress`` is told after each batch, of at most 5,000 rows, what is gone by now. Raises
    InsideTransaction in a caller's transaction, which would make one long one out of all batches, and Unavailable where
    the database fails: the next purge goes on from there.
    """
    using = write_alias()
    refuse_callers_transaction(using)
    now = now or database_now(using)
    retention = conf.retention()
    purging = Purging(
        now=now,
        kept_since=now - retention if retention else None,
        size=max(1, min(batch_size, LARGEST_BATCH)),
        using=using,
    )
    purged = Purged()
    for batch in purging.count() if dry_run else purging.batches():
        purged += batch
        if progress:
            progress(purged)
    if not dry_run:
        logger.info(
            "purged attempts=%d events=%d refusals=%d numbers=%d",
            *(purged.attempts, purged.events, purged.refusals, purged.numbers),
        )
    return purged


@dataclass(frozen=True)
class Purging:
    """One run. ``kept_since`` is the age of what stays, None where everything does."""

    now: datetime
    kept_since: datetime | None
    size: int
    using: str

    def batches(self) -> Iterator[Purged]:
        """Delete, a batch at a time."""
        if self.kept_since:
            yield from self._delete(self._old(VerificationAttempt, "created_at"), "created_at", self._delete_attempts)
            yield from self._delete(self._old(AttemptEvent, "at"), "at", self._delete_events)
            yield from self._delete(self._old(RefusalTally, "hour"), "hour", self._delete_refusals)
        for window in self._windows():
            yield self._try(partial(self._delete_numbers, window))

    def count(self) -> Iterator[Purged]:
        """What would be deleted."""
        if self.kept_since:
            of_old_attempts = Q(attempt__created_at__lt=self.kept_since)
            events = AttemptEvent.objects.using(self.using).filter(of_old_attempts | Q(at__lt=self.kept_since))
            yield Purged(attempts=self._old(VerificationAttempt, "created_at").count())
            yield Purged(events=events.count())
            yield Purged(refusals=self._old(RefusalTally, "hour").count())
        for window in self._windows():
            yield Purged(numbers=self._unneeded(window).count())

    def _old(self, model: type[M], moment: str) -> QuerySet[M]:
        return model._default_manager.using(self.using).filter(**{f"{moment}__lt": self.kept_since})

    def _delete(self, old: QuerySet[Any], moment: str, delete: Callable[[Sequence[int]], Purged]) -> Iterator[Purged]:
        """From the oldest on. Each batch begins where the last ended, and not among what is deleted already."""
        left = old.order_by(moment).values_list("pk", moment)
        rows = left
        while batch := list(rows[: self.size]):
            yield self._try(partial(delete, [pk for pk, _ in batch]))
            rows = left.filter(**{f"{moment}__gte": batch[-1][1]})

    def _delete_attempts(self, ids: Sequence[int]) -> Purged:
        attempts = VerificationAttempt.objects.using(self.using).filter(pk__in=ids)
        events = AttemptEvent.objects.using(self.using).filter(attempt__in=ids)
        with transaction.atomic(using=self.using):
            gone = delete_rows(events)
            VerifiedPhone.objects.using(self.using).filter(attempt__in=ids).update(attempt=None)
            return Purged(events=gone, attempts=delete_rows(attempts))

    def _delete_events(self, ids: Sequence[int]) -> Purged:
        return Purged(events=delete_rows(AttemptEvent.objects.using(self.using).filter(pk__in=ids)))

    def _delete_refusals(self, ids: Sequence[int]) -> Purged:
        return Purged(refusals=delete_rows(RefusalTally.objects.using(self.using).filter(pk__in=ids)))

    def _delete_numbers(self, window: tuple[int, int]) -> Purged:
        """Whoever rings or blocks a number meanwhile has changed what the DELETE asks of its row, and keeps it.

        An attempt or event that somebody adds meanwhile makes the database refuse the batch, and it is tried again.
        """
        ids = list(self._unneeded(window).values_list("pk", flat=True))
        unneeded = PhoneNumber.objects.using(self.using).filter(self._unlimited(), pk__in=ids)
        with transaction.atomic(using=self.using):
            return Purged(numbers=delete_rows(unneeded))

    def _windows(self) -> Iterator[tuple[int, int]]:
        """The numbers in slices of their primary keys, each from and to."""
        ids = PhoneNumber.objects.using(self.using).order_by("pk").values_list("pk", flat=True)
        last = 0
        while window := list(ids.filter(pk__gt=last)[: self.size]):
            last = window[-1]
            yield window[0], last

    def _unneeded(self, window: tuple[int, int]) -> QuerySet[PhoneNumber]:
        attempts = VerificationAttempt.objects.using(self.using).filter(phone=OuterRef("pk"))
        events = AttemptEvent.objects.using(self.using).filter(phone=OuterRef("pk"))
        if self.kept_since:  # the older ones are gone by now, or, in a dry run, would be
            attempts = attempts.filter(created_at__gte=self.kept_since)
            events = events.filter(at__gte=self.kept_since)
        accounts = VerifiedPhone.objects.using(self.using).filter(number=OuterRef("number"))
        return PhoneNumber.objects.using(self.using).filter(
            self._unlimited(), ~Exists(attempts), ~Exists(events), ~Exists(accounts), pk__range=window
        )

    def _unlimited(self) -> Q:
        """Rows that no block, hold or call of theirs speaks for: a cooldown may be longer than the day."""
        idle_since = self.now - max(DAY, conf.policy().cooldown)
        return (
            Q(blocked_at=None)
            & (Q(held_until=None) | Q(held_until__lte=self.now))
            & (Q(last_call_at=None) | Q(last_call_at__lt=idle_since))
        )

    def _try(self, delete: Callable[[], Purged]) -> Purged:
        """Delete a batch, once more where somebody added a row to what is deleted meanwhile."""
        for _ in range(TIMES_A_BATCH_IS_REPEATED):
            with suppress(IntegrityError):
                return repeat_on_lock_error(delete, using=self.using)
        return repeat_on_lock_error(delete, using=self.using)
