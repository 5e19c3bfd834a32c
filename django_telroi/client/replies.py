"""The replies of successful requests to Telroi."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django_telroi.client.json_values import JSON, read_count, read_flag, read_moment, read_word
from django_telroi.errors import ApiError, ApiOutcomeUnknown

# A UUID, or "otp_test_…" from a test key.
USABLE_ID = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True)
class OtpCall:
    """A call that the provider accepted. It does not mean that the phone rang.

    A backend must set ``id`` and ``to``.

    * ``id``: the provider's id of the call.
    * ``to``: the number, exactly as it was passed to the provider.
    * ``status``: the provider's status text, such as ``delivered``. Optional.
    * ``livemode``: False for a test key, which places no calls. None if unknown.
    * ``expires_at``: when the provider's code expires, with a time zone. None if unknown.
    * ``verification``: ``"client"`` for a code of your own, which the provider does not check.
    """

    id: str
    to: str = field(repr=False)
    status: str = ""
    livemode: bool | None = None
    expires_at: datetime | None = None
    verification: str | None = None


@dataclass(frozen=True)
class OtpCheck:
    """The provider's answer to a code.

    A backend must set ``verified``. The code counts as right only if ``verified`` is True and ``status`` is
    ``verified``.

    * ``verified``: a bool, whether this is the code that was read out.
    * ``status``: ``verified``, ``mismatch``, ``locked``, ``expired``, ``not_found`` or ``already_verified``. If it is
      left out, ``verified`` decides between the first two.
    * ``tries_left``: the provider's own count, or None.
    * ``livemode``: as in a call, or None.
    """

    verified: bool
    status: str = ""
    tries_left: int | None = None
    livemode: bool | None = None

    def __post_init__(self) -> None:
        if self.status == "":
            # The class is frozen, so this is how a field gets a computed default.
            object.__setattr__(self, "status", "verified" if self.verified is True else "mismatch")


@dataclass(frozen=True)
class Probe:
    """The result of a test request: the GET of a list, which places no call and costs nothing.

    * ``error``: None if the key may read the list. A 403 also shows that the key is valid; a 401 shows that it is not.
    * ``seconds``: how long the request took.
    * ``server_time``: the response's ``Date`` header, exact to a second, or None if there is none.
    """

    error: ApiError | None
    seconds: float
    server_time: datetime | None


def read_call(reply: JSON, to: str) -> OtpCall | ApiOutcomeUnknown:
    """Return the call to ``to``. Without a valid id, or with another number, the outcome is unknown."""
    if not isinstance(reply, dict):
        return ApiOutcomeUnknown("not an object")
    call_id = reply.get("id")
    if not isinstance(call_id, str) or not USABLE_ID.fullmatch(call_id):
        return ApiOutcomeUnknown("no usable id")
    # Telroi repeats the number unchanged. Another number means that this is not the answer to our request, and its id
    # must not decide about our number.
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
    """Return Telroi's answer to a code. Without a status the outcome is unknown."""
    if not isinstance(reply, dict):
        return ApiOutcomeUnknown("not an object")
    status = read_word(reply.get("status"))
    if status is None:
        return ApiOutcomeUnknown("no status")
    # Both must say so. A contradiction is not a success, and the caller treats it as an unknown outcome.
    return OtpCheck(
        status=status,
        verified=reply.get("verified") is True and status == "verified",
        tries_left=read_count(reply.get("attempts_left")),
        livemode=read_flag(reply.get("livemode")),
    )


def read_list(reply: JSON) -> list[dict[str, JSON]] | ApiOutcomeUnknown:
    """Return the objects in ``data`` of ``{"object": "list", "data": […]}``."""
    entries = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        return ApiOutcomeUnknown("not a list")
    # All or nothing. A shorter list would look like a workspace with fewer numbers.
    objects = [entry for entry in entries if isinstance(entry, dict)]
    return objects if len(objects) == len(entries) else ApiOutcomeUnknown("not a list of objects")
