"""Staff end the wait or the lock that follows from wrong codes, of a number or of a user, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi.models import EventKind, PhoneNumber, UserWrongCodes, VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import refuse_unstorable, typed_arguments
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias
from django_telroi.services.shared.wrong_code_counts import ENDED, bar_of, reset_user
from django_telroi.services.staff.staff_actions import change_number, write_event


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def reset_wrong_codes(number: str, *, reason: str, actor: str, now: datetime | None = None) -> PhoneNumber:
    """End the count of wrong codes of a number, and the wait or lock that follows from it.

    ``reason`` and ``actor`` are in the number's events. Returns the number's row. Raises InvalidNumber, UnstorableText,
    ChangedMeanwhile and Unavailable.
    """
    refuse_unstorable(reason, "reason", using=write_alias())

    def reset(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return ENDED

    return change_number(number, reset, kind=EventKind.WRONG_CODES_RESET, actor=actor, detail=reason, now=now)


@typed_arguments
@unavailable_without_database()
def reset_user_wrong_codes(user: AbstractBaseUser, *, reason: str, actor: str, now: datetime | None = None) -> bool:
    """End the count of wrong codes of a user, and the wait or lock that follows from it.

    The event with ``reason`` and ``actor`` is in the timeline of the user's newest attempt. Returns whether the user
    had any wrong codes; without any, there is no event. Raises UnstorableText and Unavailable.
    """
    using = write_alias()
    refuse_unstorable(reason, "reason", using=using)
    now = now or database_now(using)
    with transaction.atomic(using=using):
        if not reset_user(user.pk, using=using):
            return False
        newest = VerificationAttempt.objects.using(using).filter(user_id=user.pk).order_by("-pk").first()
        kind = EventKind.USER_WRONG_CODES_RESET
        write_event(kind, actor=actor, detail=reason, at=now, using=using, attempt=newest)
    return True


def wrong_codes_of_user(user_id: Any, *, now: datetime) -> tuple[int, datetime | None]:
    """Return the consecutive wrong codes of a user, and until when new calls are refused because of them, or None."""
    row = UserWrongCodes.objects.using(write_alias()).filter(user_id=user_id).first()
    return (row.wrong_codes, bar_of(row, now=now)) if row else (0, None)
