"""Send a code to Telroi, and classify the answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend
from django_telroi.client import OtpCheck
from django_telroi.client.clean_text import clean_error_code
from django_telroi.errors import ApiError, ApiRefused, ApiUnreachable
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.backend_calls import request_check, take_check_slot, wait_for_slot
from django_telroi.services.shared.call_outcome import CallOutcome, is_service_unavailable, outcome_of_call

logger = logging.getLogger("django_telroi")


class AnswerKind(StrEnum):
    """What Telroi's answer means for the code and its attempt."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    EXPIRED = "expired"
    ALREADY_VERIFIED = "already_verified"
    ANOTHER_CALL = "another_call"
    """The code was judged by the number. A call to this number was verified, but it may be another call."""
    LOST = "lost"
    """Telroi does not know the call, or does not judge its code."""
    NOT_ASKED = "not_asked"
    """The code certainly was not judged, so the try is given back."""
    IN_DOUBT = "in_doubt"
    """The code may have been judged. The result is unknown."""
    WORTHLESS = "worthless"
    """The code was accepted with a test key, and test keys are not allowed here."""


KIND_BY_STATUS = {
    "mismatch": AnswerKind.WRONG,
    "locked": AnswerKind.LOCKED,
    "expired": AnswerKind.EXPIRED,
    "already_verified": AnswerKind.ALREADY_VERIFIED,
    "not_found": AnswerKind.LOST,
}


YES = frozenset({AnswerKind.RIGHT, AnswerKind.ALREADY_VERIFIED})
"""Answers that can verify an attempt. ``already_verified`` does so only if the first answer to the code was lost."""


@dataclass(frozen=True)
class TelroiAnswer:
    """Telroi's answer to a code.

    ``tries_left``: the tries that Telroi reports, or None. ``refusal``: set if Telroi rejected the request itself, for
    example because of the key.
    """

    kind: AnswerKind
    tries_left: int | None = None
    refusal: CallOutcome | None = None


@sensitive_variables()
def ask_telroi(backend: Backend, code: str, *, call_id: str | None, attempt: VerificationAttempt) -> TelroiAnswer:
    """Send a code to Telroi and return the answer. Sleeps for a few seconds if the key's budget has no slot.

    Errors of the backend are not raised: they are answers too.
    """
    try:
        wait_for_slot(partial(take_check_slot, backend))
        check = request_check(backend, code, call_id=call_id, attempt=attempt)
    except ApiError as error:
        return _answer_from_error(error, attempt)
    answer = _answer_from_check(check)
    if answer.kind == AnswerKind.IN_DOUBT:
        status = clean_error_code(check.status, (code, attempt.number)) or "-"
        logger.warning("check_unreadable attempt=%s status=%s verified=%s", attempt.pk, status, check.verified)
    is_test_call = attempt.livemode is False  # a test key requested the call, so no phone rang
    is_worthless = (is_test_call or check.livemode is False) and not conf.allow_test_key()
    return TelroiAnswer(AnswerKind.WORTHLESS) if is_worthless and answer.kind in YES else answer


def _answer_from_check(check: OtpCheck) -> TelroiAnswer:
    """Accept a code only if ``verified`` is true and ``status`` is ``verified``. If the two differ, it is in doubt."""
    if check.verified is not (check.status == "verified"):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    if check.verified:
        return TelroiAnswer(AnswerKind.RIGHT)
    return TelroiAnswer(KIND_BY_STATUS.get(check.status, AnswerKind.IN_DOUBT), tries_left=check.tries_left)


def _answer_from_error(error: ApiError, attempt: VerificationAttempt) -> TelroiAnswer:
    if isinstance(error, ApiUnreachable):
        return TelroiAnswer(AnswerKind.NOT_ASKED)
    if not isinstance(error, ApiRefused):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    answer = _answer_from_refusal(error)
    if answer.kind != AnswerKind.NOT_ASKED:
        logger.warning("check_refused attempt=%s status=%s code=%s", attempt.pk, error.status, error.code or "-")
    return answer


def _answer_from_refusal(error: ApiRefused) -> TelroiAnswer:
    if error.status in (400, 404, 422):
        # 422: Telroi did not generate the code. 400 and 404: Telroi does not accept or does not know the id.
        return TelroiAnswer(AnswerKind.LOST)
    if is_service_unavailable(error) or error.status in (302, 401, 403, 405, 429):
        return TelroiAnswer(AnswerKind.NOT_ASKED, refusal=outcome_of_call(error))
    return TelroiAnswer(AnswerKind.IN_DOUBT)
