"""Numbers in the admin's lists: found by their visible digits or by a prefix, and read for each attempt of a list.

The database can only compare whole values of encrypted numbers: the number, its last four digits and its first seven
digits. A shorter prefix is looked up by all prefixes of seven digits that begin with it. A longer one, and the visible
digits of a masked number, are compared in Python with the few numbers that share the stored part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi.domain.destinations import end_of_prefix, regions_of
from django_telroi.domain.phone import FIRST_DIGITS, mask
from django_telroi.domain.typed_text import clean_typed
from django_telroi.models import BlockedDestination, PhoneNumber, VerificationAttempt
from django_telroi.models.sealed import is_number_sealed

LAST_DIGITS = 4
FEWEST_DIGITS = 3
"""With fewer digits there would be too many prefixes of seven digits. Then the region decides."""
MAX_PHONES = 500
"""Rows that a comparison in Python may return, so that a list filtered by them stays fast."""
FEWEST_HIDDEN = 2


def last_digits_in(term: str) -> str:
    """Return the last four digits if ``term`` consists of them, also with the dots of a masked number; else ``""``."""
    # As the admin shows a number, "+234 803 ••• 4567", people copy its end with or without dots.
    match = re.fullmatch(r"[•. ]*([0-9]{2}) ?([0-9]{2})", clean_typed(term))
    return "".join(match.groups()) if match else ""


@dataclass(frozen=True)
class MaskedNumber:
    """The visible digits of a masked number: the first ones with ``+``, and the last ones."""

    first: str
    last: str

    def is_shown_of(self, number: str) -> bool:
        """Return whether the masked number shows these digits. More digits would be a guess of hidden ones."""
        shown = masked_number_in(mask(number))
        return shown is not None and shown.first.startswith(self.first) and shown.last.endswith(self.last)

    def lookups(self, number: str, *, ids: str = "", may_guess: bool = True) -> dict[str, Any]:
        """Return the lookups of the column ``number``. The range uses its index.

        ``ids``: the column with the primary key of the number, which is used if numbers are encrypted. The session must
        not store a number; without ``ids``, the lookups contain numbers then.

        ``may_guess``: False finds at most 500 numbers, and only by digits that their masked form shows. Requires
        ``ids``.
        """
        if not may_guess:
            alike = PhoneNumber.objects.filter(**self.lookups("number", ids="pk")).order_by("pk").iterator()
            shown = islice((phone.pk for phone in alike if self.is_shown_of(phone.number)), MAX_PHONES)
            return {f"{ids}__in": list(shown)}
        if is_number_sealed():
            phones = phones_like(first=self.first, last=self.last)
            return (
                {f"{ids}__in": [each.pk for each in phones]}
                if ids
                else {f"{number}__in": [each.number for each in phones]}
            )
        end = end_of_prefix(self.first)
        before_end = {f"{number}__lt": end} if end else {}
        return {f"{number}__gte": self.first, **before_end, f"{number}__endswith": self.last}

    def __str__(self) -> str:
        return f"{self.first} ••• {self.last}"


def masked_number_in(term: str) -> MaskedNumber | None:
    """Return the visible digits if ``term`` is a number as the admin shows it, such as ``+234 803 ••• 4567``."""
    match = re.fullmatch(r"(\+[0-9][0-9 ]*)[• ]*•[• ]*([0-9][0-9 ]*)", clean_typed(term))
    if not match:
        return None
    first, last = (part.replace(" ", "") for part in match.groups())
    # Fewer digits than a number has: the session stores the lookups, and it must not contain a number.
    return MaskedNumber(first, last) if len(first) <= FIRST_DIGITS + 1 and len(last) <= LAST_DIGITS else None


@sensitive_variables()
def phones_like(*, first: str, last: str) -> list[PhoneNumber]:
    """Return at most 500 numbers that begin with ``first`` (with ``+``) and end with ``last``, at most four digits."""
    missing = LAST_DIGITS - len(last)
    ends = [f"{number:0{missing}}{last}" for number in range(10**missing)] if missing else [last]
    return _beginning_with(first, PhoneNumber.objects.filter(last4__in=ends).order_by("pk").iterator())


def calls_to_prefix(prefix: str) -> Q:
    """Return the condition for attempts whose number begins with ``prefix``, such as ``+2348031``."""
    digits = prefix.removeprefix("+")
    missing = FIRST_DIGITS - len(digits)
    if missing < 0:
        stored = prefix[: FIRST_DIGITS + 1]
        of_stored = VerificationAttempt.objects.filter(phone=OuterRef("pk"), prefix=stored)
        phones = _beginning_with(prefix, PhoneNumber.objects.filter(Exists(of_stored)).order_by("-pk").iterator())
        return Q(prefix=stored, phone__in=[phone.pk for phone in phones])
    if len(digits) < FEWEST_DIGITS:
        return Q(region__in=regions_of(prefix))
    ends = (f"{number:0{missing}}" for number in range(10**missing)) if missing else ("",)
    return Q(prefix__in=[f"{prefix}{end}" for end in ends])


def longer_than_shown(attempts: QuerySet[Any], *, digits: int) -> QuerySet[Any]:
    """Return the attempts whose number has at least two digits between the first ``digits`` and the last four.

    Pass attempts that are filtered by the prefix. If numbers are encrypted, these are of the newest 500 numbers.
    """
    length = len("+") + digits + FEWEST_HIDDEN + LAST_DIGITS
    found: QuerySet[Any]
    if is_number_sealed():
        of_number = attempts.order_by().filter(phone=OuterRef("pk"))
        phones = PhoneNumber.objects.filter(Exists(of_number)).order_by("-pk").iterator()
        longer = islice((phone.pk for phone in phones if len(phone.number) >= length), MAX_PHONES)
        found = attempts.filter(phone__in=list(longer))
    else:
        found = attempts.alias(length=Length("phone__number")).filter(length__gte=length)
    return found


def may_view_full_numbers(request: HttpRequest) -> bool:
    """Return whether the user may view full numbers. Others must not confirm hidden digits one by one."""
    return request.user.has_perm("django_telroi.view_full_number")


def is_of_blocked(blocks: Iterable[BlockedDestination]) -> Q:
    """Return the condition for numbers that a block of a prefix or region applies to.

    A prefix is found by the attempts of a number, so a number without any is not found by it.
    """
    prefixes = Q(pk__in=())
    regions = []
    for block in blocks:
        if block.is_prefix:
            prefixes |= calls_to_prefix(block.destination)
        else:
            regions.append(block.destination)
    of_prefix = VerificationAttempt.objects.filter(prefixes, phone=OuterRef("pk"))
    return Q(region__in=regions) | Q(Exists(of_prefix))


def _beginning_with(prefix: str, phones: Iterable[PhoneNumber]) -> list[PhoneNumber]:
    found: list[PhoneNumber] = []
    for phone in phones:
        if phone.number.startswith(prefix):
            found.append(phone)
        if len(found) == MAX_PHONES:
            break
    return found


READ = "number_read"
"""The column of ``with_numbers``."""


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
