"""Why a typed number is invalid, and which number the person may mean."""

from __future__ import annotations

import pytest

from django_telroi.domain.country_facts import (
    COUNTRY_NAMES,
    calling_code,
    country_name,
    example_number,
    national_example,
)
from django_telroi.domain.invalid_numbers import NumberProblem, problem_of, suggest_numbers
from django_telroi.domain.phone import CallingRules, grouped
from django_telroi.domain.request_headers import region_of

NIGERIAN, AMERICAN = "+2348031234567", "+14155550132"


@pytest.mark.parametrize(
    ("typed", "region", "problem"),
    [
        ("", None, NumberProblem.MISSING),
        (" \u200b\u2060", "NG", NumberProblem.MISSING),
        ("0803 123 4567", None, NumberProblem.NO_COUNTRY_CODE),
        ("(415) 555-0132", None, NumberProblem.NO_COUNTRY_CODE),
        ("2348031234567", None, NumberProblem.NO_COUNTRY_CODE),
        ("2348031234567", "US", NumberProblem.NO_COUNTRY_CODE),
        ("+0803 123 4567", None, NumberProblem.NO_COUNTRY_CODE),
        ("\u0660\u0668\u0660\u0663 \u0661\u0662\u0663 \u0664\u0665\u0666\u0667", None, NumberProblem.NO_COUNTRY_CODE),
        ("12345", None, NumberProblem.TOO_SHORT),
        ("0803", "NG", NumberProblem.TOO_SHORT),
        ("+234 803", None, NumberProblem.TOO_SHORT),
        ("555-0132", "US", NumberProblem.TOO_SHORT),
        ("+234 803 123 4567 ext. 12", None, NumberProblem.HAS_EXTENSION),
        ("0803 123 4567 x12", "NG", NumberProblem.HAS_EXTENSION),
        ("+2348031234567#12", None, NumberProblem.HAS_EXTENSION),
        ("tel:+2348031234567;ext=3", None, NumberProblem.HAS_EXTENSION),
        ("+2348031234567, +2348021234567", None, NumberProblem.SEVERAL_NUMBERS),
        ("+2348031234567 / 08021234567", None, NumberProblem.SEVERAL_NUMBERS),
        ("+2348031234567+2348021234567", None, NumberProblem.SEVERAL_NUMBERS),
        ("08031234567 or 08021234567", "NG", NumberProblem.SEVERAL_NUMBERS),
        ("08031234567 08021234567", "NG", NumberProblem.SEVERAL_NUMBERS),
        ("call me", None, NumberProblem.OTHER),
        ("+999 123 456", None, NumberProblem.OTHER),
        ("4155550132", "NG", NumberProblem.OTHER),
        ("+2348031234o67", None, NumberProblem.OTHER),
        ("+" + "1" * 64, None, NumberProblem.OTHER),
    ],
)
def test_a_slip_has_its_name(typed: str, region: str | None, problem: NumberProblem) -> None:
    assert problem_of(typed, default_region=region) == problem


@pytest.mark.parametrize(
    ("typed", "regions", "numbers"),
    [
        ("0803 123 4567", ["NG"], [NIGERIAN]),
        ("0803 123 4567", [], []),
        ("2348031234567", [], [NIGERIAN]),
        ("002348031234567", ["US"], [NIGERIAN]),
        ("+0803 123 4567", ["NG"], [NIGERIAN]),
        ("+8031234567", ["NG"], [NIGERIAN]),
        ("0803 123 4567", ["NG", "NG", "US"], [NIGERIAN]),
        ("(415) 555-0132", ["US"], [AMERICAN]),
        # +47 is Norway, so there are two readings. The region of the person comes first.
        ("(479) 253-1234", ["US"], ["+14792531234", "+4792531234"]),
        ("0803 123", ["NG"], []),
        ("+2348031234567 x12", ["NG"], []),
        ("call me", ["NG"], []),
        ("", ["NG"], []),
    ],
)
def test_a_country_code_is_suggested_where_it_gives_a_valid_number(
    typed: str, regions: list[str], numbers: list[str]
) -> None:
    assert suggest_numbers(typed, regions=regions, rules=CallingRules()) == numbers


def test_a_number_that_the_site_does_not_call_is_not_suggested() -> None:
    rules = CallingRules(allowed_regions=frozenset({"US"}))

    assert suggest_numbers("(415) 555-0132", regions=["US"], rules=rules) == [AMERICAN]
    assert suggest_numbers("0803 123 4567", regions=["NG"], rules=rules) == []
    assert suggest_numbers("0909 879 0000", regions=["GB"], rules=CallingRules()) == []  # premium


@pytest.mark.parametrize(
    ("header", "region"),
    [
        ("en-NG", "NG"),
        ("en-ng,en;q=0.9", "NG"),
        ("en,en-GB;q=0.7,de-AT;q=0.8", "AT"),
        ("zh-Hant-TW", "TW"),
        ("en", ""),
        ("", ""),
        ("*", ""),
        ("en-NG;q=0", ""),
        ("en-NG;q=high", ""),
        ("es-419", ""),
        ("x-ng", ""),
        ("," * 10**6 + "en-NG", ""),
    ],
)
def test_the_language_of_a_browser_may_name_a_region(header: str, region: str) -> None:
    assert region_of(header) == region


def test_a_number_is_written_in_the_groups_of_its_country() -> None:
    assert (grouped(NIGERIAN), grouped(AMERICAN)) == ("+234 803 123 4567", "+1 415 555 0132")
    assert (grouped("call me"), grouped("")) == ("call me", "")


def test_a_region_has_a_code_an_example_and_a_name_in_the_language() -> None:
    assert (calling_code("NG"), calling_code("JE"), calling_code("XX")) == ("+234", "+44", "")
    assert (example_number("NG"), national_example("NG")) == ("+2348021234567", "0802 123 4567")
    assert (example_number("XX"), national_example("XX")) == ("", "")
    names = [country_name("DE", language) for language in ("en", "de", "pt-br", "zh-hans", "yo")]
    assert names == ["Germany", "Deutschland", "Alemanha", "\u5fb7\u56fd", "Germany"]
    assert (country_name("XK", "de"), country_name("XX", "en")) == ("Kosovo", "XX")


@pytest.mark.parametrize("language", ["ar", "de", "es", "fr", "pt-br"])
def test_every_country_has_a_name_in_each_language_of_the_catalogues(language: str) -> None:
    names = {region: country_name(region, language) for region in COUNTRY_NAMES}

    assert len({*names.values()}) == len(names)
    english = [region for region, name in names.items() if language == "ar" and name.isascii()]
    assert english == []
