"""What Telroi says when it says yes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django_telroi.client.json_fields import read_count, read_flag, read_moment, read_word
from django_telroi.client.strict_json import JSON
from django_telroi.errors import ApiError, ApiOutcomeUnknown

# A UUID, or "otp_test_…" from a test key.
USABLE_ID = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True)
class OtpCall:
    """A call that the provider accepted, which is not yet a phone that rang.

    A backend must give ``id`` and ``to``: the provider's id of the call, and the number as it was asked for.
    ``status`` is the provider's word. ``livemode`` is False for a test key, which rings nobody, and None where nothing
    is known. ``expires_at`` is when the provider ends its code, with a time zone; None where it does not say.
    ``verification`` is ``"client"`` for a code of your own, which the provider does not judge.
    """

    id: str
    to: str = field(repr=False)
    status: str = ""
    livemode: bool | None = None
    expires_at: datetime | None = None
    verification: str | None = None


@dataclass(frozen=True)
class OtpCheck:
    """What the provider says to a code.

    A backend must give ``verified``, a bool: whether this is the code that was read out. ``status`` is ``verified``,
    ``mismatch``, ``locked``, ``expired``, ``not_found`` or ``already_verified``; left out, it is one of the first two.
    A reply is a yes only where both say so. ``tries_left`` is the provider's own count, ``livemode`` is as in a call;
    both may be None.
    """

    verified: bool
    status: str = ""
    tries_left: int | None = None
    livemode: bool | None = None

    def __post_init__(self) -> None:
        if self.status == "":
            object.__setattr__(self, "status", "verified" if self.verified is True else "mismatch")


@dataclass(frozen=True)
class Probe:
    """What one harmless question told: GET of a list, which rings nobody and costs nothing.

    ``error`` is None for a key that may read the list; a 403 still proves the key good, a 401 proves it bad.
    ``server_time`` is the answer's ``Date``, exact to a second and None without one.
    """

    error: ApiError | None
    seconds: float
    server_time: datetime | None


def read_call(reply: JSON, to: str) -> OtpCall | ApiOutcomeUnknown:
    """The call to ``to``; without an id that can be used again it is not known what was placed."""
    if not isinstance(reply, dict):
        return ApiOutcomeUnknown("not an object")
    call_id = reply.get("id")
    if not isinstance(call_id, str) or not USABLE_ID.fullmatch(call_id):
        return ApiOutcomeUnknown("no usable id")
    if reply.get("to", to) != to:
        return ApiOutcomeUnknown("about another number")
    return OtpCall(
        id=call_id,
        to=to,
        status=read_word(reply.get("status")) or "",
        livemode=read_flag(reply.get("livemode")),
        expires_at=read_moment(reply.get("expires_at")),
        verification=read_word(reply.get("verification")),
    )


def read_check(reply: JSON) -> OtpCheck | ApiOutcomeUnknown:
    """Telroi's judgement of a code."""
    if not isinstance(reply, dict):
        return ApiOutcomeUnknown("not an object")
    status = read_word(reply.get("status"))
    if status is None:
        return ApiOutcomeUnknown("no status")
    return OtpCheck(
        status=status,
        verified=reply.get("verified") is True and status == "verified",
        tries_left=read_count(reply.get("attempts_left")),
        livemode=read_flag(reply.get("livemode")),
    )


def read_list(reply: JSON) -> list[dict[str, JSON]] | ApiOutcomeUnknown:
    """The objects of ``{"object": "list", "data": […]}``."""
    entries = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        return ApiOutcomeUnknown("not a list")
    objects = [entry for entry in entries if isinstance(entry, dict)]
    return objects if len(objects) == len(entries) else ApiOutcomeUnknown("not a list of objects")
