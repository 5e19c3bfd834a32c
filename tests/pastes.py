"""Texts that people type or paste into a number field, and the number that each must give.

Most forms are from public bug reports of other projects. The characters are written as escapes: in an editor half of
them are invisible, and the rest would reorder the line.
"""

from __future__ import annotations

from typing import NamedTuple

LONDON, LAGOS, TOKYO, RIYADH = "+442071838750", "+2348031234567", "+819012345678", "+966501234567"


class Paste(NamedTuple):
    """``number``: the expected number, None if the text is rejected. ``region``: the site's default region."""

    name: str
    typed: str
    number: str | None
    region: str | None = None


def in_script(zero: str, text: str) -> str:
    """Return the text with its digits in the script whose zero is given."""
    return "".join(chr(ord(zero) + int(sign)) if sign in "0123456789" else sign for sign in text)


ARABIC, PERSIAN, DEVANAGARI, BENGALI = "\u0660", "\u06f0", "\u0966", "\u09e6"
THAI, FULLWIDTH, TAMIL, KHMER, MYANMAR = "\u0e50", "\uff10", "\u0be6", "\u17e0", "\u1040"
NKO, ADLAM, BOLD = "\u07c0", "\U0001e950", "\U0001d7ce"

ACCEPTED = [
    Paste("the issue's own example", "\u202a+44 20 7183\u00a08750\u202c", LONDON),
    # Scripts
    Paste("Arabic-Indic digits", in_script(ARABIC, "+966 50 123 4567"), RIYADH),
    Paste("Arabic-Indic digits at home", in_script(ARABIC, "050 123 4567"), RIYADH, "SA"),
    Paste("Arabic-Indic digits with 00", in_script(ARABIC, "00966501234567"), RIYADH),
    Paste("Persian digits", in_script(PERSIAN, "+44 20 7183 8750"), LONDON),
    Paste("Devanagari digits", in_script(DEVANAGARI, "+44 20 7183 8750"), LONDON),
    Paste("Bengali digits", in_script(BENGALI, "+44-20-7183-8750"), LONDON),
    Paste("Thai digits", in_script(THAI, "+44 (20) 7183 8750"), LONDON),
    Paste("Tamil digits", in_script(TAMIL, "+442071838750"), LONDON),
    Paste("Khmer digits", in_script(KHMER, "+442071838750"), LONDON),
    Paste("Myanmar digits", in_script(MYANMAR, "+442071838750"), LONDON),
    Paste("N'Ko digits, of a right-to-left script", in_script(NKO, "+2348031234567"), LAGOS),
    Paste("Adlam digits, beyond the basic plane", in_script(ADLAM, "+2348031234567"), LAGOS),
    Paste("mathematical bold digits", in_script(BOLD, "+2348031234567"), LAGOS),
    Paste("full-width digits and plus", in_script(FULLWIDTH, "\uff0b442071838750"), LONDON),
    Paste("full-width everything", in_script(FULLWIDTH, "\uff0b44\u3000\uff0820\uff09\u30007183\uff0d8750"), LONDON),
    Paste("full-width dots and slashes", in_script(FULLWIDTH, "\uff0b44\uff0e20\uff0f7183\uff0e8750"), LONDON),
    Paste("a full-width plus before ASCII digits", "\uff0b44 20 7183 8750", LONDON),
    Paste("small form signs", "\ufe6244 \ufe5920\ufe5a 7183 8750", LONDON),
    Paste("a Japanese keyboard's own dash", in_script(FULLWIDTH, "090\u30fc1234\u30fc5678"), TOKYO, "JP"),
    Paste("a half-width Japanese dash", "090\uff701234\uff705678", TOKYO, "JP"),
    # Invisible characters
    Paste("Apple's Contacts", "\u202d+44 20 7183 8750\u202c", LONDON),
    Paste("Apple's Contacts at home", "\u202d(020) 7183-8750\u202c", LONDON, "GB"),
    Paste("Signal's isolates", "\u2068+44 20 7183 8750\u2069", LONDON),
    Paste("a left-to-right isolate", "\u2066+442071838750\u2069", LONDON),
    Paste("a right-to-left isolate", "\u2067+442071838750\u2069", LONDON),
    Paste("a left-to-right mark", "\u200e+442071838750", LONDON),
    Paste("a right-to-left mark at the end", "+442071838750\u200f", LONDON),
    Paste("a mark on each side", "\u200e+44\u200f 20 7183 8750\u200e", LONDON),
    Paste("a right-to-left embedding", "\u202b+44 20 7183 8750\u202c", LONDON),
    Paste("an Arabic letter mark", "\u061c" + in_script(ARABIC, "+966 50 123 4567"), RIYADH),
    Paste("a lost end of an embedding", "+442071838750\u202c", LONDON),
    Paste("a byte order mark", "\ufeff+442071838750", LONDON),
    Paste("zero width spaces", "+44\u200b20\u200b7183\u200b8750", LONDON),
    Paste("a word joiner", "+44\u206020\u20607183\u20608750", LONDON),
    Paste("zero width joiners", "+44\u200c20\u200d71838750", LONDON),
    Paste("soft hyphens", "+44\u00ad20\u00ad7183\u00ad8750", LONDON),
    Paste("a PDF's variation selector", "+44\ufe0d 20 7183 8750", LONDON),
    # Spaces
    Paste("no-break spaces", "+44\u00a020\u00a07183\u00a08750", LONDON),
    Paste("narrow no-break spaces", "+44\u202f20\u202f7183\u202f8750", LONDON),
    Paste("figure spaces", "+44\u200720\u20077183\u20078750", LONDON),
    Paste("thin spaces", "+44\u200920\u20097183\u20098750", LONDON),
    Paste("ideographic spaces around it", "\u3000+442071838750\u3000", LONDON),
    Paste("spaces of many kinds around it", " \u00a0+442071838750\u2007 \u2003", LONDON),
    # Dashes
    Paste("no-break hyphens", "+44\u201120\u20117183\u20118750", LONDON),
    Paste("hyphens", "+44\u201020\u20107183\u20108750", LONDON),
    Paste("figure dashes", "+44\u201220\u20127183\u20128750", LONDON),
    Paste("en dashes", "+44\u201320\u20137183\u20138750", LONDON),
    Paste("em dashes", "+44 \u2014 20 \u2014 7183 \u2014 8750", LONDON),
    Paste("minus signs", "+44\u221220\u22127183\u22128750", LONDON),
    Paste("small and full-width hyphens", "+44\ufe6320\uff0d7183\ufe638750", LONDON),
    # Links and cards
    Paste("a tel: URI", "tel:+442071838750", LONDON),
    Paste("a tel: URI with visual separators", "TEL:+44-20-7183-8750", LONDON),
    Paste("a label", "Tel: +44 (0)20 7183 8750", LONDON),
    Paste("a local tel: URI", "tel:020-7183-8750", LONDON, "GB"),
    Paste("a vCard's line without parameters", "TEL:+442071838750", LONDON),
    Paste("spaces around a tel: URI", "\u00a0tel:\u00a0+442071838750 ", LONDON),
    Paste("a tel: URI with a byte order mark", "\ufefftel:+442071838750", LONDON),
]

