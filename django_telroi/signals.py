"""The signals of django-telroi. Each is sent after the commit. An error in a receiver changes nothing else.

``call_placed``, ``call_failed``, ``code_rejected``: ``attempt``.
``phone_verified``: ``attempt``, and ``user`` (None if the number has no user yet). Sent when the right code comes. Sent
again with the user when a proof of the attempt is redeemed for a user, or when staff move the number to a user.
``verification_refused``: ``code``, ``retry_after`` (seconds or None), ``number`` (masked).
``alert``: ``kind``. Each kind is sent at most once an hour.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "alert",
    "call_failed",
    "call_placed",
    "code_rejected",
    "phone_verified",
    "verification_refused",
]

call_placed = Signal()
call_failed = Signal()
code_rejected = Signal()
phone_verified = Signal()
verification_refused = Signal()
alert = Signal()
