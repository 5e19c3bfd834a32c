"""Reads from a response how long to wait, and whether a 429 is about the number or the key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from django_telroi.client.json_fields import http_date
from django_telroi.errors import RateScope

# Seconds. Telroi's longest limit is one of a day. A longer wait is a mistake, and would block a number for too long.
MAX_WAIT = 86_400
# At most six digits: enough for a day. ``int`` raises ValueError for more than 4,300.
WHOLE_SECONDS = re.compile(r"[0-9]{1,6}")
# "Too many requests for this number. Retry after 60s." and "Too many requests. Try again in 56s."
SENTENCE = re.compile(r"(?:Retry after|Try again in) ([0-9]{1,6}) ?s(?:econds?)?\b", re.IGNORECASE)
ABOUT_THE_NUMBER = "for this number"
ABOUT_THE_KEY = re.compile(r"Too many requests\. ")


def seconds_in_header(headers: Mapping[str, str]) -> int | None:
    """Return ``Retry-After`` in seconds, or None if it is missing or not from 1 second to 1 day.

    Telroi does not send it today.
    """
    value = headers.get("Retry-After", "").strip()
    if WHOLE_SECONDS.fullmatch(value):
        return _in_range(int(value))
    moment = http_date(value)
    # Relative to the response's own Date, because our clock may differ from Telroi's.
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return _in_range(math.ceil((moment - now).total_seconds())) if moment else None


def seconds_in_sentence(message: str) -> int | None:
    """Return the seconds in the message of a 429, or None. Today they are only there."""
    found = SENTENCE.search(message)
    return _in_range(int(found[1])) if found else None


def scope_of(message: str, *, usual: RateScope) -> RateScope:
    """Return whether a 429 is about the number or the key. Two known messages decide; ``usual`` is for all others."""
    # Telroi has one error code for both. Only the two messages tell them apart.
    if ABOUT_THE_NUMBER in message:
        return "number"
    return "key" if ABOUT_THE_KEY.match(message) else usual


def _in_range(seconds: int) -> int | None:
    return seconds if 1 <= seconds <= MAX_WAIT else None
