from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_telroi.domain.typed_codes import CodeLength, LengthFit, clean_code, judge_length, misfit_of

ANY_TEXT = st.text(st.characters()) | st.text("0123456789 -\n\t٣５.+abc", max_size=80)


@pytest.mark.parametrize(
    "typed", ["483921", "483 921", "483-921", " 483921 ", "4 8 3 9 2 1", "4-8-3-9-2-1", "48 - 39 - 21", "--483921--"]
)
def test_spaces_and_dashes_are_taken_out(typed: str) -> None:
    assert clean_code(typed) == "483921"


@pytest.mark.parametrize("typed", ["483921.", "#483921", "(483 921)", '"483-921",', "483921!"])
def test_marks_around_a_pasted_code_are_taken_out(typed: str) -> None:
    assert clean_code(typed) == "483921"


@pytest.mark.parametrize("typed", ["483.921", "G-483921", "483921 is your code", "+483921", "483921;483921"])
def test_other_text_is_not_taken_out(typed: str) -> None:
    assert clean_code(typed) is None


@pytest.mark.parametrize(
    "typed",
    [
        "483\u00a0921",
        "483\u2011921",
        "483\u2013921",
        "483\u2212921",
        "\u202a483921\u202c",
        "\u202d483921\u202c",
        "\u200f483921",
        "483\u200b921",
        "\ufeff483921",
        "\u0664\u0668\u0663\u0669\u0662\u0661",
        "\uff14\uff18\uff13\u3000\uff19\uff12\uff11",
        "\u096a\u096e\u0969\u096f\u0968\u0967",
    ],
    ids=ascii,
)
def test_lookalike_characters_are_replaced(typed: str) -> None:
    assert clean_code(typed) == "483921"


@pytest.mark.parametrize(
    ("typed", "fit"),
    [
        ("1", LengthFit.TOO_SHORT),
        ("1-2 3", LengthFit.TOO_SHORT),
        ("\u0664\u0668", LengthFit.TOO_SHORT),
        ("12345678901", LengthFit.TOO_LONG),
        ("1" * 64, LengthFit.TOO_LONG),
        ("1" * 65, LengthFit.TOO_LONG),
        ("1" * 999, LengthFit.TOO_LONG),
        ("a" * 65, None),
        ("1234", None),
        ("1234567890", None),
        ("", LengthFit.MISSING),
        (" \u200b ", LengthFit.MISSING),
        (" - ", None),
        ("12a", None),
        ("12\n", None),
    ],
)
def test_only_digits_can_be_too_few_or_too_many(typed: str, fit: LengthFit | None) -> None:
    assert misfit_of(typed) == fit


@pytest.mark.parametrize("code", ["0000", "000000", "0123456789"])
def test_a_code_has_four_to_ten_digits_and_keeps_its_leading_zeros(code: str) -> None:
    assert clean_code(code) == code


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "----",
        "123",
        "12345678901",
        "48392a",
        "O83921",
        "483.921",
        "483,921",
        "+483921",
        "483_921",
        "4839.21e1",
        "0x4839",
        "483921\n",
        "\n483921",
        "483921\r\n",
        "483\n921",
        "483\t921",
        "483921\x00",
        "483\x0b921",
        "483\x1c921",
        "\u202e483921\u202c",
        "\u0664\u0668\u0663921",
        "\u0664\u0668\u0663\u06f9\u06f2\u06f1",
        "\uff14\uff18\uff13921",
        "48392\u00b2",
        "48392\u2460",
        "\ud800483921",
    ],
    ids=ascii,
)
def test_other_input_is_not_a_code(typed: str) -> None:
    assert clean_code(typed) is None


@pytest.mark.parametrize(
    "typed", ["4" * 10**6, " " * 10**6 + "483921", "-" * 10**6], ids=["digits", "spaces", "dashes"]
)
def test_a_million_characters_are_not_a_code(typed: str) -> None:
    assert clean_code(typed) is None


@settings(max_examples=500)
@given(ANY_TEXT)
def test_any_input_becomes_ascii_digits_or_none(typed: str) -> None:
    code = clean_code(typed)

    assert code is None or re.fullmatch("[0-9]{4,10}", code, re.ASCII)


@given(
    st.text("0123456789", min_size=4, max_size=10),
    st.lists(st.tuples(st.integers(0, 10), st.sampled_from(" -")), max_size=20),
)
def test_a_code_is_read_in_any_grouping(code: str, marks: list[tuple[int, str]]) -> None:
    typed = code
    for place, mark in marks:
        typed = typed[:place] + mark + typed[place:]

    assert clean_code(typed) == code


@pytest.mark.parametrize(
    ("typed", "length", "fit"),
    [
        ("123456", CodeLength(longest=6, expected=6, is_certain=True), LengthFit.FITS),
        ("1234567", CodeLength(longest=6, expected=6, is_certain=True), LengthFit.TOO_LONG),
        ("12345", CodeLength(longest=6, expected=6, is_certain=True), LengthFit.TOO_SHORT),
        ("1234", CodeLength(longest=4, expected=4, is_certain=True), LengthFit.FITS),
        ("123456", CodeLength(longest=6, expected=6, is_certain=False), LengthFit.FITS),
        ("1234567", CodeLength(longest=6, expected=6, is_certain=False), LengthFit.TOO_LONG),
        ("12345", CodeLength(longest=6, expected=6, is_certain=False), LengthFit.PERHAPS_TOO_SHORT),
        ("1234", CodeLength(longest=6, expected=6, is_certain=False), LengthFit.PERHAPS_TOO_SHORT),
        ("123456789", CodeLength(longest=8, expected=6, is_certain=False), LengthFit.TOO_LONG),
        ("12345678", CodeLength(longest=8, expected=6, is_certain=False), LengthFit.FITS),
        ("123456", CodeLength(longest=8, expected=6, is_certain=False), LengthFit.FITS),
        ("12345", CodeLength(longest=8, expected=6, is_certain=False), LengthFit.PERHAPS_TOO_SHORT),
    ],
)
def test_a_code_has_the_right_length_as_far_as_it_is_known(typed: str, length: CodeLength, fit: LengthFit) -> None:
    assert judge_length(typed, length) == fit
