"""Numbers of app reviewers (``REVIEWER_SECRET_NUMBERS``): never called, with one fixed code to log in with.

A person who reviews an app for a store cannot answer a phone of the site. Every other call to such a number is
refused, so a mistake in the settings rings no phone.
"""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import uuid4

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.client import OtpCall
from django_telroi.conf.login_settings import may_review
from django_telroi.domain.fixed_codes import is_strong_code
from django_telroi.errors import NotCallable
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.redaction import Secret
from django_telroi.services.shared.alerts import Alert, raise_alert

logger = logging.getLogger("django_telroi")

REVIEWER_ID = "reviewer-"
"""How the provider's id of an attempt begins whose number was not called."""


@sensitive_variables()
def fixed_code_of(number: str, purpose: str) -> Secret | None:
    """Return the fixed code for a login with ``number`` (E.164). None if the number is called like any other."""
    if not conf.is_login(purpose) or number not in conf.reviewer_numbers():
        return None
    code = conf.reviewer_secret_code()
    # A code that the check rejects is not accepted either: a site may not run the checks.
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
    raise_alert(Alert.REVIEWER_NUMBER, now=now, using=using)
