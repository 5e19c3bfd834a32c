"""Language tags in the spelling of BCP 47."""

from __future__ import annotations

import re

LONGEST_TAG = 35
"""Characters. RFC 5646, section 4.4.1, calls this enough for any tag without extensions."""

_TAG = re.compile(r"[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")


def language_tag(text: str) -> str | None:
    """The tag with the case that RFC 5646, section 2.1.1, recommends: ``en-US``, ``zh-Hans``. None if it is no tag.

    Django writes ``en-us`` and ``zh-hans``. Tags compare without case, but a provider may look one up to the letter.
    Whether the language exists is not asked.
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
    """A region has two letters and is upper case; a script has four and one capital."""
    if not subtag.isalpha():
        return subtag
    return {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)
