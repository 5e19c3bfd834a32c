"""Language tags in the spelling of BCP 47."""

from __future__ import annotations

import re

MAX_TAG_LENGTH = 35
"""Characters. RFC 5646, section 4.4.1: enough for any tag without extensions."""

MAX_HEADER_LENGTH = 200
"""Characters. A browser sends fewer."""

_TAG = re.compile(r"[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")


def language_tag(text: str) -> str | None:
    """Return the tag in the case of RFC 5646, section 2.1.1, such as ``en-US`` or ``zh-Hans``. None if it is no tag.

    Django writes ``en-us`` and ``zh-hans``. Tags are case-insensitive, but a provider may compare them exactly. The
    function does not check that the language exists.
    """
    if len(text) > MAX_TAG_LENGTH or not _TAG.fullmatch(text):
        return None
    language, *subtags = text.lower().split("-")
    tag, in_extension = [language], len(language) == 1
    for subtag in subtags:
        in_extension = in_extension or len(subtag) == 1
        # Two letters are a region, four letters a script. After a single letter both would be part of an extension.
        is_cased = subtag.isalpha() and not in_extension
        tag.append({2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag) if is_cased else subtag)
    return "-".join(tag)


def region_of(accept_language: str) -> str:
    """Return the region of the first language of an ``Accept-Language`` header that names one, such as ``NG``.

    ``en-NG`` names one. ``en`` does not, because it is spoken in many. Returns ``""`` if no language names a region.
    The region may be one that does not exist.
    """
    ranked = sorted(
        map(_weight_and_tag, accept_language[:MAX_HEADER_LENGTH].split(",")), key=lambda each: each[0], reverse=True
    )
    for weight, text in ranked:
        tag = language_tag(text) if weight > 0 else None
        found = re.search("-([A-Z]{2})(?:-|$)", tag) if tag else None
        if found:
            return found[1]
    return ""


def _weight_and_tag(part: str) -> tuple[float, str]:
    """Return the weight and the tag of a part such as ``en-NG;q=0.8``. The weight is 0 if it is not a number."""
    tag, _, weight = part.partition(";")
    try:
        return float(weight.strip().removeprefix("q=") or 1), tag.strip()
    except ValueError:
        return 0, tag.strip()
