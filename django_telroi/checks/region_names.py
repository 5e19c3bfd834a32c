"""Checks of regions and prefixes. A misspelt region or prefix would block nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

import phonenumbers
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.conf import values
from django_telroi.domain.country_facts import COUNTRY_NAMES, REGION_BY_THREE_LETTERS
from django_telroi.domain.typed_text import clean_typed

# Country codes after which a number may begin with 0 although 0 is the trunk prefix: Bulgaria, Indonesia, India, Japan,
# South Korea, Rwanda, Thailand, Uruguay. Most of these numbers are toll-free.
ZERO_BEGINS_NUMBERS = frozenset({"359", "62", "91", "81", "82", "250", "66", "598"})
MAX_SHOWN_LENGTH = 40
MAX_PREFIX_LENGTH = 15
"""Digits, the maximum of E.164."""


def check_regions() -> Iterator[CheckMessage]:
    """Yield an error for each entry that is not a region, and for each prefix that no number begins with."""
    for key, texts in _chosen_regions():
        for text in texts:
            if not _is_region(text):
                yield Error(
                    f'TELROI["{key}"] has "{text[:MAX_SHOWN_LENGTH]}", which is not a region of phone numbers.',
                    hint=_region_hint(text),
                    id="telroi.E014",
                )
    for prefix in values.texts("BLOCKED_PREFIXES"):
        if prefix.strip() and not _can_match(prefix):
            yield Error(
                f'TELROI["BLOCKED_PREFIXES"] has "{prefix[:MAX_SHOWN_LENGTH]}", but no phone number begins with it.',
                hint=_prefix_hint(prefix),
                id="telroi.E015",
            )


def _chosen_regions() -> Iterator[tuple[str, list[str]]]:
    yield "DEFAULT_REGION", [conf.default_region() or ""] if conf.default_region() else []
    yield "ALLOWED_REGIONS", [] if values.read("ALLOWED_REGIONS") is None else values.texts("ALLOWED_REGIONS")
    yield "CALL_PRICES", [region for region in conf.call_prices() if region]
    # Splitting an unset environment variable gives one empty entry. It blocks no number, so it is allowed.
    yield "BLOCKED_REGIONS", [text for text in values.texts("BLOCKED_REGIONS") if text.strip()]


def _is_region(text: str) -> bool:
    return text.strip().upper() in phonenumbers.SUPPORTED_REGIONS


def _region_hint(text: str) -> str:
    if not text.strip():
        return "Remove the empty entry. None allows all regions, an empty list allows none."
    entries = re.split("[,;: ]+", text.strip())
    if len(entries) > 1 and all(map(_is_region, entries)):
        return "Write each region as a separate entry: " + ", ".join(f'"{entry.upper()}"' for entry in entries) + "."
    if meant := suggested_region(text):
        return f'Did you mean "{meant}"?'
    return 'Use the two letters of ISO 3166-1, such as "NG", "US" or "GB".'


def suggested_region(text: str) -> str | None:
    """Return the region that ``text`` most likely means, or None. It may be another code, a locale or a name."""
    code = re.sub(r"[.\s]", "", text).upper()
    if _is_region(code):
        return code
    if meant := OTHER_CODES.get(code) or REGION_BY_THREE_LETTERS.get(code):
        return meant
    # "234", "+234" and "00234" are calling codes. Of several regions with one code the first is the main one.
    digits = code.removeprefix("+").removeprefix("00")
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits)) if re.fullmatch("[0-9]{1,3}", digits) else None
    if regions and regions[0] in phonenumbers.SUPPORTED_REGIONS:
        return regions[0]
    # "en-GB" is a locale and "GB-ENG" a subdivision. The last part that is a region is used.
    parts = [part for part in re.split("[-_]", code) if part in phonenumbers.SUPPORTED_REGIONS]
    if parts and len(code) > 2:
        return parts[-1]
    # 0.75 finds "Nigerai" and "Untied Kingdom". With Python's default of 0.6 "Asia" would become Austria.
    near = get_close_matches(words_of(text), REGION_BY_NAME, n=1, cutoff=0.75)
    return REGION_BY_NAME[near[0]] if near else None


def _can_match(prefix: str) -> bool:
    """Return True if a number in E.164 may begin with ``prefix``, judging by country code, trunk prefix and length."""
    plain = clean_typed(prefix)
    digits = re.sub("[^0-9]", "", plain)
    if not re.fullmatch(r"\+?[0-9 ()./-]+", plain) or not digits or len(digits) > MAX_PREFIX_LENGTH:
        return False
    # A prefix may be shorter than a country code: "23" blocks +233 and +234.
    code = _country_code_of(digits)
    if code is None:
        return any(str(code).startswith(digits) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    return not digits.removeprefix(code).startswith(_trunk_prefix(code) or "-")


def _country_code_of(digits: str) -> str | None:
    """Return the country code that ``digits`` begin with, or None. No country code is the beginning of another one."""
    codes = (digits[:length] for length in (1, 2, 3) if length <= len(digits))
    return next(
        (code for code in codes if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and code[0] != "0"), None
    )


def _trunk_prefix(country_code: str) -> str | None:
    """Return the trunk prefix that can never follow ``country_code`` in a number, or None.

    It is dialled before a national number only: 0 in most countries, 1 in North America. Russia's trunk prefix 8 also
    begins numbers, so it is not returned.
    """
    if country_code in ZERO_BEGINS_NUMBERS:
        return None
    region = phonenumbers.region_code_for_country_code(int(country_code))
    dialled = phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True) if region else None
    return dialled if dialled and (dialled.startswith("0") or country_code == dialled == "1") else None


def _prefix_hint(prefix: str) -> str:
    digits = re.sub("[^0-9]", "", clean_typed(prefix))
    region = (conf.default_region() or "").strip().upper()
    home = phonenumbers.country_code_for_region(region) if region in phonenumbers.SUPPORTED_REGIONS else 0
    code = _country_code_of(digits)
    # How people dial: 00 and the country code from abroad, 0 and the national number at home, or the country code with
    # the trunk prefix after it, as on business cards ("+44 (0) 20").
    if digits.startswith("00"):
        meant = digits.lstrip("0")
    elif digits.startswith("0"):
        meant = f"{home}{digits[1:]}" if home else ""
    else:
        meant = code + digits.removeprefix(code).removeprefix(_trunk_prefix(code) or "") if code else ""
    if meant and f"+{meant}" != prefix and _can_match(meant):
        return f'Did you mean "+{meant}"?'
    return 'A prefix begins with the country code and has no trunk prefix, such as "+23470".'


OTHER_CODES = {
    "UK": "GB",
    "EN": "GB",
    "EL": "GR",
    "CS": "CZ",
    "DA": "DK",
    "JA": "JP",
    "KO": "KR",
    "ZH": "CN",
    "HI": "IN",
}
"""Common wrong codes: ``UK`` for ``GB``, and language codes that are not regions."""

_OTHER_NAMES = {
    "america": "US",
    "bolivarian republic of venezuela": "VE",
    "britain": "GB",
    "cote divoire": "CI",
    "czechia": "CZ",
    "east timor": "TL",
    "emirates": "AE",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "ivory coast": "CI",
    "northern ireland": "GB",
    "republic of ireland": "IE",
    "russian federation": "RU",
    "scotland": "GB",
    "swaziland": "SZ",
    "turkiye": "TR",
    "united states of america": "US",
    "viet nam": "VN",
    "wales": "GB",
}


def words_of(name: str) -> str:
    """Normalize a name for comparison: lower case, no punctuation, "saint" for "st"."""
    words = re.sub("[^a-z ]", "", name.lower().replace("&", " and ").replace("-", " ")).split()
    return " ".join("saint" if word == "st" else word for word in words)


REGION_BY_NAME = {words_of(name): region for region, name in COUNTRY_NAMES.items()} | _OTHER_NAMES
