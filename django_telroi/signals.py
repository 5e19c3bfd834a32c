"""The signals of django-telroi. Each is sent after the commit. An error in a receiver changes nothing else.

``call_placed``, ``call_failed``, ``code_rejected``: ``attempt``.
``phone_verified``: ``attempt``, and ``user`` (None if the number has no user yet). Sent when the right code comes. Sent
again with the user when a proof of the attempt is redeemed for a user, or when staff move the number to a user.
``phone_changed``: ``user``, ``old_number``, ``new_number`` (E.164, their ``repr`` is masked) and ``purpose``. Sent when
a verified new number has replaced the old one for this purpose.
``verification_refused``: ``code``, ``retry_after`` (seconds or None), ``number`` (masked).
``too_many_wrong_codes``: ``attempt``, ``number`` (masked), ``count``, ``until``. Sent when wrong codes lock new calls
(``WRONG_CODES``) of the attempt's user or, without a user, of the number.
``number_of_other_user``: ``attempt``, ``owners`` (the other users who verified this number), ``moment``, ``number``
(masked). Sent if the number is verified for another user than the attempt's: once with the moment ``"called"``, and
once with ``"verified"`` if the right code comes.
``alert``: ``kind``. Each kind is sent at most once an hour.
``destination_blocked``: ``destination`` (prefix or region), ``until`` (None without an end), ``actor`` (empty if the
site paused it by itself). ``destination_unblocked``: ``destination``, ``actor``.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "alert",
    "call_failed",
    "call_placed",
    "code_rejected",
    "destination_blocked",
    "destination_unblocked",
    "number_of_other_user",
    "phone_changed",
    "phone_verified",
    "too_many_wrong_codes",
    "verification_refused",
]

call_placed = Signal()
call_failed = Signal()
code_rejected = Signal()
phone_changed = Signal()
phone_verified = Signal()
verification_refused = Signal()
too_many_wrong_codes = Signal()
number_of_other_user = Signal()
alert = Signal()
destination_blocked = Signal()
destination_unblocked = Signal()
