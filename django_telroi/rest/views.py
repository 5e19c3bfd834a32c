"""The endpoints. Each calls one service. A refusal is raised, and ``problems`` makes the response.

What the services do is described under "A call" and "A code" in docs/explanation/how.rst.

You can subclass them. If your URLconf includes your own views, keep the argument name ``uuid`` in the URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from django_telroi import conf, limits, services
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, InvalidPurpose
from django_telroi.models import VerificationAttempt
from django_telroi.rest.django_request import django_request
from django_telroi.rest.endpoint import PhoneEndpoint
from django_telroi.rest.ids import idempotency_key
from django_telroi.rest.problems import CodeNotChecked, IdempotencyKeyUsed, NoNumber
from django_telroi.rest.serializers import (
    PhoneCallSerializer,
    PhoneCheckSerializer,
    PhoneCodeSerializer,
    PhoneProofSerializer,
    PhoneStartSerializer,
    PhoneStoredStartSerializer,
    PhoneVerificationSerializer,
    VerifiedPhoneSerializer,
    body_of,
)
from django_telroi.services import AttemptStatus, CheckOutcome, CheckResult
from django_telroi.services.attempts.status import status_of
from django_telroi.services.calls.refusals import consent_to_version
from django_telroi.services.requester import visitor_region
from django_telroi.services.sentences import stored_sentence
from django_telroi.services.shared.arguments import NO_NUMBER, stored_number
from django_telroi.services.shared.transactions import unavailable_without_database
from django_telroi.services.typed_numbers import RejectedNumber, explain_rejected

__all__ = [
    "CallAgainView",
    "CancelView",
    "CheckView",
    "PhoneEndpoint",
    "PhonesView",
    "StartView",
    "StoredNumberStartView",
    "VerificationView",
]

STATUS_OF_A_START: Mapping[str, int] = {
    Status.PLACED: status.HTTP_201_CREATED,
    Status.QUEUED: status.HTTP_202_ACCEPTED,
    Status.DIALING: status.HTTP_202_ACCEPTED,
    Status.UNKNOWN: status.HTTP_202_ACCEPTED,
}
"""Every other status is 200: the request is a retry, and its verification is over."""

# A wrong code is an answer and not an error of the client, so it has 200. 409 means that the state
# of the verification, or of the number, does not allow what was asked.
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
    CheckOutcome.JUDGED_ELSEWHERE: status.HTTP_409_CONFLICT,
    CheckOutcome.EXPIRED: status.HTTP_410_GONE,
    CheckOutcome.UNAVAILABLE: status.HTTP_503_SERVICE_UNAVAILABLE,
}


class CallEndpoint(PhoneEndpoint):
    """Base class of the endpoints that place a call."""

    unavailable = None

    def answer(self, attempt: VerificationAttempt) -> Response:
        """Return the status of the call. Raises the refusal of a call that failed."""
        current = status_of(attempt, user=self.user)
        # The service returns an attempt whose call failed. A client gets the same error as for a call that was rejected
        # before.
        if current.refusal:
            raise current.refusal
        return verification(current, status_code=STATUS_OF_A_START.get(current.attempt.status, status.HTTP_200_OK))


class StartView(CallEndpoint):
    """Calls a number and reads out a code.

    Send the header `Idempotency-Key` with a new UUID. You can then send the request again, and only one call is placed.
    """

    serializer_class = PhoneStartSerializer

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.validated_body(request)
        return self.start(request, body["number"], body)

    @sensitive_variables()
    def rejected_number(self) -> RejectedNumber | None:
        """Return why the number of the body is invalid, and which numbers it may mean. None for a number on file."""
        number = self.body_serializer.validated_data["number"] if self.body_serializer else ""
        return explain_rejected(number, visitor_region=visitor_region(django_request(self.request)))

    @sensitive_variables()
    def start(self, request: Request, number: str, body: Mapping[str, Any]) -> Response:
        """Call ``number``. Raises a VerificationRefused if no call is placed."""
        key = idempotency_key(request)
        # The services accept any purpose, because trusted code calls them. A client may choose from PURPOSES only.
        if not self.has_purpose(body["purpose"]):
            raise InvalidPurpose
        try:
            attempt = limits.start_verification(
                django_request(request),
                number,
                user=self.user,
                purpose=body["purpose"],
                language=body.get("language"),
                attempt_uuid=key,
                consent=consent_to_version(body.get("consent") or ""),
                bot_token=body.get("bot_token") or "",
            )
        except AttemptNotFound:
            # 409 instead of 404: nothing is missing, and a client that makes a new key succeeds.
            raise IdempotencyKeyUsed from None
        return self.answer(attempt)

    def has_purpose(self, purpose: str) -> bool:
        """Return whether this endpoint starts verifications for the purpose."""
        return purpose in conf.purposes()


class StoredNumberStartView(StartView):
    """Calls the number that the site has for the user, and reads out a code.

    Send the header `Idempotency-Key` with a new UUID. You can then send the request again, and only one call is placed.
    """

    # A subclass overrides ``get_number``. The texts above are in the OpenAPI schema.
    serializer_class = PhoneStoredStartSerializer
    refusal_sentence = staticmethod(stored_sentence)

    def get_permissions(self) -> list[Any]:
        # Added to the project's permissions, because only a user who is logged in has a number.
        return [*super().get_permissions(), IsAuthenticated()]

    def get_number(self) -> object:
        """Return the number to call, such as ``self.request.user.phone``. Override this.

        None and an empty text are answered with 409 and the code ``no_number``.
        """
        raise ImproperlyConfigured(f"{type(self).__name__} must override get_number().")

    def rejected_number(self) -> None:
        return None  # the client cannot correct the number of the site

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.validated_body(request)
        stored = stored_number(self.get_number())
        if stored.problem == NO_NUMBER:
            raise NoNumber
        return self.start(request, stored.number, body)


class VerificationView(PhoneEndpoint):
    """Returns the status of a verification."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return verification(services.follow(self.attempt_uuid, user=self.user))


