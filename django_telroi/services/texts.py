"""Which text a database can keep, asked before it is written: afterwards every database has an error of its own.

No database keeps half a surrogate pair, which JSON and a terminal's arguments may bring, and PostgreSQL keeps no NUL.
A table of MySQL or MariaDB in the character set ``utf8mb3`` keeps no character beyond U+FFFF, so no emoji.
"""

from __future__ import annotations

from functools import lru_cache

from django.db import connections

from django_telroi.errors import UnstorableText

REPLACEMENT = "\ufffd"
LAST_OF_THREE_BYTES = "\uffff"

CHARACTER_SETS = """
    SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name LIKE 'django\\_telroi\\_%%' AND character_set_name IN ('utf8', 'utf8mb3')
"""


def is_storable(text: str, *, using: str) -> bool:
    """Whether our tables keep each character. The database is asked once a process, and only about rare characters."""
    if text.isascii():
        return "\0" not in text
    return _is_encodable(text) and (max(text) <= LAST_OF_THREE_BYTES or _keeps_four_bytes(using))


def refuse_unstorable(text: str, argument: str, *, using: str) -> None:
    """Raise UnstorableText for what a person wrote: they can write it in other characters."""
    if not is_storable(text, using=using):
        raise UnstorableText(argument)


def storable(text: str, *, using: str) -> str:
    """The text with each character replaced that our tables do not keep: for a name that is not ours to refuse."""
    if is_storable(text, using=using):
        return text
    return "".join(sign if is_storable(sign, using=using) else REPLACEMENT for sign in text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


@lru_cache
def _keeps_four_bytes(using: str) -> bool:
    connection = connections[using]
    if connection.vendor != "mysql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(CHARACTER_SETS)
        (narrow,) = cursor.fetchone()
    return not narrow
