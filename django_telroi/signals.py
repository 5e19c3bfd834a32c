"""What the site may listen to. Each is sent after the commit of what it tells; a receiver's error stays its own.

``call_placed``, ``call_failed``, ``code_rejected``: ``attempt``.
``phone_verified``: ``attempt``, and ``user``, or None while the number is nobody's. Sent when the right code comes, and
again with the user when a proof of it is redeemed for one, or staff move the number to one.
``verification_refused``: ``code``, ``retry_after`` (seconds or None), ``number`` (masked).
``alert``: ``kind``, at most once an hour each.
"""

from __future__ import annotations

from django.dispatch import Signal

call_placed = Signal()
call_failed = Signal()
code_rejected = Signal()
phone_verified = Signal()
verification_refused = Signal()
alert = Signal()
