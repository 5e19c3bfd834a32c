"""Destinations that can be blocked: a prefix of numbers, such as ``+2348031``, or a region, such as ``NG``."""

from __future__ import annotations

import re

from django_telroi.domain.phone import FIRST_DIGITS, supported_regions
from django_telroi.domain.typed_text import clean_typed

MAX_PREFIX_LENGTH = 10
"""Digits. Prefixes are in URLs, logs and events, so a prefix must not be a whole number."""
_PREFIX = re.compile(r"\+?[0-9 ()./-]+")


def read_destination(text: str) -> str:
    """Return the region in upper case, or the prefix with ``+`` and digits only. Raises ValueError for any other text.

    A prefix may be typed with or without ``+``. It must begin with a country code, or be the beginning of one. It has
    at most ten digits. With more than the seven by which attempts are grouped it must be no number itself: one number
    is blocked by ``services.block_number``. In Germany and Austria many groups of seven digits are valid numbers.
    """
    plain = clean_typed(text).strip()
    if plain.upper() in supported_regions():
        return plain.upper()
    digits = re.sub("[^0-9]", "", plain)
    if not _PREFIX.fullmatch(plain) or not 1 <= len(digits) <= MAX_PREFIX_LENGTH or not _begins_numbers(digits):
        raise ValueError("neither a region nor a prefix of phone numbers")
    return f"+{digits}"


def is_prefix(destination: str) -> bool:
    return destination.startswith("+")


def is_covered(destination: str, by: str, *, region: str = "") -> bool:
    """Return whether a block of ``by`` applies to all numbers of this prefix or region.

    ``region``: the region of all numbers of a prefix, ``""`` if it is not known.
    """
    return destination == by or (is_prefix(by) and destination.startswith(by)) or (region != "" and region == by)


def regions_of(prefix: str) -> list[str]:
    """Return the regions whose numbers may begin with the prefix: ``+1`` has 25, ``+2`` those of ``+20`` to ``+299``.

    Some regions share a country code. Then the next digits decide, as far as libphonenumber knows them.
    """
    import phonenumbers

    digits = prefix.removeprefix("+")
    found: list[str] = []
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        if str(code).startswith(digits):
            found += regions
        elif digits.startswith(str(code)):
            found += _sharing(regions, digits[len(str(code)) :])
    return sorted({region for region in found if region in supported_regions()})


MAX_AREA_LENGTH = 5
"""Digits after the country code by which libphonenumber tells regions apart."""
FEWEST_OF_AREA = 2
"""With fewer digits, too many areas would have to be tried."""


def _sharing(regions: tuple[str, ...], begin: str) -> list[str]:
    """Return those of the regions with one country code that have numbers which begin with ``begin`` after the code."""
    import phonenumbers

    if len(regions) == 1 or len(begin) < FEWEST_OF_AREA:
        return list(regions)
    missing = max(0, MAX_AREA_LENGTH - len(begin))
    areas = [f"{begin}{end:0{missing}}" for end in range(10**missing)] if missing else [begin]
    own, other = [], []
    for region in regions:
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
        leading = metadata.leading_digits if metadata else None
        if not leading:
            other.append(region)
            continue
        pattern = re.compile(leading)
        matching = sum(pattern.match(area) is not None for area in areas)
        if matching:
            own.append(region)
        if matching == len(areas):
            return [region]
    return [*own, *other]


def end_of_prefix(prefix: str) -> str:
    """Return the first text after all numbers with ``prefix``, or ``""`` if there is none, as after ``+99``.

    ``+2348029`` gives ``+234803``. Numbers from ``prefix`` on and before this text are one range of an index, on every
    database and in every collation. ``LIKE`` uses no index on SQLite.
    """
    digits = prefix.removeprefix("+").rstrip("9")
    return f"+{digits[:-1]}{int(digits[-1]) + 1}" if digits else ""


def _begins_numbers(digits: str) -> bool:
    """Return whether attempts are grouped by ``digits``, or several numbers may begin with them."""
    import phonenumbers

    codes = map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    if not any(digits.startswith(code) or code.startswith(digits) for code in codes):
        return False
    if len(digits) <= FIRST_DIGITS:
        return True
    try:
        return not phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:  # too short for a number
        return True
