"""Names and codes that people write for a region, to suggest one for a setting such as ``"Nigeria"`` or ``"NGA"``."""

from __future__ import annotations

import re

from django_telroi.domain.country_facts import COUNTRY_NAMES

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
