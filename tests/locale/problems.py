"""What may be wrong with a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import c2py

from babel.messages import Catalog, Message

from tests.locale.catalogues import by_key

PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]*\d*\.?\d*[a-z]|%%|\{\w*\}|</?\w+>")
"""A placeholder of ``%`` or of ``str.format``, or an HTML tag."""

COUNTS = range(1000)


def problems_of(catalogue: Catalog, messages: Catalog) -> list[str]:
    """Return what is wrong with a catalogue that must have exactly ``messages``, one line each."""
    translated, known = by_key(catalogue), by_key(messages)
    return [
        *(f"missing: {key}" for key in known.keys() - translated.keys()),
        *(f"stale: {key}" for key in translated.keys() - known.keys()),
        *(f"stale: {message.id}" for message in catalogue.obsolete.values()),
        *(
            f"{problem}: {message.id}"
            for key, message in translated.items()
            if key in known
            for problem in _problems_of(message, catalogue)
        ),
    ]


def _problems_of(message: Message, catalogue: Catalog) -> Iterator[str]:
    if message.fuzzy:
        yield "fuzzy"
    ids, texts = _forms(message.id), _forms(message.string)
    if len(texts) != (catalogue.num_plurals if len(ids) > 1 else 1):
        yield "wrong number of plural forms"
        return
    if not all(texts):
        yield "not translated"
        return
    wanted = sorted(PLACEHOLDER.findall(ids[-1]))
    for place, text in enumerate(texts):
        found = sorted(PLACEHOLDER.findall(text))
        if found != wanted and not (len(ids) > 1 and _may_omit(wanted, found, ids[0], place, catalogue)):
            yield f"placeholders differ in {text!r}"
        if (text != text.strip()) != (ids[-1] != ids[-1].strip()):
            yield f"space at an end of {text!r}"


def _forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _may_omit(wanted: list[str], found: list[str], singular: str, form: int, catalogue: Catalog) -> bool:
    """Return whether a plural form may have fewer placeholders: "one hour" needs no figure, "%(count)d hours" does."""
    plural = c2py(catalogue.plural_expr)
    if plural(1) == form and found == sorted(PLACEHOLDER.findall(singular)):
        return True
    # The form for a single number, such as 1 in German, and 0, 1 and 2 in Arabic.
    is_for_one_number = sum(plural(count) == form for count in COUNTS) == 1
    return is_for_one_number and len(wanted) == len(found) + 1 and set(found) <= set(wanted)
