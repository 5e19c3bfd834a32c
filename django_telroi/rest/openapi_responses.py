"""The responses of an endpoint in the OpenAPI schema, by HTTP status.

The code of the real responses renders every example, so the examples cannot differ from the responses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import exceptions

from django_telroi.domain.states import FINAL, Status
from django_telroi.rest import openapi_examples, views
from django_telroi.rest.problems import answer_problem
from django_telroi.rest.serializers import PhoneCheckSerializer, PhoneProblemSerializer, PhoneVerificationSerializer

Problems = Sequence[Exception]

ANYWHERE: Problems = (
    exceptions.NotAuthenticated(),
    exceptions.AuthenticationFailed(),
    exceptions.PermissionDenied(),
    exceptions.NotAcceptable(),
    exceptions.Throttled(wait=30),
)
ON_ITS_WAY = (
    "The call is in progress, or it is unknown whether the phone rings. Poll the status. A code can be checked as soon "
    "as the status is `placed` or `unknown`."
)


def call_answers() -> dict[int, OpenApiResponse]:
    """Return the 2xx responses of an endpoint that places a call."""
    under_way = [status for status in Status if views.STATUS_OF_A_START.get(status) == 202]
    return {
        **verification_answer(200, "A retry of a request whose verification is over.", FINAL - {Status.FAILED}),
        **verification_answer(201, "The call was placed.", [Status.PLACED]),
        **verification_answer(202, ON_ITS_WAY, under_way),
    }


def verification_answer(code: int, meaning: str, statuses: Iterable[Status]) -> dict[int, OpenApiResponse]:
    """Return the response with HTTP status ``code`` whose body is a verification in one of ``statuses``."""
    examples = _examples(openapi_examples.verifications(statuses), code)
    return {code: OpenApiResponse(PhoneVerificationSerializer, meaning, examples)}


def check_answers(*, also_problems: Problems) -> dict[int, OpenApiResponse]:
    """Return the responses of a check. A status that is also in ``also_problems`` can have either body."""
    either = PolymorphicProxySerializer(
        "PhoneCheckOrProblem", [PhoneCheckSerializer, PhoneProblemSerializer], resource_type_field_name=None
    )
    problems = _bodies_of(also_problems)
    return {
        status: _one_of(either if status in problems else PhoneCheckSerializer, status, problems[status] | bodies)
        for status, bodies in openapi_examples.checks().items()
    }


def problem_answers(problems: Problems, *, of_typed_number: bool = False) -> dict[int, OpenApiResponse]:
    """Return the responses for ``problems``, and for the problems that every endpoint can have.

    ``of_typed_number``: the client sends the number, so an invalid one is answered with what may be meant.
    """
    view = openapi_examples.TypedNumber() if of_typed_number else None
    return {
        status: _one_of(PhoneProblemSerializer, status, bodies)
        for status, bodies in sorted(_bodies_of([*problems, *ANYWHERE], view=view).items())
    }


def _bodies_of(problems: Iterable[Exception], *, view: object = None) -> dict[int, dict[str, Any]]:
    """Return the bodies of our exception handler, by HTTP status and code."""
    bodies: dict[int, dict[str, Any]] = defaultdict(dict)
    for exc in problems:
        # Our handler knows every exception of these lists. None would mean that a list names one that it does not
        # handle.
        answer = answer_problem(exc, {"view": view})
        assert answer is not None
        bodies[answer.status_code][answer.data["code"]] = answer.data
    return bodies


def _one_of(serializer: object, status: int, bodies: Mapping[str, Any]) -> OpenApiResponse:
    names = ", ".join(f"`{name}`" for name in bodies)
    return OpenApiResponse(serializer, f"One of: {names}.", _examples(bodies, status))


def _examples(bodies: Mapping[str, Any], status: int) -> list[OpenApiExample]:
    return [
        OpenApiExample(name, value, response_only=True, status_codes=[str(status)]) for name, value in bodies.items()
    ]
