"""The description of each endpoint in the OpenAPI schema: statuses, codes, examples and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse
from rest_framework import exceptions
from rest_framework.views import APIView

from django_telroi import errors
from django_telroi.domain.states import FINAL, Status
from django_telroi.rest import openapi_examples, views
from django_telroi.rest.endpoint import UTF_8_ONLY
from django_telroi.rest.openapi_responses import (
    Problems,
    call_answers,
    check_answers,
    problem_answers,
    verification_answer,
)
from django_telroi.rest.problems import (
    CodeNotChecked,
    IdempotencyKeyUsed,
    InvalidIdempotencyKey,
    NoNumber,
    NotNow,
)
from django_telroi.rest.serializers import (
    PhoneCallSerializer,
    PhoneCodeSerializer,
    PhoneProofSerializer,
    PhoneStartSerializer,
    PhoneStoredStartSerializer,
    VerifiedPhoneSerializer,
)

BODY_PROBLEMS: Problems = (exceptions.ParseError(), exceptions.UnsupportedMediaType("text/plain"))
IGNORED_BODY_PROBLEMS: Problems = (
    exceptions.ParseError(UTF_8_ONLY),
    exceptions.UnsupportedMediaType("application/json", detail=UTF_8_ONLY),
)
"""The problems of a body that is not needed, but may be sent."""
NOT_FOUND: Problems = (errors.AttemptNotFound(),)
DATABASE_DOWN: Problems = (NotNow(),)
CHECK_PROBLEMS: Problems = (errors.TooManyRequests(600), CodeNotChecked())
CALL_PROBLEMS: Problems = (
    errors.NotCallable(),
    errors.RegionNotAllowed(),
    errors.CooldownActive(42),
    errors.HourlyLimitReached(1800),
    errors.DailyLimitReached(36000),
    errors.NumberHeld(55),
    errors.DestinationPaused(900),
    errors.BotCheckFailed(),
    errors.TooManyRequests(600),
    errors.TooManyWrongCodes(480),
    errors.SiteLimitReached(),
    errors.CallsStopped(),
    errors.Misconfigured(),
    errors.Unavailable(),
)
STORED_START_PROBLEMS: Problems = (
    errors.InvalidNumber(),
    errors.InvalidPurpose(),
    errors.ConsentRequired(),
    InvalidIdempotencyKey(),
    IdempotencyKeyUsed(),
)
START_PROBLEMS: Problems = (
    *STORED_START_PROBLEMS,
    exceptions.ValidationError({"number": ["This field is required."]}),
)

UUID_IN_PATH = OpenApiParameter(
    "uuid", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The `id` of a verification."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.UUID,
    OpenApiParameter.HEADER,
    description="A random UUID, new for each call that you want. It becomes the `id` of the verification. "
    "If you send the request again with the same key, no second call is placed, and the response is the verification "
    "of the first request.",
)
RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    description="Seconds, the same value as `retry_after`. The header is missing if `retry_after` is null.",
    response=[429, 503],
)
LINKS: Mapping[str, str] = {
    "phone_follow": "Get the current status.",
    "phone_check": "Check the code that the person typed.",
    "phone_call_again": "Request another call, when `call_again_in` is 0.",
    "phone_cancel": "Cancel the verification.",
}


@dataclass(frozen=True)
class Operation:
    """One method of one endpoint, in the schema's terms.

    ``links`` are the operations that can follow a 2xx response: id and description. ``answers_with_id`` says whether
    the response contains the id of the verification. Without it a link takes the id from the URL.
    """

    operation_id: str
    summary: str
    answers: Mapping[int, OpenApiResponse]
    request: OpenApiRequest | None = None
    parameters: Sequence[OpenApiParameter] = (UUID_IN_PATH,)
    links: Mapping[str, str] = field(default_factory=dict)
    answers_with_id: bool = True
    needs_user: bool = False


def operations_of(view: type[APIView]) -> Mapping[str, Operation]:
    """Return the operations of a view by HTTP method, with texts in the active language.

    A subclass of an endpoint gets the operations of the endpoint. An endpoint without a description has none.
    """
    # The tables are functions, because their texts are translated when the schema is made, not when it is imported.
    described = next((DESCRIPTIONS[each] for each in view.__mro__ if each in DESCRIPTIONS), {})
    return {method: describe() for method, describe in described.items()}


def start_operation() -> Operation:
    return Operation(
        "phone_start",
        "Start a verification: call a number and read out a code",
        {**call_answers(), **problem_answers([*START_PROBLEMS, *BODY_PROBLEMS, *CALL_PROBLEMS], of_typed_number=True)},
        request=body_with_example(PhoneStartSerializer, {"number": openapi_examples.NUMBER, "language": "en"}),
        parameters=(IDEMPOTENCY_KEY, RETRY_AFTER),
        links=LINKS,
    )


def stored_start_operation() -> Operation:
    return Operation(
        "phone_start_stored",
        "Start a verification of the number that the site has for the user",
        {**call_answers(), **problem_answers([*STORED_START_PROBLEMS, NoNumber(), *BODY_PROBLEMS, *CALL_PROBLEMS])},
        request=body_with_example(PhoneStoredStartSerializer, {"language": "en"}),
        parameters=(IDEMPOTENCY_KEY, RETRY_AFTER),
        links=LINKS,
        needs_user=True,
    )


def follow_operation() -> Operation:
    return Operation(
        "phone_follow",
        "Get the status of a verification",
        {**verification_answer(200, "The current status.", Status), **problem_answers([*NOT_FOUND, *DATABASE_DOWN])},
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={name: text for name, text in LINKS.items() if name != "phone_follow"},
    )


def check_operation() -> Operation:
    missing = exceptions.ValidationError({"code": ["This field is required."]})
    return Operation(
        "phone_check",
        "Check the code that the person typed",
        {
            **problem_answers([*NOT_FOUND, *CHECK_PROBLEMS, missing, *BODY_PROBLEMS]),
            **check_answers(also_problems=[CodeNotChecked(), missing, *BODY_PROBLEMS]),
        },
        request=body_with_example(PhoneCodeSerializer, {"code": "493 027"}),
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={"phone_follow": LINKS["phone_follow"]},
        answers_with_id=False,
    )


def call_again_operation() -> Operation:
    no_text = exceptions.ValidationError({"bot_token": ["Not a valid string."]})
    return Operation(
        "phone_call_again",
        "Call the same number again",
        {**call_answers(), **problem_answers([*NOT_FOUND, no_text, *BODY_PROBLEMS, *CALL_PROBLEMS])},
        request=body_with_example(PhoneCallSerializer, {}),
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links=LINKS,
    )


def cancel_operation() -> Operation:
    return Operation(
        "phone_cancel",
        "Cancel a verification",
        {
            **verification_answer(200, "The verification is over.", FINAL),
            **problem_answers([*NOT_FOUND, *IGNORED_BODY_PROBLEMS, *DATABASE_DOWN]),
        },
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={"phone_follow": LINKS["phone_follow"]},
    )


def phones_operation() -> Operation:
    listed = [OpenApiExample("phone", openapi_examples.phone(), response_only=True)]
    answer = OpenApiResponse(VerifiedPhoneSerializer(many=True), "The user's verified numbers, newest first.", listed)
    return Operation(
        "phone_numbers",
        "List the user's verified numbers",
        {200: answer, **problem_answers(DATABASE_DOWN)},
        parameters=(RETRY_AFTER,),
        needs_user=True,
    )


def add_phone_operation() -> Operation:
    added = [OpenApiExample("phone", openapi_examples.phone(), response_only=True, status_codes=["201"])]
    missing = exceptions.ValidationError({"proof": ["This field is required."]})
    refused = (errors.ProofRejected(), errors.NumberTaken(), errors.InvalidPurpose(), missing)
    return Operation(
        "phone_add",
        "Add the number of a proof to the user's account",
        {
            201: OpenApiResponse(VerifiedPhoneSerializer, "The number belongs to the user.", added),
            **problem_answers([*refused, *BODY_PROBLEMS, *DATABASE_DOWN]),
        },
        request=body_with_example(PhoneProofSerializer, {"proof": openapi_examples.PROOF}),
        parameters=(RETRY_AFTER,),
        needs_user=True,
    )


DESCRIPTIONS: dict[type[APIView], Mapping[str, Callable[[], Operation]]] = {
    views.StartView: {"POST": start_operation},
    views.StoredNumberStartView: {"POST": stored_start_operation},
    views.VerificationView: {"GET": follow_operation},
    views.CheckView: {"POST": check_operation},
    views.CallAgainView: {"POST": call_again_operation},
    views.CancelView: {"POST": cancel_operation},
    views.PhonesView: {"GET": phones_operation, "POST": add_phone_operation},
}


def body_with_example(serializer: type[Any], value: Mapping[str, Any]) -> OpenApiRequest:
    """Return the request body of a serializer, with ``value`` as its example."""
    return OpenApiRequest(serializer, examples=[OpenApiExample("request", value, request_only=True)])
