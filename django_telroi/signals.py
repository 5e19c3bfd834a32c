"""What the site may listen to. Each is sent after the commit of what it tells; a receiver's error stays its own.

``call_placed``, ``call_failed``, ``code_rejected``, ``phone_verified``: ``attempt``.
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