class CheckView(PhoneEndpoint):
    """Checks the code that the person typed.

    A wrong code is not an error: the status is 200. Read `verified` or `outcome`.
    """

    serializer_class = PhoneCodeSerializer
    unavailable = CodeNotChecked

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        code = self.validated_body(request)["code"]
        result = limits.check_code(django_request(request), self.attempt_uuid, code, user=self.user)
        return Response(body_of(PhoneCheckSerializer, result), status=status_of_check(result))


class CallAgainView(CallEndpoint):
    """Calls the same number again. The response is a new verification with a new `id`.

    The old verification accepts its code until the new call is placed or may ring. Then its status is `superseded`. If
    the new call is refused, the old code is still valid, and you can send this request again.
    """

    serializer_class = PhoneCallSerializer

    def uses_body(self) -> bool:
        return conf.bot_check() is not None

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        token = self.validated_body(request).get("bot_token") or ""
        attempt = limits.call_again(django_request(request), self.attempt_uuid, user=self.user, bot_token=token)
        return self.answer(attempt)


class CancelView(PhoneEndpoint):
    """Cancels a verification. A verification that is over does not change."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        attempt = services.cancel_verification(self.attempt_uuid, user=self.user)
        return verification(status_of(attempt, user=self.user))


class PhonesView(PhoneEndpoint):
    """Lists the user's verified numbers, newest first.

    POST a proof to add its number.
    """

    serializer_class = PhoneProofSerializer

    def get_permissions(self) -> list[Any]:
        # Added to the project's permissions, because a site may allow anonymous verifications, and this list has full
        # numbers.
        return [*super().get_permissions(), IsAuthenticated()]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        phones = services.verified_phones(self.user) if self.user else []
        # The rows are read while they are serialized, so the response is made inside.
        with unavailable_without_database():
            return Response(list(VerifiedPhoneSerializer(phones, many=True).data))

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.validated_body(request)
        # A subclass may have replaced the permissions.
        if self.user is None:
            raise NotAuthenticated
        with unavailable_without_database():
            phone = services.add_phone(body["proof"], purpose=body["purpose"], user=self.user)
        return Response(dict(VerifiedPhoneSerializer(phone).data), status=status.HTTP_201_CREATED)


def verification(current: AttemptStatus, *, status_code: int = status.HTTP_200_OK) -> Response:
    """Return the response for a verification."""
    return Response(body_of(PhoneVerificationSerializer, current), status=status_code)


def status_of_check(result: CheckResult) -> int:
    """Return the HTTP status for the result of a check.

    The wrong code that locks an attempt was checked, so the status is 200. A code for an attempt that was locked
    before was not checked, so the status is 409.
    """
    if result.outcome == CheckOutcome.LOCKED and result.was_judged:
        return status.HTTP_200_OK
    return STATUS_OF_AN_OUTCOME[result.outcome]
