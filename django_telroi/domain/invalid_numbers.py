"""Why a typed number is invalid, and which valid numbers it may mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum

from django_telroi.domain.phone import (
    MAX_INPUT_LENGTH,
    CallingRules,
    has_country_code,
    parse_phone,
    refuse_uncallable,
    spelling_in,
)
from django_telroi.domain.typed_text import clean_typed
from django_telroi.errors import InvalidNumber, NotCallable, RegionNotAllowed
from django_telroi.redaction import Secret


class NumberProblem(StrEnum):
    """Why a typed number is invalid. The values are stable codes of the forms and the API."""

    MISSING = "number_missing"
    TOO_SHORT = "number_too_short"
    NO_COUNTRY_CODE = "country_code_missing"
    HAS_EXTENSION = "number_has_extension"
    SEVERAL_NUMBERS = "several_numbers"
    OTHER = "invalid_number"


MAX_SUGGESTIONS = 2
"""More would be a list to read, and not a quick answer."""

_FEWEST_DIGITS = 7
"""Fewer digits are no number of their own: a part of one, or an extension."""

_MAX_DIGITS = 15  # E.164
_BETWEEN_NUMBERS = re.compile(r"[^0-9() .+-]+|(?=\+)")


def problem_of(text: str, *, default_region: str | None) -> NumberProblem:
    """Return why ``parse_phone`` rejects the text. ``default_region`` is as there."""
    if len(text) > MAX_INPUT_LENGTH:
        return NumberProblem.OTHER
    cleaned = Secret(clean_typed(text).strip())
    if not cleaned:
        return NumberProblem.MISSING
    if _has_several(cleaned):
        return NumberProblem.SEVERAL_NUMBERS
    if _has_extension(cleaned):
        return NumberProblem.HAS_EXTENSION
    try:
        spelling = spelling_in(text)
    except InvalidNumber:
        return NumberProblem.OTHER
    if not has_country_code(spelling) and not default_region:
        return NumberProblem.TOO_SHORT if len(_digits(spelling)) < _FEWEST_DIGITS else NumberProblem.NO_COUNTRY_CODE
    if _is_too_short(spelling, default_region):
        return NumberProblem.TOO_SHORT
    # No country code begins with 0. Without a +, a country code in front shows that only the + is missing.
    lacks_code = re.match(r"[ (]*\+[ (]*0", spelling) or (
        not has_country_code(spelling) and _can_parse("+" + _digits(spelling), None)
    )
    return NumberProblem.NO_COUNTRY_CODE if lacks_code else NumberProblem.OTHER


def suggest_numbers(text: str, *, regions: Sequence[str], rules: CallingRules) -> list[str]:
    """Return the numbers (E.164) that a rejected text may mean, the most likely first. At most ``MAX_SUGGESTIONS``.

    ``regions`` are those whose country code may be missing, the most likely first. A number that the ``rules`` do not
    allow is not suggested.
    """
    try:
        digits = _digits(spelling_in(text))
    except InvalidNumber:
        return []
    found: list[str] = []
    for number in _readings(digits, regions, rules):
        if number not in found:
            found.append(number)
    return found[:MAX_SUGGESTIONS]


def _readings(digits: str, regions: Sequence[str], rules: CallingRules) -> Iterator[str]:
    """Yield the callable numbers that the digits are with the country code of a region, or with a + in front."""
    for spelling, region in [*((digits, region) for region in regions), ("+" + digits.removeprefix("00"), None)]:
        with suppress(InvalidNumber, NotCallable, RegionNotAllowed):
            phone = parse_phone(spelling, default_region=region)
            refuse_uncallable(phone, rules)
            yield phone.number


def _digits(text: str) -> Secret:
    return Secret(re.sub("[^0-9]", "", text))


def _can_parse(text: str, region: str | None) -> bool:
    try:
        parse_phone(text, default_region=region)
    except InvalidNumber:
        return False
    return True


def _has_several(text: str) -> bool:
    """Return whether the text has two parts that are each as long as a number."""
    parts = [_digits(part) for part in _BETWEEN_NUMBERS.split(text)]
    if sum(len(part) >= _FEWEST_DIGITS for part in parts) > 1:
        return True
    # Only a space is between them. One number in groups has fewer digits than two numbers.
    words = [_digits(word) for word in text.split()]
    return len(_digits(text)) > _MAX_DIGITS and sum(len(word) >= _FEWEST_DIGITS for word in words) > 1


def _has_extension(text: str) -> bool:
    import phonenumbers

    try:
        # The library knows how extensions are written. The region only makes it accept numbers without a country code.
        return bool(phonenumbers.parse(text, "US").extension)
    except phonenumbers.NumberParseException:
        return False


def _is_too_short(spelling: str, region: str | None) -> bool:
    import phonenumbers
    from phonenumbers import NumberParseException, ValidationResult

    try:
        parsed = phonenumbers.parse(spelling, region.strip().upper() if region else None)
    except NumberParseException as error:
        return error.error_type in (NumberParseException.TOO_SHORT_NSN, NumberParseException.TOO_SHORT_AFTER_IDD)
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    return reason in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY)
