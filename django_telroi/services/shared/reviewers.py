"""App reviewers: their numbers are never called, and have one fixed code to log in with.

A person who reviews an app for a store cannot answer a phone of the site. Every other call to such a number
(``REVIEWER_SECRET_NUMBERS``) is refused, so a mistake in the settings rings no phone. Each login is recorded, and how
many a day are allowed is limited.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.client import OtpCall
from django_telroi.conf.site_settings import may_review
from django_telroi.domain.number_limits import seconds_to_wait
from django_telroi.domain.typed_codes import is_strong_code
from django_telroi.errors import NotCallable, TooManyRequests
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.redaction import Secret
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import savepoint_if_needed, unavailable_without_database, write_alias

logger = logging.getLogger("django_telroi")

REVIEWER_ID = "reviewer-"
"""How the provider's id of an attempt begins whose number was not called."""


@sensitive_variables()
def fixed_code_of(number: str, purpose: str) -> Secret | None:
    """Return the fixed code for a login with ``number`` (E.164). None if the number is called like any other."""
    if not conf.is_login(purpose) or number not in conf.reviewer_numbers():
        return None
    code = conf.reviewer_secret_code()
    # A code that the check rejects is not accepted either: the system checks may not have run.
    return Secret(code) if is_strong_code(code) and may_review(number) else None


@sensitive_variables()
def refuse_reviewer_number(number: str, purpose: str) -> None:
    """Raise NotCallable for a reviewer number, unless it logs in with the fixed code."""
    if number in conf.reviewer_numbers() and fixed_code_of(number, purpose) is None:
        raise NotCallable


@sensitive_variables()
def reviewer_call(attempt: VerificationAttempt) -> OtpCall | None:
    """Return the call of a reviewer number, which was not placed. None for every other attempt."""
    if not conf.is_login(attempt.purpose) or fixed_code_of(attempt.number, attempt.purpose) is None:
        return None
    call_id = f"{REVIEWER_ID}{uuid4()}"
    return OtpCall(id=call_id, to=attempt.number, status="delivered", verification="client")


def is_of_reviewer(attempt: VerificationAttempt) -> bool:
    """Return whether the number of this attempt was not called, because it is a reviewer number."""
    return (attempt.telroi_id or "").startswith(REVIEWER_ID)


def record_reviewer_use(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Log, record and alert that a reviewer number was used instead of a call. Repeated, it records one event."""
    if not is_of_reviewer(attempt):
        return
    logger.warning("reviewer_number_used attempt=%s", attempt.pk)
    AttemptEvent.objects.using(using).get_or_create(
        digest=f"reviewer number {attempt.uuid}",
        defaults={"kind": EventKind.REVIEWER_NUMBER, "attempt": attempt, "phone_id": attempt.phone_id, "at": now},
    )
    send_alert(Alert.REVIEWER_NUMBER, now=now, using=using)


@unavailable_without_database()
def count_reviewer_login(attempt: VerificationAttempt) -> None:
    """Record a login with a reviewer number, once for each attempt. Does nothing for other attempts.

    Raises TooManyRequests after ``REVIEWER_LOGINS_PER_DAY`` logins in the UTC day, and Unavailable.
    """
    if not is_of_reviewer(attempt):
        return
    using = write_alias()
    now = database_now(using)
    begin = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    logins = AttemptEvent.objects.using(using).filter(kind=EventKind.REVIEWER_LOGIN, at__gte=begin)
    if AttemptEvent.objects.using(using).filter(kind=EventKind.REVIEWER_LOGIN, attempt=attempt).exists():
        return
    # Each login of the day has a place of its own, with a unique digest. So logins at the same moment cannot exceed
    # the limit.
    for place in range(logins.count(), conf.reviewer_logins_per_day()):
        if _take(place, attempt, now=now, using=using):
            logger.warning("reviewer_logged_in attempt=%s", attempt.pk)
            return
    logger.warning("reviewer_login_refused attempt=%s", attempt.pk)
    raise TooManyRequests(seconds_to_wait(begin + timedelta(days=1), now))


def _take(place: int, attempt: VerificationAttempt, *, now: datetime, using: str) -> bool:
    """Record the login at this place of the day. Returns False if another login has the place."""
    try:
        with savepoint_if_needed(using):
            AttemptEvent.objects.using(using).create(
                kind=EventKind.REVIEWER_LOGIN,
                at=now,
                attempt=attempt,
                phone_id=attempt.phone_id,
                digest=f"reviewer login {now:%Y-%m-%d} {place}",
            )
    except IntegrityError:
        return False
    return True
