from __future__ import annotations

import copy
import pickle
import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from django_telroi.domain.phone import (
    CALLABLE_LINE_TYPES,
    CallingRules,
    LineType,
    Phone,
    mask,
    parse_phone,
    refuse_uncallable,
)
from django_telroi.errors import InvalidNumber, NotCallable, RegionNotAllowed

STOCK = CallingRules()
WIDE_OPEN = CallingRules(allowed_line_types=frozenset(LineType))


def examples(*types: int) -> list[tuple[str, PhoneNumber]]:
    """Return the library's example of each line type in each region."""
    found = (
        (region, phonenumbers.example_number_for_type(region, kind))
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in types or PhoneNumberType.values()
    )
    return [(region, number) for region, number in found if number is not None]


def e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def random_spelling(number: str, marks: list[tuple[int, str]]) -> str:
    for place, mark in marks:
        after = 1 + place % len(number)
        number = number[:after] + mark + number[after:]
    return number


ALL_EXAMPLES = examples()
NUMBERS = st.sampled_from(sorted({e164(number) for _, number in ALL_EXAMPLES}))
PUNCTUATION = st.sampled_from(["-", " ", ".", "(", ")", "/", ") ", " - "])
MARKS = st.lists(st.tuples(st.integers(0, 30), PUNCTUATION), max_size=8)
SHORT = (
    "000 100 101 102 110 111 112 113 115 116 117 118 119 120 122 133 144 190 191 192 193 194 197 199 911 977 995 999"
)
REGIONS = st.none() | st.sampled_from(["", "NG", "us", "GB", "IT", "XX", "001", "٣", "a" * 99])
ANY_TEXT = (
    st.text(st.characters(), max_size=80)
    | st.text("+0123456789 ()-./", max_size=70)
    | st.text("+0123456789 ()-./;=xextel:,#*~[]\t\n\x00\u200e\u202e٣５〇+－", max_size=40)
)


# Spellings of a number


@pytest.mark.parametrize(
    ("typed", "default_region"),
    [
        ("+442071838750", None),
        ("+44 20 7183 8750", None),
        ("+44-20-7183-8750", None),
        ("+44.20.7183.8750", None),
        ("+44 (20) 7183 8750", None),
        ("+44 (0)20 7183 8750", None),
        ("(+44) 20 7183 8750", None),
        ("+44 20/7183/8750", None),
        ("   +442071838750   ", None),
        ("00442071838750", None),
        ("  (00 44) 20 7183 8750", None),
        ("  (00 44) 20 7183 8750", "GB"),
        ("00 44 20 7183 8750", None),
        ("00442071838750", "GB"),
        ("00442071838750", "FR"),
        ("011 44 20 7183 8750", "US"),
        ("020 7183 8750", "GB"),
        ("(020) 7183-8750", "GB"),
        ("02071838750", "gb"),
        ("442071838750", "GB"),
        ("+44 20 7183 8750", "NG"),
    ],
)
def test_all_spellings_of_a_number_are_one_number(typed: str, default_region: str | None) -> None:
    phone = parse_phone(typed, default_region=default_region)

    assert (phone.number, phone.region, phone.line_type) == ("+442071838750", "GB", LineType.FIXED_LINE)


@pytest.mark.parametrize("style", [PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164])
def test_the_international_prefix_of_every_country_is_read(style: int) -> None:
    for _, number in ALL_EXAMPLES:
        assert parse_phone(phonenumbers.format_number(number, style)).number == e164(number)


def test_the_national_format_of_every_country_is_read() -> None:
    for region, number in ALL_EXAMPLES:
        typed = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)

        assert parse_phone(typed, default_region=region).number == e164(number)


@settings(max_examples=300)
@given(NUMBERS, MARKS, st.sampled_from(["+", "00", " +", " 00", "(+", "(00"]))
def test_punctuation_never_makes_another_number(number: str, marks: list[tuple[int, str]], prefix: str) -> None:
    typed = random_spelling(number, marks).replace("+", prefix, 1)

    assert parse_phone(typed).number == number


@given(NUMBERS)
def test_a_canonical_number_is_unchanged_with_any_default_region(number: str) -> None:
    assert parse_phone(number) == parse_phone(number, default_region="NG")
    assert parse_phone(number).number == number


