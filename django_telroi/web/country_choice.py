"""The choice of the country in the form for a number."""

from __future__ import annotations

from functools import lru_cache

from django.utils.translation import pgettext

from django_telroi import conf
from django_telroi.domain.country_facts import calling_code, country_name, name_order
from django_telroi.domain.phone import CallingRules, supported_regions
from django_telroi.web.words import shown_words


def country_choices() -> list[tuple[str, str]]:
    """Return the regions that the site calls and their names in the language of the card: ``Nigeria (+234)``."""
    none = ("", pgettext("choice of a country", "Choose a country"))
    lang, direction = shown_words()
    return [none, *_named_regions(conf.calling_rules(), lang, is_bidi=direction == "rtl")]


@lru_cache(maxsize=64)  # a name for each of 245 regions
def _named_regions(rules: CallingRules, language: str, *, is_bidi: bool) -> list[tuple[str, str]]:
    called = supported_regions() if rules.allowed_regions is None else supported_regions() & rules.allowed_regions
    mark = "\N{LEFT-TO-RIGHT MARK}" if is_bidi else ""  # otherwise the + would be on the other side of the digits
    names = {region: country_name(region, language) for region in called - rules.blocked_regions}
    regions = sorted(names, key=lambda region: (name_order(names[region]), region))
    return [(region, f"{names[region]} ({mark}{calling_code(region)}{mark})") for region in regions]
