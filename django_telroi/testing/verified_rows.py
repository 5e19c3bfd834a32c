"""``verify_phone``: writes the rows of a verified phone, for a test."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django_telroi import conf, services
from django_telroi.domain.phone import prefix_of
from django_telroi.domain.states import Dispatch, Judge, Status
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import write_alias
from django_telroi.signals import phone_verified
from django_telroi.testing.settings_of_test import refuse_outside_of_tests

RINGING, TYPING = timedelta(seconds=2), timedelta(seconds=20)
"""How long before the verification the call was placed, and before that it was requested, in the rows of a test."""


def verify_phone(
    user: Any,
    number: str,
    *,
    purpose: str = "",
    verified_at: datetime | None = None,
    send_signals: bool = False,
) -> VerifiedPhone:
    """Write the rows of a verification of ``number`` by ``user``, and return the record that gates read.

    The rows are those of a call whose code was typed: the number, a verified attempt and a verified phone. The call
    does not count for the number's limits. So a test may verify one number for many users, and then ask for a call.

    ``user``: a saved user. ``number``: in any spelling. ``verified_at``: the moment, None for now. ``send_signals``:
    also send ``phone_verified``, at once, with or without a transaction. An exception of a receiver is raised.

    Raises InvalidNumber, InvalidPurpose if the purpose writes no record, and NumberTaken if another account has the
    number and the site allows one. Raises RuntimeError in a process that runs no tests.
    """
    refuse_outside_of_tests()
    using = write_alias()
    moment = verified_at or database_now(using)
    record = services.record_verification(user, number, purpose=purpose, verified_at=moment)
    attempt = _verified_attempt(record, at=moment, using=using)
    attempt.save(using=using, force_insert=True)
    if record.verified_at == moment:  # else the record is of a newer verification
        record.attempt = attempt
        record.save(using=using, update_fields=["attempt"])
    if send_signals:
        phone_verified.send(sender=VerificationAttempt, attempt=attempt, user=user)
    return record


def _verified_attempt(record: VerifiedPhone, *, at: datetime, using: str) -> VerificationAttempt:
    phone = PhoneNumber.objects.using(using).get(number=record.number)
    placed_at = at - TYPING
    dialed_at = placed_at - RINGING
    return VerificationAttempt(
        phone=phone,
        last4=phone.last4,
        region=phone.region,
        prefix=prefix_of(record.number),
        user_id=record.user_id,
        had_user=True,
        purpose=record.purpose,
        status=Status.VERIFIED,
        dispatch=Dispatch.INLINE,
        telroi_id=str(uuid4()),
        code_length=conf.code_length(),
        judge=Judge.SITE,
        max_tries=conf.code_tries(),
        tries=1,
        asked=1,
        created_at=dialed_at,
        dialed_at=dialed_at,
        placed_at=placed_at,
        expires_at=dialed_at + conf.code_ttl(),
        verified_at=at,
        closed_at=at,
    )
