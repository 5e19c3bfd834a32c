"""Numbers that we hold something of, as somebody writes them."""

from __future__ import annotations

import re

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import LineType, Phone, parse_phone
from django_telroi.errors import InvalidNumber
from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.quiet import quiet_arguments


@quiet_arguments("number")
@sensitive_variables()
def known_number(number: str, *, using: str) -> Phone:
    """The number that is meant: E.164, or any spelling of it. Raises InvalidNumber.

    What is valid changes with every edition of the numbering plans, so a number that was valid once is found by the
    rows that we have of it.
    """
    try:
        return parse_phone(number, default_region=conf.default_region())
    except InvalidNumber:
        stored = re.sub("[ ()./-]", "", number)
        if row := PhoneNumber.objects.using(using).filter(number=stored).first():
            return Phone(row.number, row.region, LineType.UNKNOWN)
        if VerifiedPhone.objects.using(using).filter(number=stored).exists():
            return Phone(stored, "", LineType.UNKNOWN)
        raise
