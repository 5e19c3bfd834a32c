"""The endpoints of django-phone-verify: ``register`` calls the number, ``verify`` checks the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from django_telroi import limits
from django_telroi.contrib.phone_verify.phone_verify_serializers import PhoneSerializer, SMSVerificationSerializer
from django_telroi.errors import VerificationRefused
from django_telroi.rest.django_request import django_request
from django_telroi.rest.endpoint import PhoneEndpoint, ProblemHandler
from django_telroi.rest.problems import CodeNotChecked, answer_problem
from django_telroi.services.attempts.status import status_in_hand
from django_telroi.services.sentences import sentence

__all__ = ["RegisterView", "VerifyView", "answer_as_phone_verify"]


def answer_as_phone_verify(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response for an exception, in the shapes that clients of django-phone-verify know.

    A number that cannot be called is an error of its field. Other refusals have REST framework's ``detail``, like its
    throttling.
    """
    if not isinstance(exc, VerificationRefused):
        return exception_handler(exc, dict(context)) or answer_problem(exc, context)
    text = sentence(exc.code, retry_after=exc.retry_after)
    if exc.http_status == status.HTTP_400_BAD_REQUEST:
        return Response({"phone_number": [text]}, status=exc.http_status)
    response = Response({"detail": text}, status=exc.http_status)
    if exc.retry_after is not None:
        response["Retry-After"] = str(exc.retry_after)
    return response


class PhoneVerifyEndpoint(PhoneEndpoint):
    """Base class of both endpoints. Like in django-phone-verify, no login is needed."""

    permission_classes = [AllowAny]

    def get_exception_handler(self) -> ProblemHandler:
        return answer_as_phone_verify


class RegisterView(PhoneVerifyEndpoint):
    """Calls a number and reads out a code. The response has the token that the code is sent with."""

    serializer_class = PhoneSerializer
    unavailable = None

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.validated_body(request)
        # The first language of the header, as django-phone-verify reads it. An invalid one means LANGUAGE.
        language = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
        attempt = limits.start_verification(
            django_request(request),
            body["phone_number"],
            user=self.user,
            language=language or None,
            bot_token=body.get("bot_token") or "",
        )
        if refusal := status_in_hand(attempt).refusal:
            raise refusal
        return Response({"session_token": str(attempt.uuid)})


class VerifyView(PhoneVerifyEndpoint):
    """Checks the code that the person typed."""

    serializer_class = SMSVerificationSerializer
    unavailable = CodeNotChecked

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated_body(request)
        proof = getattr(self.body_serializer, "proof", None)
        # ``proof`` is new. Clients of django-phone-verify ignore it.
        return Response({"message": "Security code is valid."} | ({"proof": proof} if proof else {}))
