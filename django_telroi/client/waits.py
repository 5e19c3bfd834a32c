"""How long an answer asks us to wait, and whether a 429 is about the number or about the key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from django_telroi.client.json_fields import http_date
from django_telroi.errors import RateScope

LONGEST_WAIT = 86_400
WHOLE_SECONDS = re.compile(r"[0-9]{1,6}")
# "Too many requests for this number. Retry after 60s." and "Too many requests. Try again in 56s."
SENTENCE = re.compile(r"(?:Retry after|Try again in) ([0-9]{1,6}) ?s(?:econds?)?\b", re.IGNORECASE)
ABOUT_THE_NUMBER = "for this number"
ABOUT_THE_KEY = re.compile(r"Too many requests\. ")


def seconds_in_header(headers: Mapping[str, str]) -> int | None:
    """``Retry-After`` in seconds, if there is one that makes sense. Telroi has sent none so far."""
    value = headers.get("Retry-After", "").strip()
    if WHOLE_SECONDS.fullmatch(value):
        return _sensible(int(value))
    moment = http_date(value)
    # The answer's own Date, because the two clocks may disagree.
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return _sensible(math.ceil((moment - now).total_seconds())) if moment else None


def seconds_in_sentence(message: str) -> int | None:
    """The one place where the seconds of a 429 stand so far."""
    found = SENTENCE.search(message)
    return _sensible(int(found[1])) if found else None


def scope_of(message: str, *, usual: RateScope) -> RateScope:
    """What a 429 of Telroi is about: its two sentences tell. A sentence not yet known is about the ``usual`` thing."""
    if ABOUT_THE_NUMBER in message:
        return "number"
    return "key" if ABOUT_THE_KEY.match(message) else usual


def _sensible(seconds: int) -> int | None:
    return seconds if 1 <= seconds <= LONGEST_WAIT else None
