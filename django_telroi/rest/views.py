"""The endpoints. One service each; a refusal is raised, and ``problems`` has the body for it.

They are meant to be subclassed. Where you put yours into a URLconf of your own, keep the name ``uuid`` in the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from django_telroi import conf, limits, services
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, InvalidPurpose, Unavailable
from django_telroi.models import VerificationAttempt
from django_telroi.rest.endpoint import PhoneEndpoint
from django_telroi.rest.ids import idempotency_key
from django_telroi.rest.problems import CodeNotChecked, IdempotencyKeyUsed
from django_telroi.rest.serializers import (
    PhoneCheckSerializer,
    PhoneCodeSerializer,
    PhoneProofSerializer,
    PhoneStartSerializer,
    PhoneVerificationSerializer,
    VerifiedPhoneSerializer,
)
from django_telroi.services import AttemptStatus, CheckOutcome, CheckResult
from django_telroi.services.attempts.status import status_without_database
from django_telroi.services.shared.transactions import unavailable_without_database

__all__ = [
    "CallAgainView",
    "CancelView",
    "CheckView",
    "PhoneEndpoint",
    "PhonesView",
    "StartView",
    "VerificationView",
]

STATUS_OF_A_START: Mapping[str, int] = {
    Status.PLACED: status.HTTP_201_CREATED,
    Status.QUEUED: status.HTTP_202_ACCEPTED,
    Status.DIALING: status.HTTP_202_ACCEPTED,
    Status.UNKNOWN: status.HTTP_202_ACCEPTED,
}
"""Any other is 200: a repeat, of a start whose verification is over."""

STATUS_OF_AN_OUTCOME: Mapping[CheckOutcome, int] = {
    CheckOutcome.VERIFIED: status.HTTP_200_OK,
    CheckOutcome.WRONG_CODE: status.HTTP_200_OK,
    CheckOutcome.INVALID_CODE: status.HTTP_400_BAD_REQUEST,
    CheckOutcome.LOCKED: status.HTTP_409_CONFLICT,
    CheckOutcome.CLOSED: status.HTTP_409_CONFLICT,
    CheckOutcome.NOT_READY: status.HTTP_409_CONFLICT,
    CheckOutcome.IN_PROGRESS: status.HTTP_409_CONFLICT,
    CheckOutcome.NUMBER_TAKEN: status.HTTP_409_CONFLICT,
    CheckOutcome.ANSWER_LOST: status.HTTP_409_CONFLICT,
    CheckOutcome.ALREADY_VERIFIED: status.HTTP_409_CONFLICT,
    CheckOutcome.EXPIRED: status.HTTP_410_GONE,
    CheckOutcome.UNAVAILABLE: status.HTTP_503_SERVICE_UNAVAILABLE,
}


class CallEndpoint(PhoneEndpoint):
    """An endpoint that has a number called."""

    unavailable = None

    def answer(self, attempt: VerificationAttempt) -> Response:
        """What became of the call. Raises the refusal that a failed one amounts to.

        A call that may ring is never denied because the database is gone by now.
        """
        try:
            standing = services.follow(attempt.uuid, user=self.user)
        except Unavailable:
            standing = status_without_database(attempt)
        if standing.refusal:
            raise standing.refusal
        return verification(standing, status_code=STATUS_OF_A_START.get(standing.attempt.status, status.HTTP_200_OK))


class StartView(CallEndpoint):
    """Has a number called and a code read out.

    Send the header `Idempotency-Key` with a new UUID, and repeating the request rings nobody twice.
    """

    serializer_class = PhoneStartSerializer

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = self.asked(request)
        key = idempotency_key(request)
        if asked["purpose"] not in conf.purposes():
            raise InvalidPurpose
        try:
            attempt = limits.start_verification(
                request._request,
                asked["number"],
                user=self.user,
                purpose=asked["purpose"],
                language=asked.get("language"),
                attempt_uuid=key,
            )
        except AttemptNotFound:
            raise IdempotencyKeyUsed from None
        return self.answer(attempt)


class VerificationView(PhoneEndpoint):
    """How a verification stands."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return verification(services.follow(self.attempt_uuid, user=self.user))


class CheckView(PhoneEndpoint):
    """Judges the code that was typed.

    A wrong code is an answer, not an error: look at `outcome`.
    """

    serializer_class = PhoneCodeSerializer
    unavailable = CodeNotChecked

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        code = self.asked(request)["code"]
        result = limits.check_code(request._request, self.attempt_uuid, code, user=self.user)
        return Response(dict(PhoneCheckSerializer(result).data), status=status_of(result))


class CallAgainView(CallEndpoint):
    """Has the same number called once more, as a new verification.

    The old one takes codes until the new call is placed, or may ring; then it is `superseded`. If the new call is
    refused, the old code still counts, and asking again starts the next call.
    """

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(limits.call_again(request._request, self.attempt_uuid, user=self.user))


class CancelView(PhoneEndpoint):
    """Gives a verification up. One that is over stays as it is."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        attempt = services.cancel_verification(self.attempt_uuid, user=self.user)
        return verification(services.follow(attempt.uuid, user=self.user))


class PhonesView(PhoneEndpoint):
    """The user's verified numbers, newest first.

    A proof that is posted adds the number that it proves.
    """

    serializer_class = PhoneProofSerializer

    def get_permissions(self) -> list[Any]:
        return [*super().get_permissions(), IsAuthenticated()]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        phones = services.verified_phones(self.user) if self.user else []
        with unavailable_without_database():
            return Response(list(VerifiedPhoneSerializer(phones, many=True).data))

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = self.asked(request)
        if self.user is None:
            raise NotAuthenticated
        with unavailable_without_database():
            phone = services.add_phone(asked["proof"], purpose=asked["purpose"], user=self.user)
        return Response(dict(VerifiedPhoneSerializer(phone).data), status=status.HTTP_201_CREATED)


def verification(standing: AttemptStatus, *, status_code: int = status.HTTP_200_OK) -> Response:
    return Response(dict(PhoneVerificationSerializer(standing).data), status=status_code)


def status_of(result: CheckResult) -> int:
    """The guess that locks was judged, which is an answer; one for an attempt that was locked before was not."""
    if result.outcome == CheckOutcome.LOCKED and result.was_judged:
        return status.HTTP_200_OK
    return STATUS_OF_AN_OUTCOME[result.outcome]