# Invalid numbers


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "+",
        "++442071838750",
        "+44+2071838750",
        "()",
        "abc",
        "12345",
        "+1 800 FLOWERS",
        "1-800-CALL-NOW",
        "+44 2O7183 875O",
        "phone: +442071838750",
        "+442071838750x12",
        "+442071838750 ext. 12",
        "+442071838750;ext=12",
        "+442071838750,,12",
        "+442071838750#12",
        "*31#+442071838750",
        "+442071838750~12",
        "[+44]2071838750",
        "+442071838750\n",
        "\n+442071838750",
        "+4420\n71838750",
        "+4420\r\n71838750",
        "+4420\t71838750",
        "+442071838750\x00",
        "+4420\x0b71838750",
        "+4420\x1f71838750",
        "+4420\x7f71838750",
        "+44207183875\u00b2",
        "+44207183875\ud800",
    ],
    ids=ascii,
)
def test_characters_other_than_digits_and_punctuation_are_refused(typed: str) -> None:
    for default_region in (None, "GB"):
        with pytest.raises(InvalidNumber):
            parse_phone(typed, default_region=default_region)


@pytest.mark.parametrize(
    "typed",
    ["1" * 10**6, "+" * 10**6, " " * 10**6 + "+442071838750", "+442071838750" + "\n" * 10**6, "a" * 10**6],
    ids=["digits", "plus signs", "spaces", "newlines", "letters"],
)
def test_a_million_characters_are_refused(typed: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_phone(typed, default_region="GB")


@pytest.mark.parametrize("typed", ["+999 123 456 789", "+0 20 7183 8750", "+210 12345678", "+44 0000000000"])
def test_a_number_without_a_country_is_refused(typed: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_phone(typed)


@pytest.mark.parametrize("typed", ["020 7183 8750", "442071838750", "7183 8750"])
def test_without_a_default_region_a_number_needs_its_country_code(typed: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_phone(typed)


def test_an_invalid_default_region_makes_no_number() -> None:
    with pytest.raises(InvalidNumber):
        parse_phone("020 7183 8750", default_region="XX")


@pytest.mark.parametrize("typed", ["+447700900112", "+15550001111", "+1 201 555 012", "+442071838750123"])
def test_an_impossible_number_is_refused(typed: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_phone(typed)


@pytest.mark.parametrize("short", SHORT.split())
def test_emergency_and_short_numbers_are_refused_in_every_country(short: str) -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        for typed in (short, f"+{phonenumbers.country_code_for_region(region)}{short}"):
            with pytest.raises(InvalidNumber):
                parse_phone(typed, default_region=region)


@pytest.mark.parametrize(
    ("region", "emergency"),
    [
        ("CF", "1220"),
        ("ER", "124422"),
        ("GA", "1730"),
        ("IN", "2611"),
        ("NA", "10111"),
        ("NE", "723141"),
        ("OM", "9999"),
        ("PK", "1122"),
        ("SE", "90000"),
        ("TH", "1669"),
        ("ZA", "10177"),
    ],
)
def test_longer_emergency_numbers_are_refused_too(region: str, emergency: str) -> None:
    with pytest.raises(InvalidNumber):
        parse_phone(emergency, default_region=region)


@settings(max_examples=1000)
@given(ANY_TEXT, REGIONS)
def test_any_input_becomes_canonical_or_is_refused(typed: str, default_region: str | None) -> None:
    try:
        phone = parse_phone(typed, default_region=default_region)
    except InvalidNumber:
        return

    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", phone.number, re.ASCII)
    assert parse_phone(phone.number) == phone


def test_a_refusal_does_not_repeat_the_input() -> None:
    with pytest.raises(InvalidNumber) as refusal:
        parse_phone("+999123456789")

    assert "123456789" not in f"{refusal.value!r} {refusal.value}"
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


# Attributes of a number


@pytest.mark.parametrize(
    ("number", "region", "line_type"),
    [
        ("+2348031234567", "NG", LineType.MOBILE),
        ("+12015550123", "US", LineType.EITHER),
        ("+14165550123", "CA", LineType.EITHER),
        ("+18765550123", "JM", LineType.MOBILE),
        ("+17875550123", "PR", LineType.EITHER),
        ("+77012345678", "KZ", LineType.MOBILE),
        ("+79123456789", "RU", LineType.MOBILE),
        ("+447400123456", "GB", LineType.MOBILE),
        ("+447624300000", "IM", LineType.MOBILE),
        ("+390612345678", "IT", LineType.FIXED_LINE),
        ("+33612344118", "FR", LineType.MOBILE),
        ("+18002345678", "US", LineType.TOLL_FREE),
        ("+19002345678", "US", LineType.PREMIUM),
        ("+611300123456", "AU", LineType.SHARED_COST),
        ("+447012345678", "GB", LineType.PERSONAL),
        ("+445612345678", "GB", LineType.VOIP),
        ("+447640123456", "GB", LineType.PAGER),
        ("+445512345678", "GB", LineType.UAN),
        ("+3933101234501", "IT", LineType.VOICEMAIL),
        ("+870773111632", "", LineType.MOBILE),
        ("+80012345678", "", LineType.TOLL_FREE),
    ],
)
def test_a_number_has_its_region_and_line_type(number: str, region: str, line_type: LineType) -> None:
    phone = parse_phone(number)

    assert (phone.region, phone.line_type) == (region, line_type)


def test_every_line_type_of_the_library_except_unknown_has_a_name() -> None:
    kinds = {phonenumbers.number_type(number) for _, number in ALL_EXAMPLES}

    found = {parse_phone(e164(number)).line_type for _, number in ALL_EXAMPLES}

    assert kinds == set(PhoneNumberType.values()) - {PhoneNumberType.UNKNOWN}
    assert found == set(LineType) - {LineType.UNKNOWN}


def test_the_repr_of_a_phone_never_shows_the_number() -> None:
    phone = parse_phone("+2348031234567")

    assert "4567" not in f"{phone!r} {phone} {[phone]}"
    assert "NG" in repr(phone)


def test_a_phone_is_compared_by_value() -> None:
    phone = parse_phone("+2348031234567")

    assert pickle.loads(pickle.dumps(phone)) == copy.copy(phone) == phone
    assert len({phone, parse_phone("00234 803 123 4567")}) == 1
    assert (phone.last4, phone.masked) == ("4567", "+234 803 ••• 4567")


# Callable numbers


def of(line_type: LineType, *, number: str = "+442071838750", region: str = "GB") -> Phone:
    return Phone(number, region, line_type)


@pytest.mark.parametrize("line_type", ["mobile", "fixed_line", "either", "voip", "personal"])
def test_ordinary_line_types_are_callable(line_type: str) -> None:
    refuse_uncallable(of(LineType(line_type)), STOCK)


def test_the_default_rules_contain_exactly_those_line_types() -> None:
    assert {line_type.value for line_type in CALLABLE_LINE_TYPES} == {
        "mobile",
        "fixed_line",
        "either",
        "voip",
        "personal",
    }


@pytest.mark.parametrize("line_type", ["toll_free", "pager", "uan", "voicemail", "unknown"])
def test_other_line_types_are_callable_only_if_the_site_allows_them(line_type: str) -> None:
    phone = of(LineType(line_type))

    with pytest.raises(NotCallable):
        refuse_uncallable(phone, STOCK)
    refuse_uncallable(phone, CallingRules(allowed_line_types=frozenset({phone.line_type})))


@pytest.mark.parametrize("prefix", ["870", "878", "881", "882", "883", "888", "979", "808", "800"])
@pytest.mark.parametrize("line_type", list(LineType))
def test_satellites_and_international_networks_are_never_callable(prefix: str, line_type: LineType) -> None:
    phone = of(line_type, number=f"+{prefix}123456789", region="")

    for rules in (WIDE_OPEN, CallingRules(allowed_regions=frozenset({""}), allowed_line_types=frozenset(LineType))):
        with pytest.raises(NotCallable):
            refuse_uncallable(phone, rules)


@pytest.mark.parametrize("country_code", phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
def test_no_network_without_a_country_is_ever_callable(country_code: int) -> None:
    phone = parse_phone(e164(phonenumbers.example_number_for_non_geo_entity(country_code)))

    with pytest.raises(NotCallable):
        refuse_uncallable(phone, WIDE_OPEN)


@pytest.mark.parametrize(
    ("region", "number"),
    [(region, e164(number)) for region, number in examples(PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)],
)
def test_premium_and_shared_cost_numbers_are_never_callable(region: str, number: str) -> None:
    with pytest.raises(NotCallable):
        refuse_uncallable(parse_phone(number), WIDE_OPEN)


@pytest.mark.parametrize("prefix", ["+23480", "23480", "+234 80", " +234-80 "])
def test_a_blocked_prefix_is_never_callable(prefix: str) -> None:
    rules = CallingRules(blocked_prefixes=("+4420", prefix))

    with pytest.raises(NotCallable):
        refuse_uncallable(parse_phone("+2348031234567"), rules)
    refuse_uncallable(parse_phone("+2347031234567"), rules)


@pytest.mark.parametrize("prefix", ["", " ", "+"])
def test_an_empty_prefix_blocks_no_number(prefix: str) -> None:
    refuse_uncallable(parse_phone("+2348031234567"), CallingRules(blocked_prefixes=(prefix,)))


@pytest.mark.parametrize("allowed", [{"NG", "GH"}, {"ng"}, {" Ng "}])
def test_only_allowed_regions_are_callable(allowed: set[str]) -> None:
    rules = CallingRules(allowed_regions=frozenset(allowed))

    refuse_uncallable(parse_phone("+2348031234567"), rules)
    with pytest.raises(RegionNotAllowed):
        refuse_uncallable(parse_phone("+442071838750"), rules)


def test_without_allowed_regions_no_number_is_callable() -> None:
    with pytest.raises(RegionNotAllowed):
        refuse_uncallable(parse_phone("+2348031234567"), CallingRules(allowed_regions=frozenset()))


@pytest.mark.parametrize("blocked", ["JM", "jm"])
def test_a_blocked_region_is_not_callable_although_others_share_its_country_code(blocked: str) -> None:
    rules = CallingRules(blocked_regions=frozenset({blocked}))

    refuse_uncallable(parse_phone("+12015550123"), rules)
    with pytest.raises(RegionNotAllowed):
        refuse_uncallable(parse_phone("+18765550123"), rules)


def test_a_blocked_region_precedes_an_allowed_one() -> None:
    both = CallingRules(allowed_regions=frozenset({"NG"}), blocked_regions=frozenset({"NG"}))

    with pytest.raises(RegionNotAllowed):
        refuse_uncallable(parse_phone("+2348031234567"), both)


def test_a_number_that_is_never_callable_is_refused_before_its_region_is_checked() -> None:
    with pytest.raises(NotCallable):
        refuse_uncallable(parse_phone("+19002345678"), CallingRules(allowed_regions=frozenset({"NG"})))


# Masked numbers


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+2348031234567", "+234 803 ••• 4567"),
        ("+12015550123", "+1 201 ••• 0123"),
        ("+447700900112", "+44 7700 ••• 112"),
        ("+33612344118", "+33 6 •• •• 41 18"),
        ("+233241239087", "+233 24 ••• 9087"),
        ("+442071838750", "+44 20 •••• 8750"),
        ("+6581234567", "+65 •••• 4567"),
        ("+4532123456", "+45 32 •• •• 56"),
        ("+41781234567", "+41 78 ••• 45 67"),
        ("+29022158", "+290 ••• 58"),
        ("+6903101", "+690 ••• 1"),
        ("+15550001111", "+1 555 ••• 1111"),
        ("+999123456", "••• 3456"),
        ("08031234567", "••• 4567"),
        ("12345", "••• 45"),
        ("112", "•••"),
        ("7", "•••"),
        ("+1", "•••"),
        ("", "•••"),
        ("nobody", "•••"),
        ("+2348031234567\n", "••• 4567"),
        ("1" * 10**6, "••• 1111"),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_masked_number_shows_only_enough_for_its_owner(number: str, shown: str) -> None:
    assert mask(number) == shown


def test_every_masked_number_hides_three_digits_and_shows_the_last_ones() -> None:
    for _, number in ALL_EXAMPLES:
        whole, shown = e164(number), mask(e164(number))

        visible = re.sub("[^0-9]", "", shown)
        assert shown.startswith(f"+{number.country_code} ")
        assert shown.count("•") >= 3
        assert shown.count("•") + len(visible) == len(whole) - 1
        assert 1 <= len(shown) - len(shown.rstrip("0123456789")) <= 4
        assert whole.endswith(re.sub("[^0-9]", "", shown.rpartition("•")[2]))


@settings(max_examples=500)
@given(st.text(st.characters()) | st.from_regex(r"\+?[0-9]{0,20}", fullmatch=True))
def test_masking_accepts_any_text_and_always_hides(text: str) -> None:
    shown = mask(text)

    digits = re.sub("[^0-9]", "", text)
    assert "•••" in shown.replace(" ", "")
    assert len(re.sub("[^0-9]", "", shown)) <= max(0, len(digits) - 3)
