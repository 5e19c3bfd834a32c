"""The logins of reviewer numbers: each is recorded, and their number in a day is limited."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError

from django_telroi import conf
from django_telroi.domain.policy import seconds_to_wait
from django_telroi.errors import TooManyRequests
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.reviewer_numbers import is_of_reviewer
from django_telroi.services.shared.transactions import (
    savepoint_if_needed,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


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
