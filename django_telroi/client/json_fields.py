"""One field of what Telroi says, or None if it is not what it should be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django_telroi.client.strict_json import JSON

WORD = re.compile(r"[a-z][a-z_]{0,31}")
LONGEST_TIMESTAMP = 40


def read_word(value: JSON) -> str | None:
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def read_flag(value: JSON) -> bool | None:
    return value if isinstance(value, bool) else None


def read_count(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_moment(value: JSON) -> datetime | None:
    """An ISO 8601 timestamp with its offset; one without says nothing."""
    if not isinstance(value, str) or len(value) > LONGEST_TIMESTAMP:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def http_date(header: str) -> datetime | None:
    """The moment in UTC that a header such as ``Date`` names, or None. One without a zone is taken to be in UTC.

    Python's parser takes figures of any size and raises one of these when it makes a date of them.
    """
    try:
        found = parsedate_to_datetime(header)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
