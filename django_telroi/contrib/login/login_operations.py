"""The endpoints of the login in the OpenAPI schema: those of a verification, with ids of their own.

The import adds them. It happens only if ``drf_spectacular`` is an installed app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from django.conf import settings
from django.http.request import HttpHeaders
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.views import APIView

from django_telroi import conf
from django_telroi.contrib.login import login_api
from django_telroi.rest import openapi_examples, openapi_operations
from django_telroi.rest.openapi_operations import Operation, body_with_example
from django_telroi.rest.openapi_responses import bodies_of, check_or, examples_of, one_of
from django_telroi.rest.serializers import PhoneCheckSerializer, PhoneProblemSerializer
from django_telroi.services import CheckOutcome


class PhoneLoginProblemSerializer(PhoneProblemSerializer):
    """An error of a login, or a right code of a number without an account."""

    proof = serializers.CharField(
        required=False,
        help_text="The proof for a sign-up. Only with the code `no_account`. It can be redeemed once, for 10 minutes.",
    )


# The site's function makes the body of the right code, so nothing is known about it. ``anyOf``, because it may look
# like the result of a check. The other responses of the operation add the component to the schema.
BODY_OF_SITE_OR_CHECK = {
    "anyOf": [{"$ref": "#/components/schemas/PhoneCheck"}, {"type": "object", "additionalProperties": {}}]
}


def _start() -> Operation:
    operation = _of_login(openapi_operations.start_operation(), "Log in: call a number and read out a code")
    example = {"number": openapi_examples.NUMBER, "language": "en"}
    return replace(operation, request=body_with_example(login_api.LoginStartSerializer, example))


def _check() -> Operation:
    operation = _of_login(openapi_operations.check_operation(), "Check the code and log in")
    parameters = operation.parameters
    checks = openapi_examples.checks()
    verified = checks[200].pop(str(CheckOutcome.VERIFIED))
    if conf.login_response():
        meaning = "The body of the site for a login, or the outcome of a wrong code."
        right = OpenApiResponse(BODY_OF_SITE_OR_CHECK, meaning, examples_of(checks[200], 200))
    else:
        logged_in = {str(CheckOutcome.VERIFIED): login_api.logged_in_body(verified)}
        right = one_of(PhoneCheckSerializer, 200, logged_in | checks[200])
        parameters = (*parameters, _csrf_token())
    no_account = {"no_account": login_api.answer_no_account(openapi_examples.PROOF).data}
    used = bodies_of([login_api.CodeUsedProblem()])[409]
    either = check_or("PhoneCheckOrLoginProblem", PhoneLoginProblemSerializer)
    conflict = one_of(either, 409, no_account | used | checks[409])
    return replace(operation, answers={**operation.answers, 200: right, 409: conflict}, parameters=parameters)


def _csrf_token() -> OpenApiParameter:
    """Return the header that a login in the session needs."""
    # Django's documentation has this spelling of the default. The name of a header has no case.
    name = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or settings.CSRF_HEADER_NAME
    return OpenApiParameter(
        name.replace("Csrftoken", "CSRFToken"),
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=True,
        description="Django's CSRF token. Without it the answer is 403 with the code `permission_denied`.",
    )


def _of_login(operation: Operation, summary: str) -> Operation:
    links = {_id_of_login(name): text for name, text in operation.links.items()}
    return replace(operation, operation_id=_id_of_login(operation.operation_id), summary=summary, links=links)


def _id_of_login(operation_id: str) -> str:
    return operation_id.replace("phone_", "phone_login_")


LOGIN_DESCRIPTIONS: Mapping[type[APIView], Mapping[str, Callable[[], Operation]]] = {
    login_api.LoginApiStartView: {"POST": _start},
    login_api.LoginApiStatusView: {
        "GET": lambda: _of_login(openapi_operations.follow_operation(), "Get the status of a call that logs in")
    },
    login_api.LoginApiCheckView: {"POST": _check},
    login_api.LoginApiCallAgainView: {
        "POST": lambda: _of_login(openapi_operations.call_again_operation(), "Call the same number again to log in")
    },
    login_api.LoginApiCancelView: {
        "POST": lambda: _of_login(openapi_operations.cancel_operation(), "Cancel a call that logs in")
    },
}

openapi_operations.DESCRIPTIONS.update(LOGIN_DESCRIPTIONS)
