"""The cleaning of typed text alone. It changes the spelling of a text and not its meaning."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_telroi.domain.phone import parse_phone
from django_telroi.domain.typed_codes import clean_code
from django_telroi.domain.typed_text import clean_typed
from django_telroi.errors import InvalidNumber
from tests.pastes import ACCEPTED, PASTES, REFUSED, Paste, in_script

EVERY_CHARACTER = [chr(point) for point in range(sys.maxunicode + 1)]
ZEROS = [sign for sign in EVERY_CHARACTER if unicodedata.decimal(sign, -1) == 0]
SEEN_AS_NOTHING = (
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u2060\u2066\u2067\u2068\u2069\ufeff"
)
ASCII_TEXT = st.text(st.characters(max_codepoint=127), max_size=70) | st.text(
    "+0123456789 ()-./telTEL:\t\r\n", max_size=30
)
ANY_TEXT = st.text(st.characters(), max_size=80) | st.text(
    "+05\u0660\u0665\u06f0\uff15\uff0b\u00a0\u2013\u202e\u202d\u200e ()-.\n\ud800tel:", max_size=40
)


def number_in(typed: str, region: str | None = None) -> str | None:
    try:
        return str(parse_phone(typed, default_region=region).number)
    except InvalidNumber:
        return None


@pytest.mark.parametrize("paste", PASTES, ids=lambda paste: paste.name)
def test_each_pasted_text_is_the_number_that_was_visible_or_is_refused(paste: Paste) -> None:
    assert number_in(paste.typed, paste.region) == paste.number


def test_the_table_has_the_stated_length() -> None:
    assert (len(ACCEPTED), len(REFUSED)) >= (50, 30)
    assert len({paste.name for paste in PASTES}) == len(PASTES)


@pytest.mark.parametrize("zero", ZEROS, ids=lambda zero: f"U+{ord(zero):04X}")
def test_the_digits_of_every_script_are_read(zero: str) -> None:
    assert number_in(in_script(zero, "+442071838750")) == "+442071838750"
    assert clean_code(in_script(zero, "483 920")) == "483920"


@pytest.mark.parametrize("zero", [zero for zero in ZEROS if zero != "0"], ids=lambda zero: f"U+{ord(zero):04X}")
def test_digits_of_several_scripts_together_are_refused(zero: str) -> None:
    assert number_in("+44207183875" + zero) is None
    assert clean_code("48392" + zero) is None


@pytest.mark.parametrize("mark", SEEN_AS_NOTHING, ids=ascii)
def test_an_invisible_mark_changes_nothing_at_any_position(mark: str) -> None:
    for place in range(14):
        whole = "+442071838750"
        assert number_in(whole[:place] + mark + whole[place:]) == whole


def test_a_mark_that_reverses_digits_is_refused_at_any_position() -> None:
    for place in range(14):
        whole = "+442071838750"
        assert number_in(whole[:place] + "\u202e" + whole[place:]) is None
    assert clean_code("\u202e483920\u202c") is None


@pytest.mark.parametrize("category", ["Zs", "Pd"])
def test_every_space_and_every_dash_groups_digits(category: str) -> None:
    signs = [sign for sign in EVERY_CHARACTER if unicodedata.category(sign) == category]

    assert len(signs) > 15
    for sign in signs:
        assert number_in(sign.join(["+44", "20", "7183", "8750"])) == "+442071838750"
        assert clean_code(f"483{sign}920") == "483920"


def test_no_other_character_becomes_a_digit_a_sign_or_nothing() -> None:
    changed = {sign for sign in EVERY_CHARACTER if clean_typed(f"+{sign}+") != f"+{sign}+"}

    kept = {sign for sign in changed if unicodedata.category(sign) not in ("Nd", "Zs", "Pd", "Cf", "Cn", "Mn", "Lo")}
    assert {clean_typed(f"+{sign}+")[1:-1] for sign in changed} <= {*"0123456789 +-()./", ""}
    assert sorted(kept) == sorted("\uff0b\ufe62\uff08\ufe59\uff09\ufe5a\uff0e\uff0f\u2212\u2043\u2053\u30fc\uff70")


@settings(max_examples=1000)
@given(ANY_TEXT)
def test_cleaning_twice_equals_cleaning_once(text: str) -> None:
    once = clean_typed(text)

    assert clean_typed(once) == once
    assert len(once) <= len(text)


@settings(max_examples=1000)
@given(ASCII_TEXT)
def test_ascii_is_unchanged_except_a_tel_scheme(text: str) -> None:
    assert clean_typed(text) == text

    is_plain = re.fullmatch(r"( *tel: *)?[ (]*\+?[0-9 ()./-]+", text, re.IGNORECASE)
    assert number_in(text) is None or is_plain
    assert clean_code(text) is None or re.fullmatch(r"[ -]*[.,;:!#\"'() -]*[0-9 -]+[.,;:!#\"'() -]*", text)


@settings(max_examples=1000)
@given(ANY_TEXT)
def test_text_that_is_read_is_also_read_in_its_plain_spelling(text: str) -> None:
    number, code = number_in(text), clean_code(text)

    assert number is None or number_in(clean_typed(text)) == number == number_in(number)
    assert code is None or clean_code(clean_typed(text)) == code == clean_code(code)


@settings(max_examples=500)
@given(st.text("0123456789", min_size=4, max_size=10), st.sampled_from(ZEROS), st.data())
def test_a_code_is_read_in_any_script_with_any_marks(code: str, zero: str, data: st.DataObject) -> None:
    marks = data.draw(
        st.lists(st.tuples(st.integers(0, 10), st.sampled_from(SEEN_AS_NOTHING + " -\u2011\u00a0")), max_size=20)
    )
    typed = in_script(zero, code)
    for place, mark in marks:
        typed = typed[:place] + mark + typed[place:]

    assert clean_code(typed) == code


@pytest.mark.parametrize("digits", ["123456789012", "1234567890123", "12345678901234"])
def test_a_number_longer_than_e164_allows_is_refused(digits: str) -> None:
    german = "+4930" + digits

    assert number_in(german) == (german if len(german) <= 16 else None)
    assert number_in("030" + digits, "DE") == number_in(german)
