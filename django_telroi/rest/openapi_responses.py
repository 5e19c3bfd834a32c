"""An endpoint's answers as the schema has them, by status.

Every example is made by what makes the answers, so that none can differ from them.
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
ON_ITS_WAY = "The call is on its way, or nobody knows whether the phone rings. Follow it; a code counts in either case."


def call_answers() -> dict[int, OpenApiResponse]:
    under_way = [status for status in Status if views.STATUS_OF_A_START.get(status) == 202]
    return {
        **standing_answer(200, "A repeat: the verification is over.", FINAL - {Status.FAILED}),
        **standing_answer(201, "The call was placed.", [Status.PLACED]),
        **standing_answer(202, ON_ITS_WAY, under_way),
    }


def standing_answer(code: int, meaning: str, statuses: Iterable[Status]) -> dict[int, OpenApiResponse]:
    examples = _examples(openapi_examples.standings(statuses), code)
    return {code: OpenApiResponse(PhoneVerificationSerializer, meaning, examples)}


def check_answers(*, also_problems: Problems) -> dict[int, OpenApiResponse]:
    """A check's own body, and where the same status can be a problem's as well, either."""
    either = PolymorphicProxySerializer(
        "PhoneCheckOrProblem", [PhoneCheckSerializer, PhoneProblemSerializer], resource_type_field_name=None
    )
    problems = _bodies_of(also_problems)
    return {
        status: _one_of(either if status in problems else PhoneCheckSerializer, status, problems[status] | bodies)
        for status, bodies in openapi_examples.checks().items()
    }


def problem_answers(problems: Problems) -> dict[int, OpenApiResponse]:
    return {
        status: _one_of(PhoneProblemSerializer, status, bodies)
        for status, bodies in sorted(_bodies_of([*problems, *ANYWHERE]).items())
    }


def _bodies_of(problems: Iterable[Exception]) -> dict[int, dict[str, Any]]:
    """By status and code, what our own handler answers."""
    bodies: dict[int, dict[str, Any]] = defaultdict(dict)
    for exc in problems:
        answer = answer_problem(exc, {"view": None})
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
