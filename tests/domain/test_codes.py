from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_telroi.domain.codes import clean_code

ANY_TEXT = st.text(st.characters()) | st.text("0123456789 -\n\t٣５.+abc", max_size=80)


@pytest.mark.parametrize(
    "typed", ["483921", "483 921", "483-921", " 483921 ", "4 8 3 9 2 1", "4-8-3-9-2-1", "48 - 39 - 21", "--483921--"]
)
def test_spaces_and_dashes_are_taken_out(typed: str) -> None:
    assert clean_code(typed) == "483921"


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
        "483\n921",
        "483921\r\n",
        "483\t921",
        "483921\x00",
        "483\x0b921",
        "483\x1c921",
        "483\u00a0921",
        "483\u2011921",
        "483\u2013921",
        "\u202a483921\u202c",
        "\u200f483921",
        "483\u200b921",
        "\ufeff483921",
        "٤٨٣٩٢١",
        "４８３９２１",
        "४८३९२१",
        "48392\u00b2",
        "48392\u2460",
        "\ud800483921",
    ],
    ids=ascii,
)
def test_everything_else_is_no_code(typed: str) -> None:
    assert clean_code(typed) is None


@pytest.mark.parametrize(
    "typed", ["4" * 10**6, " " * 10**6 + "483921", "-" * 10**6], ids=["digits", "spaces", "dashes"]
)
def test_a_million_characters_are_no_code(typed: str) -> None:
    assert clean_code(typed) is None


@settings(max_examples=500)
@given(ANY_TEXT)
def test_whatever_is_typed_comes_out_as_ascii_digits_or_not_at_all(typed: str) -> None:
    code = clean_code(typed)

    assert code is None or re.fullmatch("[0-9]{4,10}", code, re.ASCII)
    assert code is None or code == "".join(character for character in typed if character not in " -")


@given(
    st.text("0123456789", min_size=4, max_size=10),
    st.lists(st.tuples(st.integers(0, 10), st.sampled_from(" -")), max_size=20),
)
def test_a_code_survives_any_grouping(code: str, marks: list[tuple[int, str]]) -> None:
    typed = code
    for place, mark in marks:
        typed = typed[:place] + mark + typed[place:]

    assert clean_code(typed) == code
