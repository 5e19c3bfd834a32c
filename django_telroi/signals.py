"""The signals of django-telroi. Each is sent after the commit. An exception in a receiver changes nothing else.

A receiver gets the arguments below by keyword, and ``signal`` and ``sender``. Accept ``**kwargs``, so that a later
version can add arguments. A number is in E.164, and its ``repr`` is masked.
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
"""Telroi accepted a call. It is not known whether a person answered it.

``attempt``: the VerificationAttempt.
"""

call_failed = Signal()
"""A call failed, so the phone did not ring.

``attempt``: the VerificationAttempt. Its ``error_code`` has the reason.
"""

code_rejected = Signal()
"""A typed code was wrong.

``attempt``: the VerificationAttempt, after the try was counted.
"""

phone_verified = Signal()
"""The right code was typed.

``attempt``: the VerificationAttempt. ``user``: the owner of the number, or None if it has no account yet. The signal is
sent again with the user when a proof of the attempt is redeemed for them, or when staff move the number to them. Use
``user``, not ``attempt.user``.
"""

phone_changed = Signal()
"""A verified new number has replaced the old one of a user, for one purpose.

``user``, ``old_number``, ``new_number``, ``purpose``.
"""

verification_refused = Signal()
"""A request for a call was rejected.

``code``: the stable code. ``retry_after``: seconds, or None if waiting does not help. ``number``: masked.
"""

too_many_wrong_codes = Signal()
"""Wrong codes in a row locked new calls (``WRONG_CODES``) of a user or, without a user, of a number.

``attempt``: the one of the last wrong code; its ``user`` may be None. ``number``: masked. ``count``: wrong codes in a
row. ``until``: the end of the lock. It is sent once for each lock.
"""

number_of_other_user = Signal()
"""A number that other users verified is being verified by another user, or by a visitor without a login.

``attempt``. ``owners``: the list of the other users. ``moment``: ``"called"`` when the call is requested, and
``"verified"`` when the right code was typed, also if the number is rejected as ``number_taken``. ``number``: masked.
Without a receiver no statement is executed for it. It is not sent for a login by phone.
"""

alert = Signal()
"""Your team must act. Each kind is sent at most once an hour, with several API keys once for each key.

``kind``: ``misconfigured``, ``insufficient_funds``, ``key_limited``, ``codes_refused``, ``pumping``,
``proxies_undecided``, ``waiting`` or ``reviewer_number``. ``key_name``: the name of the key, ``default`` for a site
with one key, ``""`` if the alert is not about a key.
"""

destination_blocked = Signal()
"""A prefix or region was blocked.

``destination``: the prefix or region. ``until``: the end of the block, or None. ``actor``: the name of who did it,
empty if the site paused it by itself.
"""

destination_unblocked = Signal()
"""A prefix or region was unblocked.

``destination``: the prefix or region. ``actor``: the name of who did it.
"""
