"""The catalogues of translations: which messages the source has, and reading, updating and compiling the files.

Babel does what gettext's programs do, so that neither the tests nor ``make messages`` need more than Python.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "django_telroi"
LOCALE = PACKAGE / "locale"
POT = LOCALE / "django.pot"

COMPLETE = ("ar", "de", "es", "fr", "pt_BR")
"""Languages that have every message."""

DRAFTS = ("ha", "hi", "ig", "sw", "yo")
"""Languages with only the messages of the pages and the API, which a reader of the language may have to sign yet."""

ONLY_FOR_STAFF = ("admin/", "templates/admin/", "models/", "services/upkeep/", "templatetags/telroi_admin.py")
"""Parts of the package whose messages only staff read."""

SIGNATURE = re.compile(r"^# DRAFT\. Signed by a reader of the language:(.*)$", re.MULTILINE)

KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


def messages_of_the_source() -> Catalog:
    """Return the template: every message of the package, with the files that use it."""
    template = Catalog(project="django-telroi", header_comment="# The messages of django-telroi.\n#", fuzzy=False)
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]):
        name = path.relative_to(PACKAGE).as_posix()
        for _line, ids, comments, context in extracted(path):
            template.add(ids, locations=[(name, None)], auto_comments=comments, context=context)
    return template


def extracted(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    """Yield the messages of a module or a template: line, text or texts, comments and context."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        # Django turns a template into calls in the syntax of Python. Their indentation means nothing.
        text = "\n".join(line.strip() for line in templatize(text).splitlines())
    return extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS, comment_tags=("Translators:",))


def wanted(language: str, template: Catalog) -> Catalog:
    """Return the messages that the catalogue of a language must have: for a draft, those of the pages and the API."""
    if language not in DRAFTS:
        return template
    public = Catalog(fuzzy=False)
    for each in template:
        if each.id and _is_for_the_public(each):
            public.add(
                each.id,
                locations=each.locations,
                flags=each.flags,
                auto_comments=each.auto_comments,
                context=each.context,
            )
    return public


def _is_for_the_public(message: Message) -> bool:
    return any(not name.startswith(ONLY_FOR_STAFF) for name, _line in message.locations)


def po_file(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3] if path.suffix == ".po" else None)


def is_signed(language: str) -> bool:
    """Return whether the catalogue may be compiled: it is no draft, or a reader of the language has signed it."""
    line = SIGNATURE.search(po_file(language).read_text(encoding="utf-8"))
    return line is None or bool(line[1].strip())


def as_po(catalogue: Catalog) -> bytes:
    """Return the text of a ``.po`` or ``.pot`` file. It names files without lines, which change all the time."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, sort_output=False, include_lineno=False)
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def entries(compiled: bytes) -> dict[object, str]:
    """Return the translations of a ``.mo`` file, without its header."""
    known: dict[object, str] = GNUTranslations(io.BytesIO(compiled))._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in known.items() if key != ""}


def key_of(message: Message) -> tuple[str | None, object]:
    return (message.context, tuple(message.id) if isinstance(message.id, list | tuple) else message.id)


def by_key(catalogue: Catalog) -> dict[tuple[str | None, object], Message]:
    return {key_of(message): message for message in catalogue if message.id}
