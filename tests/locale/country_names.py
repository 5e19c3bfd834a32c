"""The names of the countries in the complete languages, from the Unicode CLDR that Babel has.

``make messages`` writes them into ``django_telroi/domain/country_names.json``.
"""

from __future__ import annotations

import json

from babel import Locale

from django_telroi.domain.country_facts import COUNTRY_NAMES
from tests.locale.catalogues import COMPLETE, PACKAGE

FILE = PACKAGE / "domain" / "country_names.json"

# The names of CLDR say which state these belong to, and are too long for a list of countries.
SHORT = {
    "ar": {"HK": "هونغ كونغ", "MO": "ماكاو", "PS": "فلسطين"},
    "de": {"HK": "Hongkong", "MO": "Macau", "PS": "Palästina"},
    "es": {"HK": "Hong Kong", "MO": "Macao", "PS": "Palestina"},
    "fr": {"HK": "Hong Kong", "MO": "Macao", "PS": "Palestine"},
    "pt_BR": {"HK": "Hong Kong", "MO": "Macau", "PS": "Palestina"},
}


def write_country_names() -> None:
    """Write the names by language and region. The language has no country: ``pt_BR`` is ``pt``."""
    names = {language.partition("_")[0]: names_in(language) for language in COMPLETE}
    FILE.write_text(json.dumps(names, ensure_ascii=False, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def names_in(language: str) -> dict[str, str]:
    territories = Locale.parse(language).territories
    return {region: SHORT[language].get(region, territories[region]) for region in COUNTRY_NAMES}
