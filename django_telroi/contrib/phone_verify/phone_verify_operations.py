"""The two endpoints in the OpenAPI schema. Their bodies are those of django-phone-verify.

The import adds them. It happens only if ``drf_spectacular`` is an installed app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.views import APIView

from django_telroi.contrib.phone_verify import views
from django_telroi.contrib.phone_verify.phone_verify_serializers import PhoneSerializer, SMSVerificationSerializer
from django_telroi.rest import openapi_examples, openapi_operations
from django_telroi.rest.openapi_operations import RETRY_AFTER, Operation, body_with_example

TOKEN = "8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10"
TOO_MANY = "A limit: `detail` says which one and how long to wait."


# The names of these classes become names in the schema, where a site may have a component "Phone" of its own.
class PhoneVerifyRegisterSerializer(PhoneSerializer):
    """The number to call."""


class PhoneVerifyCodeSerializer(SMSVerificationSerializer):
    """The number, the token of its call and the code that the person typed."""


class PhoneVerifyTokenSerializer(serializers.Serializer[Any]):
    """The token that the code is sent with."""

    session_token = serializers.UUIDField()


class PhoneVerifyDoneSerializer(serializers.Serializer[Any]):
    """The code was right. The proof is only in the response to a client that is not logged in."""

    message = serializers.CharField()
    proof = serializers.CharField(required=False)


class PhoneVerifyDetailSerializer(serializers.Serializer[Any]):
    """A message for the person."""

    detail = serializers.CharField()


def _register() -> Operation:
    return Operation(
        "phone_verify_register",
        "Call a number and read out a code, for clients of django-phone-verify",
        {
            200: OpenApiResponse(PhoneVerifyTokenSerializer, "The call was requested."),
            **_errors("The number is invalid or never called. The body has the messages of each field."),
            403: OpenApiResponse(PhoneVerifyDetailSerializer, "The request did not pass the bot check."),
            503: OpenApiResponse(PhoneVerifyDetailSerializer, "Calls are stopped, or the call failed."),
        },
        request=body_with_example(PhoneVerifyRegisterSerializer, {"phone_number": openapi_examples.NUMBER}),
        parameters=(RETRY_AFTER,),
    )


def _verify() -> Operation:
    example = {"phone_number": openapi_examples.NUMBER, "session_token": TOKEN, "security_code": "482915"}
    return Operation(
        "phone_verify_verify",
        "Check the code that the person typed, for clients of django-phone-verify",
        {
            200: OpenApiResponse(PhoneVerifyDoneSerializer, "The code was right."),
            **_errors("The code is not accepted: `non_field_errors` has the message. Or the messages of each field."),
            503: OpenApiResponse(PhoneVerifyDetailSerializer, "The code cannot be checked now."),
        },
        request=body_with_example(PhoneVerifyCodeSerializer, example),
        parameters=(RETRY_AFTER,),
    )


def _errors(invalid: str) -> dict[int, OpenApiResponse]:
    messages = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
    return {400: OpenApiResponse(messages, invalid), 429: OpenApiResponse(PhoneVerifyDetailSerializer, TOO_MANY)}


PHONE_VERIFY_DESCRIPTIONS: Mapping[type[APIView], Mapping[str, Callable[[], Operation]]] = {
    views.RegisterView: {"POST": _register},
    views.VerifyView: {"POST": _verify},
}

openapi_operations.DESCRIPTIONS.update(PHONE_VERIFY_DESCRIPTIONS)
