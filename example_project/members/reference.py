"""The API's schema, and a page that shows it. They need drf-spectacular: ``django-telroi[openapi]``.

drf-spectacular's own page loads Swagger from another site. This site's Content-Security-Policy forbids that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.views import APIView

from django_telroi.errors import ProofRejected
from django_telroi.rest.openapi_examples import PROOF
from django_telroi.services.sentences import sentence
from members.api import SignUpSerializer

SENT = {"username": "adaeze", "password": "three words are better", "proof": PROOF}
REJECTED = {"proof": [sentence(ProofRejected.code)]}


class DescribedSignUp(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """The parts of the schema that drf-spectacular cannot derive from the view."""

    target_class = "members.api.SignUpView"

    def view_replacement(self) -> type[APIView]:
        target: Any = self.target

        class SignUp(target):  # type: ignore[misc]
            @extend_schema(
                operation_id="sign_up",
                summary="Sign up with a verified phone",
                tags=["members"],
                examples=[OpenApiExample("request", value=SENT, request_only=True)],
                responses={
                    201: answer(SignUpSerializer, "The user is created and the proof is redeemed.", username="adaeze"),
                    400: answer(dict, "Nothing was saved. The errors of each field.", **REJECTED),
                    415: answer(
                        dict,
                        "The body is neither JSON nor a form.",
                        detail='Unsupported media type "text/plain" in request.',
                    ),
                },
            )
            def post(self, *args: Any, **options: Any) -> Any:
                return super().post(*args, **options)

        return SignUp


def answer(kind: Any, description: str, **body: Any) -> OpenApiResponse:
    return OpenApiResponse(kind, description=description, examples=[OpenApiExample("answer", value=body)])


@dataclass(frozen=True)
class Body:
    """An example of a request or response body."""

    name: str
    text: str


@dataclass(frozen=True)
class Answer:
    status: str
    reason: str
    description: str
    bodies: list[Body]


@dataclass(frozen=True)
class Endpoint:
    """One path and method, as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    parameters: list[Mapping[str, Any]]
    requests: list[Body]
    answers: list[Answer]


def reference(request: HttpRequest) -> HttpResponse:
    """Show the schema as HTML."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return render(request, "members/reference.html", {"endpoints": list(endpoints(document))})


def endpoints(document: Mapping[str, Any]) -> Iterator[Endpoint]:
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            yield Endpoint(
                id=operation["operationId"],
                method=method.upper(),
                path=address,
                summary=operation.get("summary", ""),
                parameters=operation.get("parameters", []),
                requests=bodies(operation.get("requestBody", {})),
                answers=[_answer(status, response) for status, response in operation["responses"].items()],
            )


def bodies(carrier: Mapping[str, Any]) -> list[Body]:
    """Return the JSON examples of a request or a response."""
    examples = carrier.get("content", {}).get("application/json", {}).get("examples", {})
    return [
        Body(example.get("summary", name), json.dumps(example["value"], indent=2, ensure_ascii=False))
        for name, example in examples.items()
    ]


def _answer(status: str, response: Mapping[str, Any]) -> Answer:
    return Answer(status, HTTPStatus(int(status)).phrase, response.get("description", ""), bodies(response))


urlpatterns = [
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", reference, name="api-docs"),
]
