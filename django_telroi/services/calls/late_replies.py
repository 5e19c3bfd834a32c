"""Answers to calls that come after another process has changed the attempt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

from django.db import IntegrityError

from django_telroi.client import OtpCall
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.find import not_found_if_erased
from django_telroi.services.shared.transactions import savepoint_if_needed

logger = logging.getLogger("django_telroi")


def record_late_reply(
    attempt: VerificationAttempt, call: OtpCall | None, *, judge: Mapping[str, object], using: str
) -> None:
    """Record an answer that came after another process had changed the row. The status stays as it is.

    If the answer is a call, an ``unknown`` row also gets its id, because its code can then be judged by that id. It
    also gets who judges its codes, and whether a phone rang: the code of a test key's call must not verify.
    """
    with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
        if VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists():
            _write(attempt, call, judge=judge, using=using)


def _write(attempt: VerificationAttempt, call: OtpCall | None, *, judge: Mapping[str, object], using: str) -> None:
    detail = call.id if call else ""
    AttemptEvent.objects.using(using).create(attempt_id=attempt.pk, kind=EventKind.LATE_REPLY, detail=detail)
    if call:
        unknown = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.UNKNOWN, telroi_id=None)
        try:
            with savepoint_if_needed(using):
                unknown.update(telroi_id=call.id, livemode=call.livemode, **judge)
        except IntegrityError:
            logger.error("telroi_id_taken attempt=%s", attempt.pk)
    attempt.refresh_from_db(using=using)
