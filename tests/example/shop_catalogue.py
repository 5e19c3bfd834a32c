"""The German words of the example shop: ``python -m tests.example.shop_catalogue`` updates and compiles them."""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from django.utils.translation.template import templatize

from tests.locale.catalogues import KEYWORDS, as_mo, as_po, read

EXAMPLE = Path(__file__).parents[2] / "example_project"
PO = EXAMPLE / "example" / "locale" / "de" / "LC_MESSAGES" / "django.po"
MO = PO.with_suffix(".mo")


def messages_of_the_shop() -> Catalog:
    """Return the template: every message of the shop's pages."""
    template = Catalog(locale="de", project="the example of django-telroi", fuzzy=False)
    for path in sorted(EXAMPLE.rglob("*.html")):
        # Django turns a template into calls in the syntax of Python. Their indentation means nothing.
        text = "\n".join(line.strip() for line in templatize(path.read_text()).splitlines())
        for _, ids, _, context in extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS):
            template.add(ids, locations=[(path.relative_to(EXAMPLE).as_posix(), None)], context=context)
    return template


def main() -> None:
    catalogue = read(PO) if PO.exists() else Catalog(locale="de", fuzzy=False)
    catalogue.update(messages_of_the_shop(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    PO.write_bytes(as_po(catalogue))
    MO.write_bytes(as_mo(catalogue))


if __name__ == "__main__":
    main()
