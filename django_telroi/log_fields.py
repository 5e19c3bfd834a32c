"""Puts the fields of each log event on its record, so that a JSON formatter has a column for each of them.

An event is a line such as ``call_failed attempt=%s error=%s``. Its record gets the attributes ``telroi_event``,
``telroi_attempt`` and ``telroi_error``, as if they were passed in ``extra``. The prefix keeps them apart from the
attributes of ``logging`` itself and from those that a site's own filters set, such as ``user`` or ``request``.

The values are the arguments of the line, so a record says nothing that its line does not say. Only ``telroi_key`` is
added, the name of the key that the event is about. A filter does this, and
not each call of a logger, so that no event can be logged without its fields.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

PREFIX = "telroi_"
KEY_FIELD = f"{PREFIX}key"
FIELD = re.compile(r'(\w+)=("?)(.+)\2')
PLACEHOLDERS = ("%s", "%d")


_key: ContextVar[str] = ContextVar("django_telroi.key", default="")


@contextmanager
def about_key(name: str) -> Iterator[None]:
    """Set the field ``telroi_key`` of the events in the block, if ``name`` is not empty.

    A site with several keys has it in all events about a call or a code, also in those of the client, which knows no
    name. The lines stay as they are, so a site with one key sees no difference.
    """
    if not name:
        yield
        return
    token = _key.set(name)
    try:
        yield
    finally:
        _key.reset(token)


def current_key() -> str:
    """Return the name of ``about_key``, or ``""``."""
    return _key.get()


class LogFields(logging.Filter):
    """Sets the attributes of each record that is an event. It lets all records through and never raises."""

    def filter(self, record: logging.LogRecord) -> bool:
        # A mapping as the only argument is a feature of ``logging`` that no event uses.
        arguments = record.args if isinstance(record.args, tuple) else ()
        template = read_template(record.msg) if isinstance(record.msg, str) else None
        if template is None or template.placeholders != len(arguments):
            return True
        remaining = list(arguments[template.in_name :])
        names = arguments[: template.in_name]
        setattr(record, f"{PREFIX}event", template.event % names if names else template.event)
        for name, text in template.fields:
            setattr(record, f"{PREFIX}{name}", _column(remaining.pop(0)) if text in PLACEHOLDERS else text)
        if key := current_key():
            setattr(record, KEY_FIELD, key)
        return True


class LogTemplate:
    """The name of an event and its fields, read from the text of a log call."""

    def __init__(self, event: str, fields: tuple[tuple[str, str], ...]) -> None:
        self.event = event
        self.fields = fields
        self.in_name = sum(event.count(each) for each in PLACEHOLDERS)
        self.placeholders = self.in_name + sum(text in PLACEHOLDERS for _, text in fields)


@lru_cache(maxsize=256)
def read_template(text: str) -> LogTemplate | None:
    """Return the template of a log call, or None if its text is not that of an event."""
    event, *words = text.split() or [""]
    fields = [FIELD.fullmatch(word) for word in words]
    if not re.fullmatch(r"[\w%]+", event) or not all(fields):
        return None
    return LogTemplate(event, tuple((field[1], field[3]) for field in fields if field))


def _column(value: object) -> str | int | float | None:
    """Return numbers, True, False and None unchanged, and the text of anything else as the line has it."""
    if value is None or type(value) in (int, float, bool):
        return value  # type: ignore[return-value]
    return str(value)


LOG_FIELDS = LogFields()
"""The one filter of this process. Adding it to a logger twice has no effect."""
