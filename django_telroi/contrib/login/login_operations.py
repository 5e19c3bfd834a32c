"""The endpoints of the login in the OpenAPI schema: those of a verification, with ids of their own.

The import adds them. It happens only if ``drf_spectacular`` is an installed app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions
from rest_framework.views import APIView

from django_telroi import conf
from django_telroi.contrib.login import login_api
from django_telroi.rest import openapi_examples, openapi_operations
from django_telroi.rest.openapi_operations import BODY_PROBLEMS, Operation, body_with_example
from django_telroi.rest.openapi_responses import check_answers
from django_telroi.rest.problems import CodeNotChecked


def _start() -> Operation:
    operation = _of_login(openapi_operations.start_operation(), "Log in: call a number and read out a code")
    example = {"number": openapi_examples.NUMBER, "language": "en"}
    return replace(operation, request=body_with_example(login_api.LoginStartSerializer, example))


def _check() -> Operation:
    operation = _of_login(openapi_operations.check_operation(), "Check the code and log in")
    missing = exceptions.ValidationError({"code": ["This field is required."]})
    after_right_code = (login_api.NoAccountProblem(), login_api.CodeUsedProblem())
    also = [CodeNotChecked(), missing, *BODY_PROBLEMS, *after_right_code]
    answers = {**operation.answers, **check_answers(also_problems=also)}
    if conf.login_response():
        # The site's function makes the body of the right code, so nothing is known about it.
        answers[200] = OpenApiResponse(description="The body of the site for a login, or the outcome of a wrong code.")
    return replace(operation, answers=answers)


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
