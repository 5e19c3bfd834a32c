"""Reads single fields of Telroi's JSON. Each function returns None if the field has a wrong type or format."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django_telroi.client.strict_json import JSON

# A pattern instead of a list of statuses, because Telroi may add one.
WORD = re.compile(r"[a-z][a-z_]{0,31}")
MAX_TIMESTAMP_LENGTH = 40


def read_word(value: JSON) -> str | None:
    """Return a lower-case word of up to 32 letters and underscores."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def read_flag(value: JSON) -> bool | None:
    """Return a boolean."""
    # Only JSON's own. With Python's truth, ``"false"`` would verify a code.
    return value if isinstance(value, bool) else None


def read_count(value: JSON) -> int | None:
    """Return an integer of 0 or more."""
    # True is an int in Python.
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_moment(value: JSON) -> datetime | None:
    """Return the time of an ISO 8601 timestamp, in UTC. Without an offset the time is unknown, so return None."""
    if not isinstance(value, str) or len(value) > MAX_TIMESTAMP_LENGTH:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def http_date(header: str) -> datetime | None:
    """Return the time of a header such as ``Date``, in UTC. A time without a zone is read as UTC.

    Python's parser accepts numbers of any size. It raises one of the caught errors when it converts them to a date.
    """
    try:
        found = parsedate_to_datetime(header)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
