"""Look-ups of numbers by parts of them, while the database has the numbers encrypted.

The database can only compare whole values: the number, its last four digits and its first seven digits. A shorter
prefix is looked up by all prefixes of seven digits that begin with it. A longer one, and the visible digits of a masked
number, are compared in Python with the few numbers that share the stored part.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q
from django.views.decorators.debug import sensitive_variables

from django_telroi.domain.destinations import FIRST_DIGITS, regions_of
from django_telroi.models import BlockedDestination, PhoneNumber, VerificationAttempt

LAST_DIGITS = 4
FEWEST_DIGITS = 3
"""With fewer digits there would be too many prefixes of seven digits. Then the region decides."""
MAX_PHONES = 500
"""Rows that a comparison in Python may return, so that a list filtered by them stays fast."""


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
