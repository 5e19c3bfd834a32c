"""What the schema says of each endpoint: its statuses, codes, examples and where to go from there."""

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
from django_telroi.rest.openapi_responses import Problems, call_answers, check_answers, problem_answers, standing_answer
from django_telroi.rest.problems import (
    BodyTooLarge,
    CodeNotChecked,
    IdempotencyKeyUsed,
    InvalidIdempotencyKey,
    NotNow,
    UserGone,
)
from django_telroi.rest.serializers import (
    PhoneCodeSerializer,
    PhoneProofSerializer,
    PhoneStartSerializer,
    VerifiedPhoneSerializer,
)

WITH_BODY: Problems = (exceptions.ParseError(), exceptions.UnsupportedMediaType("text/plain"), BodyTooLarge())
NO_SUCH: Problems = (errors.AttemptNotFound(),)
NOT_NOW: Problems = (NotNow(),)
OF_A_CHECK: Problems = (errors.TooManyRequests(600), CodeNotChecked())
OF_ANY_CALL: Problems = (
    errors.NotCallable(),
    errors.RegionNotAllowed(),
    errors.CooldownActive(42),
    errors.HourlyLimitReached(1800),
    errors.DailyLimitReached(36000),
    errors.NumberHeld(55),
    errors.TooManyRequests(600),
    errors.SiteLimitReached(),
    errors.CallsStopped(),
    errors.Misconfigured(),
    errors.Unavailable(),
)
OF_A_START: Problems = (
    errors.InvalidNumber(),
    errors.InvalidPurpose(),
    exceptions.ValidationError({"number": ["This field is required."]}),
    InvalidIdempotencyKey(),
    IdempotencyKeyUsed(),
    UserGone(),
)

UUID_IN_PATH = OpenApiParameter("uuid", OpenApiTypes.UUID, OpenApiParameter.PATH, description="A verification's `id`.")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.UUID,
    OpenApiParameter.HEADER,
    description="A new random UUID for every call that is wanted. A request that is repeated with it rings nobody "
    "again, and is answered with the verification that the first one made. It becomes the verification's `id`.",
)
RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    description="Seconds, the same as `retry_after`. It is missing where that is null.",
    response=[429, 503],
)
GOING_ON: Mapping[str, str] = {
    "phone_follow": "How it stands now.",
    "phone_check": "The code that was read out.",
    "phone_call_again": "Once `call_again_in` is 0.",
    "phone_cancel": "To give it up.",
}


@dataclass(frozen=True)
class Operation:
    """One endpoint, in the schema's terms. ``links`` lead on from its 2xx."""

    operation_id: str
    summary: str
    answers: Mapping[int, OpenApiResponse]
    request: OpenApiRequest | None = None
    parameters: Sequence[OpenApiParameter] = (UUID_IN_PATH,)
    links: Mapping[str, str] = field(default_factory=dict)
    answers_with_id: bool = True
    needs_user: bool = False


def operations_of(view: type[APIView]) -> Mapping[str, Operation]:
    """What there is to say of the endpoint, or of the one that it is a subclass of, by method.

    In the active language.
    """
    described = next(DESCRIPTIONS[each] for each in view.__mro__ if each in DESCRIPTIONS)
    return {method: describe() for method, describe in described.items()}


def start_operation() -> Operation:
    return Operation(
        "phone_start",
        "Have a number called",
        {**call_answers(), **problem_answers([*OF_A_START, *WITH_BODY, *OF_ANY_CALL])},
        request=asking(PhoneStartSerializer, {"number": openapi_examples.NUMBER, "language": "en"}),
        parameters=(IDEMPOTENCY_KEY, RETRY_AFTER),
        links=GOING_ON,
    )


def follow_operation() -> Operation:
    return Operation(
        "phone_follow",
        "How a verification stands",
        {**standing_answer(200, "As it stands.", Status), **problem_answers([*NO_SUCH, *NOT_NOW])},
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={name: text for name, text in GOING_ON.items() if name != "phone_follow"},
    )


def check_operation() -> Operation:
    missing = exceptions.ValidationError({"code": ["This field is required."]})
    return Operation(
        "phone_check",
        "Judge the code that was typed",
        {
            **problem_answers([*NO_SUCH, *OF_A_CHECK, missing, *WITH_BODY]),
            **check_answers(also_problems=[CodeNotChecked(), missing, *WITH_BODY]),
        },
        request=asking(PhoneCodeSerializer, {"code": "493 027"}),
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={"phone_follow": GOING_ON["phone_follow"]},
        answers_with_id=False,
    )


def call_again_operation() -> Operation:
    return Operation(
        "phone_call_again",
        "Have the same number called once more",
        {**call_answers(), **problem_answers([*NO_SUCH, *OF_ANY_CALL])},
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links=GOING_ON,
    )


def cancel_operation() -> Operation:
    return Operation(
        "phone_cancel",
        "Give a verification up",
        {**standing_answer(200, "It is over.", FINAL), **problem_answers([*NO_SUCH, *NOT_NOW])},
        parameters=(UUID_IN_PATH, RETRY_AFTER),
        links={"phone_follow": GOING_ON["phone_follow"]},
    )


def phones_operation() -> Operation:
    listed = [OpenApiExample("phone", openapi_examples.phone(), response_only=True)]
    answer = OpenApiResponse(VerifiedPhoneSerializer(many=True), "The user's verified numbers, newest first.", listed)
    return Operation(
        "phone_numbers",
        "The user's verified numbers",
        {200: answer, **problem_answers(NOT_NOW)},
        parameters=(RETRY_AFTER,),
        needs_user=True,
    )


def add_phone_operation() -> Operation:
    added = [OpenApiExample("phone", openapi_examples.phone(), response_only=True, status_codes=["201"])]
    missing = exceptions.ValidationError({"proof": ["This field is required."]})
    refused = (errors.ProofRejected(), errors.NumberTaken(), errors.InvalidPurpose(), missing)
    return Operation(
        "phone_add",
        "Add the number that a proof proves",
        {
            201: OpenApiResponse(VerifiedPhoneSerializer, "The number is the user's.", added),
            **problem_answers([*refused, *WITH_BODY, *NOT_NOW]),
        },
        request=asking(PhoneProofSerializer, {"proof": openapi_examples.PROOF}),
        parameters=(RETRY_AFTER,),
        needs_user=True,
    )


DESCRIPTIONS: Mapping[type[APIView], Mapping[str, Callable[[], Operation]]] = {
    views.StartView: {"POST": start_operation},
    views.VerificationView: {"GET": follow_operation},
    views.CheckView: {"POST": check_operation},
    views.CallAgainView: {"POST": call_again_operation},
    views.CancelView: {"POST": cancel_operation},
    views.PhonesView: {"GET": phones_operation, "POST": add_phone_operation},
}


def asking(serializer: type[Any], value: Mapping[str, Any]) -> OpenApiRequest:
    return OpenApiRequest(serializer, examples=[OpenApiExample("request", value, request_only=True)])
