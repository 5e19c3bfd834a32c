"""The number of each attempt of a list, read in the list's own SELECT."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from django_telroi.models import PhoneNumber, VerificationAttempt

READ = "number_read"


def with_numbers(rows: QuerySet[VerificationAttempt]) -> QuerySet[VerificationAttempt]:
    """Return ``rows`` with their numbers, for ``take_number``.

    It is a subquery, which runs only for the rows of one page. With a join, MariaDB reads the whole table of numbers
    first and sorts all attempts, although an index has the order of the list.
    """
    numbers = PhoneNumber.objects.filter(pk=OuterRef("phone_id")).values("number")
    return rows.annotate(**{READ: Subquery(numbers)})


def take_number(attempt: VerificationAttempt) -> VerificationAttempt:
    """Set ``attempt.phone`` from the column of ``with_numbers``. Its other fields are deferred. Returns ``attempt``."""
    values = [attempt.phone_id, getattr(attempt, READ)]
    attempt.phone = PhoneNumber.from_db(attempt._state.db, ["id", "number"], values)
    return attempt
