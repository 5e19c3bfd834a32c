"""What each answer to a code makes of the try and of the attempt: the table of the design, as a function."""

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
    """What Telroi's answer says of the code."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    EXPIRED = "expired"
    ALREADY_VERIFIED = "already_verified"
    ANOTHER_CALL = "another_call"
    """Judged by the number: some call to it was verified, and nothing tells which."""
    LOST = "lost"
    """Telroi knows no such call, or will not judge its code."""
    NOT_ASKED = "not_asked"
    """The code was not judged, for certain: the try is given back."""
    IN_DOUBT = "in_doubt"
    """The code may have been judged, and nobody knows how."""
    WORTHLESS = "worthless"
    """A yes that is worth nothing: it comes from a test key."""


KIND_BY_STATUS = {
    "mismatch": AnswerKind.WRONG,
    "locked": AnswerKind.LOCKED,
    "expired": AnswerKind.EXPIRED,
    "already_verified": AnswerKind.ALREADY_VERIFIED,
    "not_found": AnswerKind.LOST,
}


YES = frozenset({AnswerKind.RIGHT, AnswerKind.ALREADY_VERIFIED})
"""What can verify: the second one to a code whose own answer was lost."""


@dataclass(frozen=True)
class TelroiAnswer:
    """Telroi's word on a code; ``tries_left`` as Telroi counts them, or None; ``refusal`` where the key is to blame."""

    word: AnswerKind
    tries_left: int | None = None
    refusal: CallOutcome | None = None


@sensitive_variables()
def ask_telroi(backend: Backend, code: str, *, call_id: str | None, attempt: VerificationAttempt) -> TelroiAnswer:
    """Have a code judged, after a short wait where the key's budget asks for one. Raises nothing of the backend's."""
    try:
        wait_for_slot(partial(take_check_slot, backend))
        check = request_check(backend, code, call_id=call_id, attempt=attempt)
    except ApiError as error:
        return _answer_to_error(error, attempt)
    answer = _answer_to_check(check)
    if answer.word == AnswerKind.IN_DOUBT:
        status = clean_error_code(check.status, (code, attempt.number)) or "-"
        logger.warning("check_unreadable attempt=%s status=%s verified=%s", attempt.pk, status, check.verified)
    was_test = attempt.livemode is False  # a test key placed the call, so nothing rang
    is_worthless = (was_test or check.livemode is False) and not conf.allow_test_key()
    return TelroiAnswer(AnswerKind.WORTHLESS) if is_worthless and answer.word in YES else answer


def _answer_to_check(check: OtpCheck) -> TelroiAnswer:
    """Only a true ``verified`` beside the status of that name is a yes. Where they differ, nobody knows."""
    if check.verified is not (check.status == "verified"):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    if check.verified:
        return TelroiAnswer(AnswerKind.RIGHT)
    return TelroiAnswer(KIND_BY_STATUS.get(check.status, AnswerKind.IN_DOUBT), tries_left=check.tries_left)


def _answer_to_error(error: ApiError, attempt: VerificationAttempt) -> TelroiAnswer:
    if isinstance(error, ApiUnreachable):
        return TelroiAnswer(AnswerKind.NOT_ASKED)
    if not isinstance(error, ApiRefused):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    answer = _answer_to_refusal(error)
    if answer.word != AnswerKind.NOT_ASKED:
        logger.warning("check_refused attempt=%s status=%s code=%s", attempt.pk, error.status, error.code or "-")
    return answer


def _answer_to_refusal(error: ApiRefused) -> TelroiAnswer:
    if error.status in (400, 404, 422):
        # 422 is a code that Telroi did not make; 400 and 404 are ids that it does not take or does not know.
        return TelroiAnswer(AnswerKind.LOST)
    if is_service_unavailable(error) or error.status in (302, 401, 403, 405, 429):
        return TelroiAnswer(AnswerKind.NOT_ASKED, refusal=outcome_of_call(error))
    return TelroiAnswer(AnswerKind.IN_DOUBT)
