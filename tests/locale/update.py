"""``make messages``: write the template, bring each catalogue up to date, and compile those that are no drafts.

It writes the names of the countries too.
"""

from __future__ import annotations

import sys

from babel.messages import Catalog

from tests.locale.catalogues import (
    COMPLETE,
    DRAFTS,
    POT,
    as_mo,
    as_po,
    by_key,
    is_signed,
    messages_of_the_source,
    po_file,
    read,
    wanted,
)
from tests.locale.country_names import write_country_names


def main() -> None:
    template, known = messages_of_the_source(), read(POT)
    if by_key(known).keys() == by_key(template).keys():
        template.creation_date = known.creation_date  # otherwise each run would change each file
    POT.write_bytes(as_po(template))
    for language in (*COMPLETE, *DRAFTS):
        sys.stdout.write(f"{language}: {update(language, template)}\n")
    write_country_names()


def update(language: str, template: Catalog) -> str:
    """Add the new messages to the catalogue, remove the stale ones, and compile it if it may be compiled."""
    path, messages = po_file(language), wanted(language, template)
    messages.creation_date = template.creation_date
    catalogue = read(path)
    catalogue.update(messages, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    path.write_bytes(as_po(catalogue))
    compiled = path.with_suffix(".mo")
    if is_signed(language):
        compiled.write_bytes(as_mo(catalogue))
    else:
        compiled.unlink(missing_ok=True)
    missing = sum(not any(each.string or ()) for each in catalogue if each.id)
    return f"{missing} messages to translate" + ("" if is_signed(language) else ", a draft that is not compiled")


if __name__ == "__main__":
    main()
