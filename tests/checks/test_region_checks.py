"""A region or prefix that matches no number is an error, because a misspelt block would allow calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import phonenumbers
import pytest
from django.core.checks import ERROR, CheckMessage
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from django_telroi.checks.region_names import REGION_BY_NAME, ZERO_BEGINS_NUMBERS, check_regions, suggested_region
from django_telroi.domain.country_facts import REGION_BY_THREE_LETTERS
from django_telroi.domain.phone import CallingRules


def found(settings: Any, **chosen: object) -> list[CheckMessage]:
    settings.TELROI = chosen
    return list(check_regions())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("UK", "GB"),
        ("uk", "GB"),
        ("EN", "GB"),
        ("GBR", "GB"),
        ("usa", "US"),
        ("U.S.", "US"),
        ("NGA", "NG"),
        ("en-GB", "GB"),
        ("pt_BR", "BR"),
        ("GB-ENG", "GB"),
        ("+234", "NG"),
        ("00234", "NG"),
        ("1", "US"),
        ("Nigeria", "NG"),
        ("nigera", "NG"),
        ("England", "GB"),
        ("Great Britain", "GB"),
        ("United States of America", "US"),
        ("C\u00f4te d'Ivoire", "CI"),
        ("Saint Lucia", "LC"),
        ("Trinidad and Tobago", "TT"),
        ("XX", None),
        ("EU", None),
        ("870", None),
        ("", None),
        ("\u0662\u0663\u0664", None),
        ("x" * 10_000, None),
    ],
)
def test_an_unknown_region_has_a_hint_with_the_intended_one(text: str, meant: str | None) -> None:
    assert suggested_region(text) == meant


@pytest.mark.parametrize("key", ["DEFAULT_REGION", "ALLOWED_REGIONS", "BLOCKED_REGIONS"])
def test_each_setting_with_regions_is_checked(settings: Any, key: str) -> None:
    [message] = found(settings, **{key: "UK" if key == "DEFAULT_REGION" else ["NG", "UK"]})

    assert (message.id, message.level) == ("telroi.E014", ERROR)
    assert message.msg == f'TELROI["{key}"] has "UK", which is not a region of phone numbers.'
    assert message.hint == 'Did you mean "GB"?'


def test_an_entry_with_several_regions_is_reported(settings: Any) -> None:
    [message] = found(settings, ALLOWED_REGIONS=["NG,gh"])

    assert message.hint == 'Write each region as a separate entry: "NG", "GH".'


def test_an_empty_entry_in_allowed_regions_is_reported(settings: Any) -> None:
    [message] = found(settings, ALLOWED_REGIONS=[""])

    assert str(message.hint).startswith("Remove the empty entry")


def test_an_unrecognized_region_has_a_hint_with_the_format(settings: Any) -> None:
    [message] = found(settings, BLOCKED_REGIONS=["XX"])

    assert "ISO 3166-1" in str(message.hint)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_region_of_the_library_is_accepted_in_any_case(settings: Any, region: str) -> None:
    assert (
        found(settings, DEFAULT_REGION=region, ALLOWED_REGIONS=[region.lower()], BLOCKED_REGIONS=[f" {region} "]) == []
    )


def test_the_table_of_countries_contains_every_region_once() -> None:
    assert set(REGION_BY_THREE_LETTERS.values()) == set(phonenumbers.SUPPORTED_REGIONS)
    assert set(REGION_BY_NAME.values()) == set(phonenumbers.SUPPORTED_REGIONS)
    assert len(REGION_BY_THREE_LETTERS) == len(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(
    ("prefix", "region", "hint"),
    [
        ("0803", "NG", 'Did you mean "+234803"?'),
        ("0803", None, "A prefix begins with the country code"),
        ("00234803", None, 'Did you mean "+234803"?'),
        ("+440 7", None, 'Did you mean "+447"?'),
        ("+11900", None, 'Did you mean "+1900"?'),
        ("+999", None, "A prefix begins with the country code"),
        ("+4930123456789012", None, "A prefix begins with the country code"),
        ("+44 7x", None, 'Did you mean "+447"?'),
        ("+", None, "A prefix begins with the country code"),
    ],
)
def test_a_prefix_that_no_number_has_is_an_error(settings: Any, prefix: str, region: str | None, hint: str) -> None:
    [message] = found(settings, BLOCKED_PREFIXES=["+23470", prefix], DEFAULT_REGION=region)

    assert (message.id, message.level) == ("telroi.E015", ERROR)
    assert prefix in message.msg
    assert str(message.hint).startswith(hint)


def test_a_prefix_is_normalized_like_a_number() -> None:
    assert CallingRules(blocked_prefixes=("\u202a+234\u201170", "\uff0b\uff12\uff13\uff14")).blocked_prefixes == (
        "+23470",
        "+234",
    )


def test_no_possible_start_of_a_number_is_rejected(settings: Any) -> None:
    numbers = (
        phonenumbers.example_number_for_type(region, kind)
        for region in phonenumbers.SUPPORTED_REGIONS
        for kind in PhoneNumberType.values()
    )
    written = {phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in numbers if number}
    beginnings = sorted({number[:end] for number in written for end in range(2, 17)})

    assert found(settings, BLOCKED_PREFIXES=beginnings) == []


def test_the_countries_with_a_trunk_zero_are_those_of_the_library() -> None:
    found = set()
    for region in phonenumbers.SUPPORTED_REGIONS:
        metadata = PhoneMetadata.metadata_for_region(region)
        first, _ = first_digits(parser.parse(metadata.general_desc.national_number_pattern))
        if (metadata.national_prefix or "").startswith("0") and "0" in first:
            found.add(str(metadata.country_code))
        assert metadata.country_code != 1 or "1" not in first

    assert found == ZERO_BEGINS_NUMBERS


def first_digits(pattern: Iterable[Any]) -> tuple[set[str], bool]:
    """Return the digits that a match may begin with, and whether it may be empty."""
    first: set[str] = set()
    for operation, argument in pattern:
        may_be_empty = False
        if operation is sre.LITERAL:
            first.add(chr(argument))
        elif operation is sre.IN:
            first |= {digit for digit in "0123456789" if re.fullmatch(_source_of(argument), digit)}
        elif operation is sre.SUBPATTERN:
            inner, may_be_empty = first_digits(argument[3])
            first |= inner
        elif operation is sre.BRANCH:
            branches = [first_digits(branch) for branch in argument[1]]
            first |= set().union(*(inner for inner, _ in branches))
            may_be_empty = any(empty for _, empty in branches)
        elif operation is sre.MAX_REPEAT:
            inner, may_be_empty = first_digits(argument[2])
            first |= inner
            may_be_empty = may_be_empty or argument[0] == 0
        else:
            raise AssertionError(operation)
        if not may_be_empty:
            return first, False
    return first, True


def _source_of(members: Iterable[Any]) -> str:
    """Return a set of characters as a pattern."""
    parts = {
        sre.LITERAL: lambda value: chr(value),
        sre.RANGE: lambda value: f"{chr(value[0])}-{chr(value[1])}",
        sre.CATEGORY: lambda value: "0-9",
    }
    return "[" + "".join(parts[kind](value) for kind, value in members) + "]"
