"""Language tags in the spelling of BCP 47."""

from __future__ import annotations

import re

LONGEST_TAG = 35
"""Characters. RFC 5646, section 4.4.1: enough for any tag without extensions."""

_TAG = re.compile(r"[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")


def language_tag(text: str) -> str | None:
    """Return the tag in the case of RFC 5646, section 2.1.1, such as ``en-US`` or ``zh-Hans``. None if it is no tag.

    Django writes ``en-us`` and ``zh-hans``. Tags are case-insensitive, but a provider may compare them exactly. The
    function does not check that the language exists.
    """
    if len(text) > LONGEST_TAG or not _TAG.fullmatch(text):
        return None
    language, *subtags = text.lower().split("-")
    tag, in_extension = [language], len(language) == 1
    for subtag in subtags:
        in_extension = in_extension or len(subtag) == 1
        tag.append(subtag if in_extension else _cased(subtag))
    return "-".join(tag)


def _cased(subtag: str) -> str:
    """Return a region (two letters) in upper case, a script (four letters) with one capital, the rest unchanged."""
    if not subtag.isalpha():
        return subtag
    return {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)
