"""The responses of an endpoint in the OpenAPI schema, by HTTP status.

The code of the real responses renders every example, so the examples cannot differ from the responses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import exceptions, status
from rest_framework.views import APIView

from django_telroi.domain.states import FINAL, Status
from django_telroi.rest import openapi_examples, views
from django_telroi.rest.problems import BodyTooLarge, UserGone, answer_problem
from django_telroi.rest.serializers import PhoneCheckSerializer, PhoneProblemSerializer, PhoneVerificationSerializer

Problems = Sequence[Exception]

ANYWHERE: Problems = (
    exceptions.PermissionDenied(),
    exceptions.NotAcceptable(),
    BodyTooLarge(),
    exceptions.Throttled(wait=30),
)
ON_ITS_WAY = (
    "The call is in progress, or it is unknown whether the phone rings. Poll the status. A code can be checked as soon "
    "as the status is `placed` or `unknown`."
)


def call_answers() -> dict[int, OpenApiResponse]:
    """Return the 2xx responses of an endpoint that places a call."""
    under_way = [each for each in Status if views.STATUS_OF_A_START.get(each) == 202]
    return {
        **verification_answer(200, "A retry of a request whose verification is over.", FINAL - {Status.FAILED}),
        **verification_answer(201, "The call was placed.", [Status.PLACED]),
        **verification_answer(202, ON_ITS_WAY, under_way),
    }


def verification_answer(code: int, meaning: str, statuses: Iterable[Status]) -> dict[int, OpenApiResponse]:
    """Return the response with HTTP status ``code`` whose body is a verification in one of ``statuses``."""
    examples = examples_of(openapi_examples.verifications(statuses), code)
    return {code: OpenApiResponse(PhoneVerificationSerializer, meaning, examples)}


def check_answers(*, also_problems: Problems) -> dict[int, OpenApiResponse]:
    """Return the responses of a check. A status that is also in ``also_problems`` can have either body."""
    either = check_or("PhoneCheckOrProblem", PhoneProblemSerializer)
    problems = bodies_of(also_problems)
    return {
        code: one_of(either if code in problems else PhoneCheckSerializer, code, problems[code] | bodies)
        for code, bodies in openapi_examples.checks().items()
    }


def check_or(name: str, problem: type[PhoneProblemSerializer]) -> PolymorphicProxySerializer:
    """Return the component ``name``, which is the result of a check or a problem."""
    return PolymorphicProxySerializer(name, [PhoneCheckSerializer, problem], resource_type_field_name=None)


def problem_answers(problems: Problems, *, of_typed_number: bool = False) -> dict[int, OpenApiResponse]:
    """Return the responses for ``problems``, and for the problems that every endpoint can have.

    ``of_typed_number``: the client sends the number, so an invalid one is answered with what may be meant.
    """
    view = openapi_examples.TypedNumber() if of_typed_number else None
    return {
        code: one_of(PhoneProblemSerializer, code, bodies)
        for code, bodies in sorted(bodies_of([*problems, *ANYWHERE], view=view).items())
    }


def authentication_problems(view: APIView) -> Problems:
    """Return the problems that the authentication of ``view`` can have, with the status that DRF gives them."""
    if not view.get_authenticators():
        return ()
    problems = (exceptions.NotAuthenticated(), exceptions.AuthenticationFailed(), UserGone())
    if not view.get_authenticate_header(view.request):
        for each in problems:
            each.status_code = status.HTTP_403_FORBIDDEN
    return problems


def with_problems(answers: Mapping[int, OpenApiResponse], problems: Problems) -> dict[int, OpenApiResponse]:
    """Return ``answers`` and the responses for ``problems``, which may have the same status."""
    both = dict(answers)
    for code, bodies in bodies_of(problems).items():
        if known := both.get(code):
            named = {each.name: each.value for each in known.examples}
            both[code] = one_of(known.response, code, named | bodies)
        else:
            both[code] = one_of(PhoneProblemSerializer, code, bodies)
    return both


def bodies_of(problems: Iterable[Exception], *, view: object = None) -> dict[int, dict[str, Any]]:
    """Return the bodies of our exception handler, by HTTP status and code."""
    bodies: dict[int, dict[str, Any]] = defaultdict(dict)
    for exc in problems:
        # Our handler knows every exception of these lists. None would mean that a list names one that it does not
        # handle.
        answer = answer_problem(exc, {"view": view})
        assert answer is not None
        bodies[answer.status_code][answer.data["code"]] = answer.data
    return bodies


def one_of(serializer: object, code: int, bodies: Mapping[str, Any]) -> OpenApiResponse:
    """Return the response with HTTP status ``code``. ``bodies`` are its examples by name."""
    names = ", ".join(f"`{name}`" for name in bodies)
    return OpenApiResponse(serializer, f"One of: {names}.", examples_of(bodies, code))


def examples_of(bodies: Mapping[str, Any], code: int) -> list[OpenApiExample]:
    """Return the examples of a response with HTTP status ``code``. ``bodies`` are their values by name."""
    return [OpenApiExample(name, value, response_only=True, status_codes=[str(code)]) for name, value in bodies.items()]
