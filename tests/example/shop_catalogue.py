"""The words of the example shop: ``python -m tests.example.shop_catalogue`` updates and compiles them."""

from __future__ import annotations

from pathlib import Path

from babel.messages import Catalog

from tests.locale.catalogues import COMPLETE, as_mo, as_po, extracted, read

EXAMPLE = Path(__file__).parents[2] / "example_project"


def po_file(language: str) -> Path:
    return EXAMPLE / "example" / "locale" / language / "LC_MESSAGES" / "django.po"


def messages_of_the_shop(language: str) -> Catalog:
    """Return the template: every message of the shop's pages and settings."""
    template = Catalog(locale=language, project="the example of django-telroi", fuzzy=False)
    for path in sorted([*EXAMPLE.rglob("*.html"), *EXAMPLE.rglob("*.py")]):
        for _line, ids, _comments, context in extracted(path):
            template.add(ids, locations=[(path.relative_to(EXAMPLE).as_posix(), None)], context=context)
    return template


def update(language: str) -> None:
    """Add the new messages to the catalogue, remove the stale ones, and compile it."""
    path = po_file(language)
    catalogue = read(path)
    catalogue.update(messages_of_the_shop(language), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    path.write_bytes(as_po(catalogue))
    path.with_suffix(".mo").write_bytes(as_mo(catalogue))


def main() -> None:
    for language in COMPLETE:
        update(language)


if __name__ == "__main__":
    main()
