"""Numbers that we hold something of, as somebody writes them."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import LineType, Phone, parse_phone, written_e164
from django_telroi.errors import InvalidNumber
from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.quiet import quiet_arguments


@quiet_arguments("text")
@sensitive_variables()
def spelled_number(text: str) -> str | None:
    """The E.164 spelling of what was typed; None where it spells no number.

    What is valid changes with every edition of the numbering plans. So text that is E.164 but not valid is returned
    too: a number that was called or verified before still has its rows.
    """
    try:
        return parse_phone(text, default_region=conf.default_region()).number
    except InvalidNumber:
        return written_e164(text)


@quiet_arguments("number")
@sensitive_variables()
def known_number(number: str, *, using: str) -> Phone:
    """The number that is meant: E.164, or any spelling of it. Raises InvalidNumber.

    A number that was valid once is found by the rows that we have of it. Only what may stand in the column is looked
    for: given a NUL or half a surrogate pair, databases raise errors of their own.
    """
    try:
        return parse_phone(number, default_region=conf.default_region())
    except InvalidNumber:
        stored = written_e164(number)
        if stored is None:
            raise
        if row := PhoneNumber.objects.using(using).filter(number=stored).first():
            return Phone(row.number, row.region, LineType.UNKNOWN)
        if VerifiedPhone.objects.using(using).filter(number=stored).exists():
            return Phone(stored, "", LineType.UNKNOWN)
        raise