REFUSED = [
    # Characters that display another number
    Paste("a right-to-left override", "\u202e+442071838750\u202c", None),
    Paste("an override that swaps the last digits", "+4420718387\u202e05\u202c", None),
    Paste("ASCII and Arabic-Indic digits", "+44 20 7183 " + in_script(ARABIC, "8750"), None),
    Paste("Arabic-Indic and Persian digits", in_script(ARABIC, "+44207183") + in_script(PERSIAN, "8750"), None),
    Paste("ASCII and full-width digits", "+44 20 7183 " + in_script(FULLWIDTH, "8750"), None),
    Paste("Devanagari and Bengali digits", in_script(DEVANAGARI, "+44207183") + in_script(BENGALI, "8750"), None),
    Paste("superscript digits", "+44207183875\u2070", None),
    Paste("circled digits", "+44207183875\u2460", None),
    Paste("a letter O for a zero", "+44 2O 7183 8750", None),
    Paste("a Cyrillic O for a zero", "+44 2\u041e 7183 8750", None),
    Paste("keycaps", "+442071838\ufe0f\u20e3750", None),
    # A number with other text
    Paste("an extension", "+442071838750 ext. 12", None),
    Paste("an extension after x", "+442071838750x12", None),
    Paste("a tel: URI with an extension", "tel:+442071838750;ext=12", None),
    Paste("a tel: URI with a context", "tel:71838750;phone-context=+4420", None),
    Paste("a tel: URI in a tel: URI", "tel:tel:+442071838750", None),
    Paste("a tel: URI as a web address", "tel://+442071838750", None),
    Paste("a vCard's line with a type", "TEL;TYPE=CELL:+442071838750", None),
    Paste("a vCard's line with a URI", "TEL;VALUE=uri:tel:+442071838750", None),
    Paste("a whole vCard", "BEGIN:VCARD\nTEL:+442071838750\nEND:VCARD", None),
    Paste("another scheme", "sms:+442071838750", None),
    Paste("two numbers", "+442071838750 +2348031234567", None),
    Paste("two numbers with a slash", "+442071838750 / +2348031234567", None),
    Paste("two numbers, one a line", "02071838750\n02071838751", None, "GB"),
    Paste("a trailing newline, which a browser removes", "+442071838750\n", None),
    Paste("a spreadsheet's row", "+44 20 7183 8750\t\r\n", None),
    Paste("a line separator", "+442071838750\u2028", None),
    Paste("a line break inside", "+44 20\n7183 8750", None),
    Paste("a name", "Ada +442071838750", None),
    Paste("vanity letters", "+1 800 FLOWERS", None),
    Paste("control characters", "+44\x0020\x7f71838750", None),
    Paste("only marks", "\u202a\u200e\u00a0\u202c", None),
    Paste("half a surrogate pair", "+44207183875\ud800", None),
    Paste("more than 64 characters", "+442071838750" + "\u200b" * 60, None),
]

PASTES = [*ACCEPTED, *REFUSED]
